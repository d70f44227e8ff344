using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace EmbeddingWrapper.Native;

/// <summary>Copies rows out of a table in the CPU's memory.</summary>
internal static unsafe class RowCopy
{
    /// <summary>
    /// How many rows ahead a row is prefetched, because random rows of a large table are in no cache. Only its first line is: the
    /// processor fetches the following ones by itself, and every prefetch of a line that is in a cache takes time.
    /// </summary>
    private const int RowsAhead = 8;

    /// <summary>Copies one row after the other. The caller has checked the indices and the length of the destination.</summary>
    /// <exception cref="ArgumentException">The destination overlaps the table.</exception>
    public static void Copy<T>(byte* table, long rows, long width, ReadOnlySpan<long> indices, Span<T> destination) where T : unmanaged
    {
        long rowBytes = width * sizeof(T), tableBytes = rows * rowBytes;
        fixed (long* index = indices)
        fixed (T* target = destination)
        {
            long bytes = (long)destination.Length * sizeof(T);
            ThrowIfOverlapping(table, tableBytes, target, bytes, "the table");
            int threads = ParallelRows.Threads(bytes);
            if (threads == 1) CopyPart(table, rowBytes, index, indices.Length, (byte*)target);
            else CopyShared(threads, table, rowBytes, index, indices.Length, (byte*)target);
        }
    }

    /// <exception cref="ArgumentException">The two overlap.</exception>
    public static void ThrowIfOverlapping(void* memory, long bytes, void* destination, long destinationBytes, string what)
    {
        if (destinationBytes == 0) return;
        if ((byte*)memory >= (byte*)destination + destinationBytes || (byte*)destination >= (byte*)memory + bytes) return;
        throw new ArgumentException($"The destination overlaps the memory of {what}.", nameof(destination));
    }

    // A method of its own, so that a short look-up does not allocate the closure.
    private static void CopyShared(int threads, byte* table, long rowBytes, long* indices, int count, byte* target) =>
        ParallelRows.Run(threads, count, (start, end) =>
            CopyPart(table, rowBytes, indices + start, (int)(end - start), target + (start * rowBytes)));

    private static void CopyPart(byte* table, long rowBytes, long* indices, int count, byte* target)
    {
        for (int i = 0; i < count; i++, target += rowBytes)
        {
            if (Sse.IsSupported && i + RowsAhead < count) Sse.Prefetch0(table + (indices[i + RowsAhead] * rowBytes));
            CopyRow(table + (indices[i] * rowBytes), target, rowBytes);
        }
    }

    /// <summary>Faster than <see cref="Buffer.MemoryCopy(void*, void*, long, long)"/> for each row, by a tenth to a quarter.</summary>
    private static void CopyRow(byte* row, byte* target, long bytes)
    {
        long i = 0;
        for (; i <= bytes - (2 * Vector256<byte>.Count); i += 2 * Vector256<byte>.Count)
        {
            Vector256<byte> first = Vector256.Load(row + i), second = Vector256.Load(row + i + Vector256<byte>.Count);
            first.Store(target + i);
            second.Store(target + i + Vector256<byte>.Count);
        }
        if (i < bytes) Buffer.MemoryCopy(row + i, target + i, bytes - i, bytes - i);
    }
}
