using System.Numerics;
using System.Runtime.CompilerServices;
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
        for (long bag = start; bag < end; bag++)
        {
            T* sum = destination + (bag * width);
            Sum(table, sum, starts[bag], starts[bag + 1], starts[end]);
            if (!means) continue;
            long count = 0;
            for (long i = starts[bag]; i < starts[bag + 1]; i++)
                if (indices[i] != padding) count++;
            if (count < 2) continue; // dividing by 1 changes nothing
            T divisor = T.CreateTruncating(count);
            foreach (ref T element in new Span<T>(sum, width)) element /= divisor;
        }
    }

    /// <summary>Sums the rows of the indices from first to last. The sums of some columns at a time stay in registers.</summary>
    private void Sum<T>(T* table, T* sum, long first, long last, long end) where T : unmanaged, INumber<T>
    {
        int step = Vector<T>.Count, column = 0;
        for (; column <= width - (8 * step); column += 8 * step)
        {
            Vector<T> a = default, b = default, c = default, d = default, e = default, f = default, g = default, h = default;
            for (long i = first; i < last; i++)
            {
                if (column == 0) PrefetchAfter(table, i, end);
                if (indices[i] == padding) continue;
                T* row = table + (indices[i] * width) + column;
                a += Vector.Load(row);
                b += Vector.Load(row + step);
                c += Vector.Load(row + (2 * step));
                d += Vector.Load(row + (3 * step));
                e += Vector.Load(row + (4 * step));
                f += Vector.Load(row + (5 * step));
                g += Vector.Load(row + (6 * step));
                h += Vector.Load(row + (7 * step));
            }
            T* to = sum + column;
            a.Store(to);
            b.Store(to + step);
            c.Store(to + (2 * step));
            d.Store(to + (3 * step));
            e.Store(to + (4 * step));
            f.Store(to + (5 * step));
            g.Store(to + (6 * step));
            h.Store(to + (7 * step));
        }
        for (; column <= width - step; column += step)
        {
            Vector<T> a = default;
            for (long i = first; i < last; i++)
            {
                if (column == 0) PrefetchAfter(table, i, end);
                if (indices[i] != padding) a += Vector.Load(table + (indices[i] * width) + column);
            }
            a.Store(sum + column);
        }
        for (; column < width; column++)
        {
            T a = T.Zero;
            for (long i = first; i < last; i++)
                if (indices[i] != padding) a += table[(indices[i] * width) + column];
            sum[column] = a;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void PrefetchAfter<T>(T* table, long i, long end) where T : unmanaged
    {
        if (!Sse.IsSupported || i + RowsAhead >= end) return;
        byte* row = (byte*)(table + (indices[i + RowsAhead] * width));
        for (long line = 0; line < (long)width * sizeof(T); line += CacheLine) Sse.Prefetch0(row + line);
    }
}
