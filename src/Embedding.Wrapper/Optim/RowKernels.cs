using System.Numerics;
using System.Runtime.Intrinsics.X86;
using EmbeddingWrapper.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Optim;

/// <summary>
/// The arithmetic of the optimizers on rows in CPU memory. Each element is computed in the order of PyTorch's tensor operations and rounded
/// where these round, so the bits are the same. Square roots are rounded as IEEE 754 says. (The libtorch of the NuGet packages for
/// TorchSharp 0.107 does not round them correctly for about one float32 value in six; the libtorch of PyTorch's builds does.)
/// </summary>
internal static unsafe class RowKernels
{
    /// <summary>The number of rows that are prefetched: random rows of a large table are in no cache.</summary>
    private const int RowsAhead = 8;

    /// <summary>The factors of one SparseAdam step.</summary>
    public readonly record struct AdamFactors(double OneMinusBeta1, double OneMinusBeta2, double Eps, double MinusStepSize);

    public static void SparseAdam(SparseGradient gradient, Tensor parameter, Tensor expAvg, Tensor expAvgSq, AdamFactors factors)
    {
        if (parameter.dtype == ScalarType.Float32) SparseAdam<float>(gradient, parameter, expAvg, expAvgSq, factors);
        else SparseAdam<double>(gradient, parameter, expAvg, expAvgSq, factors);
    }

    public static void Adagrad(SparseGradient gradient, Tensor parameter, Tensor sum, double eps, double minusLr)
    {
        if (parameter.dtype == ScalarType.Float32) Adagrad<float>(gradient, parameter, sum, eps, minusLr);
        else Adagrad<double>(gradient, parameter, sum, eps, minusLr);
    }

    /// <summary>
    /// Replaces a tensor that was just computed by its square roots: IEEE's for float32 and float64 on the CPU, libtorch's elsewhere.
    /// </summary>
    /// <param name="fresh">The result of an operation: no view, and without gaps between its elements.</param>
    public static Tensor SqrtInPlace(Tensor fresh)
    {
        if (fresh.device_type != DeviceType.CPU || fresh.dtype is not (ScalarType.Float32 or ScalarType.Float64)) return fresh.sqrt_();
        if (fresh.dtype == ScalarType.Float32) SqrtInPlace<float>(fresh);
        else SqrtInPlace<double>(fresh);
        return fresh;
    }

    private static void SparseAdam<T>(SparseGradient gradient, Tensor parameter, Tensor expAvg, Tensor expAvgSq, AdamFactors factors)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        long count = gradient.Values.size(0);
        int width = checked((int)(gradient.Values.numel() / count));
        long* rows = TensorMemory.Address<long>(gradient.Indices);
        T* values = TensorMemory.Address<T>(gradient.Values), p = TensorMemory.Address<T>(parameter);
        T* m = TensorMemory.Address<T>(expAvg), s = TensorMemory.Address<T>(expAvgSq);
        T c1 = T.CreateTruncating(factors.OneMinusBeta1), c2 = T.CreateTruncating(factors.OneMinusBeta2);
        T eps = T.CreateTruncating(factors.Eps), size = T.CreateTruncating(factors.MinusStepSize);
        Run(count, 4L * width * sizeof(T), (start, end) =>
        {
            Vector<T> vc1 = new(c1), vc2 = new(c2), vEps = new(eps), vSize = new(size);
            for (long row = start; row < end; row++)
            {
                if (row + RowsAhead < end)
                {
                    long ahead = rows[row + RowsAhead] * width;
                    Prefetch(p + ahead, width);
                    Prefetch(m + ahead, width);
                    Prefetch(s + ahead, width);
                }
                long at = rows[row] * width;
                T* vr = values + (row * width), pr = p + at, mr = m + at, sr = s + at;
                int i = 0;
                for (; i <= width - Vector<T>.Count; i += Vector<T>.Count)
                {
                    Vector<T> v = Vector.Load(vr + i), m0 = Vector.Load(mr + i), s0 = Vector.Load(sr + i);
                    Vector<T> dm = (v - m0) * vc1, ds = ((v * v) - s0) * vc2;
                    Vector.Store(m0 + dm, mr + i);
                    Vector.Store(s0 + ds, sr + i);
                    Vector<T> ratio = (dm + m0) / (Vector.SquareRoot(ds + s0) + vEps);
                    Vector.Store(Vector.Load(pr + i) + (vSize * ratio), pr + i);
                }
                for (; i < width; i++)
                {
                    T v = vr[i], m0 = mr[i], s0 = sr[i];
                    T dm = (v - m0) * c1, ds = ((v * v) - s0) * c2;
                    mr[i] = m0 + dm;
                    sr[i] = s0 + ds;
                    pr[i] += size * ((dm + m0) / (T.Sqrt(ds + s0) + eps));
                }
            }
        });
    }

    private static void Adagrad<T>(SparseGradient gradient, Tensor parameter, Tensor sum, double eps, double minusLr)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        long count = gradient.Values.size(0);
        int width = checked((int)(gradient.Values.numel() / count));
        long* rows = TensorMemory.Address<long>(gradient.Indices);
        T* values = TensorMemory.Address<T>(gradient.Values);
        T* p = TensorMemory.Address<T>(parameter), s = TensorMemory.Address<T>(sum);
        T e = T.CreateTruncating(eps), lr = T.CreateTruncating(minusLr);
        bool once = ScaledAddRoundsOnce.Value;
        Run(count, 3L * width * sizeof(T), (start, end) =>
        {
            Vector<T> vEps = new(e), vLr = new(lr);
            for (long row = start; row < end; row++)
            {
                if (row + RowsAhead < end)
                {
                    long ahead = rows[row + RowsAhead] * width;
                    Prefetch(p + ahead, width);
                    Prefetch(s + ahead, width);
                }
                long at = rows[row] * width;
                T* vr = values + (row * width), pr = p + at, sr = s + at;
                int i = 0;
                for (; i <= width - Vector<T>.Count; i += Vector<T>.Count)
                {
                    Vector<T> v = Vector.Load(vr + i), s1 = Vector.Load(sr + i) + (v * v);
                    Vector.Store(s1, sr + i);
                    Vector<T> ratio = v / (Vector.SquareRoot(s1) + vEps), old = Vector.Load(pr + i);
                    Vector.Store(once ? MultiplyAdd(ratio, vLr, old) : (ratio * vLr) + old, pr + i);
                }
                for (; i < width; i++)
                {
                    T v = vr[i], s1 = sr[i] + (v * v);
                    sr[i] = s1;
                    T ratio = v / (T.Sqrt(s1) + e);
                    pr[i] = once ? T.FusedMultiplyAdd(ratio, lr, pr[i]) : (ratio * lr) + pr[i];
                }
            }
        });
    }

    /// <summary>
    /// Adds <c>factor * value</c> to the row of each entry, one entry after the other: libtorch's <c>add_</c> of a sparse tensor that is
    /// not coalesced. A row may occur several times, so the entries are not shared out to threads.
    /// </summary>
    public static void Add(SparseGradient entries, Tensor table, double factor)
    {
        if (table.dtype == ScalarType.Float32) Add<float>(entries, table, factor);
        else Add<double>(entries, table, factor);
    }

    private static void Add<T>(SparseGradient entries, Tensor table, double factor) where T : unmanaged, IFloatingPointIeee754<T>
    {
        long count = entries.Values.size(0);
        int width = checked((int)(entries.Values.numel() / count));
        long* rows = TensorMemory.Address<long>(entries.Indices);
        T* values = TensorMemory.Address<T>(entries.Values), p = TensorMemory.Address<T>(table);
        T f = T.CreateTruncating(factor);
        Vector<T> vf = new(f);
        bool once = ScaledAddRoundsOnce.Value;
        for (long row = 0; row < count; row++, values += width)
        {
            if (row + RowsAhead < count) Prefetch(p + (rows[row + RowsAhead] * width), width);
            T* pr = p + (rows[row] * width);
            int i = 0;
            for (; i <= width - Vector<T>.Count; i += Vector<T>.Count)
            {
                Vector<T> v = Vector.Load(values + i), old = Vector.Load(pr + i);
                Vector.Store(once ? MultiplyAdd(v, vf, old) : (v * vf) + old, pr + i);
            }
            for (; i < width; i++) pr[i] = once ? T.FusedMultiplyAdd(values[i], f, pr[i]) : (values[i] * f) + pr[i];
        }
    }

    /// <summary>The smallest and the largest of at least one number.</summary>
    public static (long Low, long High) Range(long* numbers, long count)
    {
        long low = numbers[0], high = low, i = 0;
        if (count >= Vector<long>.Count)
        {
            Vector<long> lows = Vector.Load(numbers), highs = lows;
            for (; i <= count - Vector<long>.Count; i += Vector<long>.Count)
            {
                Vector<long> next = Vector.Load(numbers + i);
                (lows, highs) = (Vector.Min(lows, next), Vector.Max(highs, next));
            }
            for (int lane = 0; lane < Vector<long>.Count; lane++)
                (low, high) = (Math.Min(low, lows[lane]), Math.Max(high, highs[lane]));
        }
        for (; i < count; i++) (low, high) = (Math.Min(low, numbers[i]), Math.Max(high, numbers[i]));
        return (low, high);
    }

    // Each row occurs once, so several threads can share the rows, and the bits do not depend on the number of threads.
    private static void Run(long rows, long bytesPerRow, Action<long, long> update)
    {
        int threads = ParallelRows.Threads(rows * bytesPerRow);
        if (threads == 1) update(0, rows);
        else ParallelRows.Run(threads, rows, update);
    }

    private static void Prefetch<T>(T* row, int width) where T : unmanaged
    {
        const int line = 64;
        if (!Sse.IsSupported) return;
        for (byte* at = (byte*)row, end = (byte*)(row + width); at < end; at += line) Sse.Prefetch0(at);
    }

    /// <summary>
    /// Whether libtorch adds scaled rows with one rounding or two. Its vector kernels round once. Its plain kernels, which it uses on a
    /// processor without vector units and with ATEN_CPU_CAPABILITY=default, round twice. The sum that is computed here shows it: with two
    /// roundings it is 0.
    /// </summary>
    private static readonly Lazy<bool> ScaledAddRoundsOnce = new(() =>
    {
        const double factor = 1 + 1.0 / 4096;
        const double squareRounded = 1 + 1.0 / 2048; // to float32: 2^-24 is lost
        using Scalar start = -squareRounded, once = factor;
        using Tensor row = full([1, 1], start, float32, CPU); // the default device may be another
        using Tensor index = zeros([1, 1], int64, CPU);
        using Tensor value = full([1, 1], once, float32, CPU);
        TorchScript.AddSparse(row, index, value, factor);
        return *TensorMemory.Address<float>(row) != 0;
    });

    /// <summary>One rounding.</summary>
    private static Vector<T> MultiplyAdd<T>(Vector<T> a, Vector<T> b, Vector<T> c) =>
        typeof(T) == typeof(float)
            ? Vector.FusedMultiplyAdd(Vector.AsVectorSingle(a), Vector.AsVectorSingle(b), Vector.AsVectorSingle(c)).As<float, T>()
            : Vector.FusedMultiplyAdd(Vector.AsVectorDouble(a), Vector.AsVectorDouble(b), Vector.AsVectorDouble(c)).As<double, T>();

    private static void SqrtInPlace<T>(Tensor fresh) where T : unmanaged, IFloatingPointIeee754<T>
    {
        T* at = TensorMemory.Address<T>(fresh);
        long count = fresh.numel(), i = 0;
        for (; i <= count - Vector<T>.Count; i += Vector<T>.Count) Vector.Store(Vector.SquareRoot(Vector.Load(at + i)), at + i);
        for (; i < count; i++) at[i] = T.Sqrt(at[i]);
    }
}
