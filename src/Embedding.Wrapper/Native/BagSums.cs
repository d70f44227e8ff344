using System.Numerics;
using System.Runtime.Intrinsics.X86;

namespace EmbeddingWrapper.Native;

/// <summary>
/// Sums and means of bags of rows in the CPU's memory, with libtorch's bits: each element is summed in the order of the indices, from
/// +0, and a mean is the sum divided by the number of rows. The caller has checked indices and offsets.
/// </summary>
/// <param name="indices">The row numbers, bag after bag.</param>
/// <param name="starts">Where each bag begins, and after them where the last one ends.</param>
/// <param name="bags">The number of bags.</param>
/// <param name="width">The length of a row.</param>
/// <param name="padding">The row that is left out, or -1.</param>
/// <param name="means">Means instead of sums.</param>
internal readonly unsafe struct BagSums(long* indices, long* starts, int bags, int width, long padding, bool means)
{
    private const int CacheLine = 64;

    /// <summary>How many rows ahead are prefetched, because random rows of a large table are in no cache.</summary>
    private const int RowsAhead = 16;

    public void Write<T>(T* table, T* destination) where T : unmanaged, INumber<T>
    {
        int threads = ParallelRows.Threads((starts[bags] - starts[0]) * width * sizeof(T));
        if (threads == 1) WritePart(table, destination, 0, bags);
        else WriteShared(threads, table, destination);
    }

    // A method of its own, so that a short look-up does not allocate the closure.
    private void WriteShared<T>(int threads, T* table, T* destination) where T : unmanaged, INumber<T>
    {
        BagSums all = this;
        ParallelRows.Run(threads, bags, (start, end) => all.WritePart(table, destination, start, end));
    }

    private void WritePart<T>(T* table, T* destination, long start, long end) where T : unmanaged, INumber<T>
    {
        long last = starts[end];
        for (long bag = start; bag < end; bag++)
        {
            T* sum = destination + (bag * width);
            new Span<T>(sum, width).Clear();
            long count = 0;
            for (long i = starts[bag]; i < starts[bag + 1]; i++)
            {
                if (Sse.IsSupported && i + RowsAhead < last) Prefetch(table + (indices[i + RowsAhead] * width));
                if (indices[i] == padding) continue;
                count++;
                Add(table + (indices[i] * width), sum);
            }
            if (!means || count < 2) continue; // dividing by 1 changes nothing
            T divisor = T.CreateTruncating(count);
            foreach (ref T element in new Span<T>(sum, width)) element /= divisor;
        }
    }

    private void Prefetch<T>(T* row) where T : unmanaged
    {
        for (long line = 0; line < (long)width * sizeof(T); line += CacheLine) Sse.Prefetch0((byte*)row + line);
    }

    private void Add<T>(T* row, T* sum) where T : unmanaged, INumber<T>
    {
        int i = 0, step = Vector<T>.Count;
        for (; i <= width - (2 * step); i += 2 * step)
        {
            Vector<T> first = Vector.Load(sum + i) + Vector.Load(row + i);
            Vector<T> second = Vector.Load(sum + i + step) + Vector.Load(row + i + step);
            first.Store(sum + i);
            second.Store(sum + i + step);
        }
        for (; i < width; i++) sum[i] += row[i];
    }
}
