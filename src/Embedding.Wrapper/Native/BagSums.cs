using System.Numerics;

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
            var sum = new Span<T>(destination + (bag * width), width);
            sum.Clear();
            long count = 0;
            for (long i = starts[bag]; i < starts[bag + 1]; i++)
            {
                if (indices[i] == padding) continue;
                count++;
                Add(new ReadOnlySpan<T>(table + (indices[i] * width), width), sum);
            }
            if (!means || count < 2) continue; // dividing by 1 changes nothing
            T divisor = T.CreateTruncating(count);
            foreach (ref T element in sum) element /= divisor;
        }
    }

    private static void Add<T>(ReadOnlySpan<T> row, Span<T> sum) where T : unmanaged, INumber<T>
    {
        int i = 0;
        for (; i <= row.Length - Vector<T>.Count; i += Vector<T>.Count)
            (new Vector<T>(sum[i..]) + new Vector<T>(row[i..])).CopyTo(sum[i..]);
        for (; i < row.Length; i++) sum[i] += row[i];
    }
}
