using System.Numerics;
using System.Runtime.Intrinsics.X86;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Native;

/// <summary>
/// Copies rows out of a table in the CPU's memory. What it knows of the table it asks once: each question to TorchSharp costs more than
/// a short row.
/// </summary>
internal sealed unsafe class RowCopy
{
    private const int CacheLine = 64;

    /// <summary>How far ahead rows are fetched: random rows of a large table are in no cache.</summary>
    private const int RowsAhead = 16;

    /// <summary>Tables smaller than this stay in a cache by themselves.</summary>
    private const long LargeTable = 1 << 20;

    private readonly byte* _address;
    private readonly long _rowBytes;

    private RowCopy(Tensor table, bool direct)
    {
        (Count, Width, Dtype) = (table.size(0), table.size(1), table.dtype);
        _rowBytes = Width * table.ElementSize;
        IsDirect = direct && table.is_contiguous() && !table.is_neg() && !table.has_names(); // libtorch negates on the way, refuses names
        if (IsDirect) _address = TensorMemory.Address<byte>(table);
    }

    public long Count { get; }

    public long Width { get; }

    public ScalarType Dtype { get; }

    /// <summary>Whether the rows can be copied from memory; otherwise they are looked up by libtorch.</summary>
    public bool IsDirect { get; }

    /// <exception cref="InvalidOperationException">The table is not on the CPU, not 2-D, or sparse.</exception>
    public static RowCopy Of(Tensor table, bool direct)
    {
        if (table.device_type != DeviceType.CPU)
            throw new InvalidOperationException($"Lookup into a span reads a table on the CPU, and this one is on {table.device}.");
        if (table.dim() != 2) throw new InvalidOperationException($"'weight' must be 2-D, and it has {table.dim()} dimensions.");
        if (table.is_sparse) throw new InvalidOperationException("Lookup into a span reads a dense table, and this one is sparse.");
        return new RowCopy(table, direct);
    }

    /// <summary>Whether the table has not been moved since.</summary>
    public bool IsStillAt(Tensor table) => IsDirect && TensorMemory.Address<byte>(table) == _address;

    /// <summary>Copies one row after the other. Lengths and indices are the caller's to check.</summary>
    /// <exception cref="ArgumentException">The destination overlaps what is read: the table, or the indices, which were checked before.</exception>
    public void Copy<TIndex, T>(ReadOnlySpan<TIndex> indices, Span<T> destination)
        where TIndex : unmanaged, IBinaryInteger<TIndex>
        where T : unmanaged
    {
        int count = indices.Length, threads = ParallelRows.Threads(count * _rowBytes);
        fixed (TIndex* index = indices)
        fixed (T* target = destination)
        {
            long bytes = count * _rowBytes;
            if (Overlap(_address, Count * _rowBytes, target, bytes)) throw Overlaps("the table", nameof(destination));
            if (Overlap(index, (long)count * sizeof(TIndex), target, bytes)) throw Overlaps("the indices", nameof(destination));
            if (threads == 1) CopyPart(index, count, (byte*)target);
            else CopyShared(threads, index, count, (byte*)target);
        }
    }

    private static bool Overlap(void* a, long aBytes, void* b, long bBytes) => (byte*)a < (byte*)b + bBytes && (byte*)b < (byte*)a + aBytes;

    private static ArgumentException Overlaps(string what, string destination) =>
        new($"The destination overlaps the memory of {what}.", destination);

    // Apart, so that a short look-up does not allocate the closure.
    private void CopyShared<TIndex>(int threads, TIndex* indices, int count, byte* target) where TIndex : unmanaged, IBinaryInteger<TIndex> =>
        ParallelRows.Run(threads, count, (start, end) => CopyPart(indices + start, (int)(end - start), target + (start * _rowBytes)));

    private void CopyPart<TIndex>(TIndex* indices, int count, byte* target) where TIndex : unmanaged, IBinaryInteger<TIndex>
    {
        long rowBytes = _rowBytes;
        bool ahead = Sse.IsSupported && Count * rowBytes > LargeTable;
        for (int i = 0; i < count; i++, target += rowBytes)
        {
            if (ahead && i + RowsAhead < count)
            {
                byte* next = _address + (long.CreateTruncating(indices[i + RowsAhead]) * rowBytes);
                for (long line = 0; line < rowBytes; line += CacheLine) Sse.Prefetch0(next + line);
            }
            byte* row = _address + (long.CreateTruncating(indices[i]) * rowBytes);
            Buffer.MemoryCopy(row, target, rowBytes, rowBytes);
        }
    }
}
