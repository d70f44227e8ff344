using System.Diagnostics;
using System.Numerics;
using System.Runtime.Intrinsics.X86;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Benchmarks;

/// <summary>
/// The fastest step that the memory allows one thread: the rows are sorted by radix, entries of one row are summed, and each row is updated
/// once and in place. It checks nothing, and its sums need not have PyTorch's bits. SGD adds the entries as they come.
/// </summary>
internal sealed unsafe class PlainStep(string optimizer, long rows, int width, int batch) : IDisposable
{
    private const int RowsAhead = 8;

    private readonly Tensor _table = zeros(rows, width), _first = zeros(rows, width), _second = zeros(rows, width), _values = randn(batch, width);
    private readonly float[] _sum = new float[width];
    private ulong[] _sorted = new ulong[batch], _other = new ulong[batch]; // the row in the upper half, the entry in the lower

    public void Measure(int rounds, Dictionary<string, double> best)
    {
        var random = new Random(1);
        var indices = new long[batch];
        fixed (byte* table = _table.bytes, first = _first.bytes, second = _second.bytes, values = _values.bytes)
        {
            for (int round = 0; round < rounds; round++)
            {
                for (int i = 0; i < batch; i++) indices[i] = random.NextInt64(rows);
                long start = Stopwatch.GetTimestamp();
                if (optimizer == "SGD") Add(indices, (float*)table, (float*)values);
                else Update(indices, (float*)table, (float*)first, (float*)second, (float*)values);
                best.KeepFastest("limit", Stopwatch.GetElapsedTime(start).TotalMicroseconds);
            }
        }
    }

    public void Dispose()
    {
        foreach (Tensor tensor in new[] { _table, _first, _second, _values }) tensor.Dispose();
    }

    private void Add(long[] indices, float* table, float* values)
    {
        var rate = new Vector<float>(-1e-3f);
        for (int entry = 0; entry < batch; entry++)
        {
            if (entry + RowsAhead < batch) Prefetch(table + (indices[entry + RowsAhead] * width));
            float* row = table + (indices[entry] * width), value = values + ((long)entry * width);
            for (int i = 0; i < width; i += Vector<float>.Count)
                Vector.Store(Vector.FusedMultiplyAdd(Vector.Load(value + i), rate, Vector.Load(row + i)), row + i);
        }
    }

    private void Update(long[] indices, float* table, float* first, float* second, float* values)
    {
        bool adam = optimizer == "SparseAdam";
        Sort(indices);
        fixed (float* sum = _sum)
        {
            for (int entry = 0; entry < batch;)
            {
                if (entry + RowsAhead < batch)
                {
                    long ahead = (long)(_sorted[entry + RowsAhead] >> 32) * width;
                    Prefetch(table + ahead);
                    Prefetch(first + ahead);
                    if (adam) Prefetch(second + ahead);
                }
                ulong row = _sorted[entry] >> 32;
                float* value = Entry(entry);
                if (++entry < batch && _sorted[entry] >> 32 == row)
                {
                    new Span<float>(value, width).CopyTo(_sum);
                    for (; entry < batch && _sorted[entry] >> 32 == row; entry++)
                    {
                        for (int i = 0; i < width; i += Vector<float>.Count)
                            Vector.Store(Vector.Load(sum + i) + Vector.Load(Entry(entry) + i), sum + i);
                    }
                    value = sum;
                }
                long at = (long)row * width;
                if (adam) Adam(value, table + at, first + at, second + at);
                else Adagrad(value, table + at, first + at);
            }
        }

        float* Entry(int place) => values + ((long)(uint)_sorted[place] * width);
    }

    private void Adam(float* value, float* row, float* mean, float* square)
    {
        Vector<float> c1 = new(0.1f), c2 = new(0.001f), eps = new(1e-8f), size = new(-1e-3f);
        for (int i = 0; i < width; i += Vector<float>.Count)
        {
            Vector<float> v = Vector.Load(value + i), m = Vector.Load(mean + i), s = Vector.Load(square + i);
            m += (v - m) * c1;
            s += ((v * v) - s) * c2;
            Vector.Store(m, mean + i);
            Vector.Store(s, square + i);
            Vector.Store(Vector.Load(row + i) + (size * (m / (Vector.SquareRoot(s) + eps))), row + i);
        }
    }

    private void Adagrad(float* value, float* row, float* sum)
    {
        Vector<float> eps = new(1e-10f), rate = new(-1e-2f);
        for (int i = 0; i < width; i += Vector<float>.Count)
        {
            Vector<float> v = Vector.Load(value + i), s = Vector.Load(sum + i) + (v * v);
            Vector.Store(s, sum + i);
            Vector.Store(Vector.Load(row + i) + (rate * (v / (Vector.SquareRoot(s) + eps))), row + i);
        }
    }

    private void Sort(long[] indices)
    {
        for (int i = 0; i < batch; i++) _sorted[i] = ((ulong)indices[i] << 32) | (uint)i;
        Span<int> places = stackalloc int[256];
        for (int shift = 32; (rows - 1) >> (shift - 32) > 0; shift += 8)
        {
            places.Clear();
            foreach (ulong entry in _sorted) places[(int)(entry >> shift) & 255]++;
            for (int i = 0, next = 0; i < places.Length; i++) (places[i], next) = (next, next + places[i]);
            foreach (ulong entry in _sorted) _other[places[(int)(entry >> shift) & 255]++] = entry;
            (_sorted, _other) = (_other, _sorted);
        }
    }

    private void Prefetch(float* row)
    {
        for (int i = 0; Sse.IsSupported && i < width; i += 16) Sse.Prefetch0(row + i);
    }
}
