using System.Runtime.Intrinsics.X86;

namespace EmbeddingWrapper.Native;

/// <summary>Copies rows out of a table in the CPU's memory.</summary>
internal static unsafe class RowCopy
{
    private const int CacheLine = 64;

    /// <summary>How many rows ahead are prefetched: random rows of a large table are in no cache.</summary>
    private const int RowsAhead = 16;

    /// <summary>Tables smaller than this stay in a cache without prefetching.</summary>
    private const long LargeTable = 1 << 20;

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
            bool prefetch = Sse.IsSupported && tableBytes > LargeTable;
            int threads = ParallelRows.Threads(bytes);
            if (threads == 1) CopyPart(table, rowBytes, prefetch, index, indices.Length, (byte*)target);
            else CopyShared(threads, table, rowBytes, prefetch, index, indices.Length, (byte*)target);
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
    private static void CopyShared(int threads, byte* table, long rowBytes, bool prefetch, long* indices, int count, byte* target) =>
        ParallelRows.Run(threads, count, (start, end) =>
            CopyPart(table, rowBytes, prefetch, indices + start, (int)(end - start), target + (start * rowBytes)));

    private static void CopyPart(byte* table, long rowBytes, bool prefetch, long* indices, int count, byte* target)
    {
        for (int i = 0; i < count; i++, target += rowBytes)
        {
            if (prefetch && i + RowsAhead < count)
            {
                byte* next = table + (indices[i + RowsAhead] * rowBytes);
                for (long line = 0; line < rowBytes; line += CacheLine) Sse.Prefetch0(next + line);
            }
            Buffer.MemoryCopy(table + (indices[i] * rowBytes), target, rowBytes, rowBytes);
        }
    }
}
