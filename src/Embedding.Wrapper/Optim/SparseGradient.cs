using EmbeddingWrapper.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Optim;

/// <summary>
/// A sparse gradient as the optimizers need it: each row once, in order. The update is not linear, so entries of one row must be
/// summed first. Its tensors are the dispose scope's.
/// </summary>
internal sealed class SparseGradient
{
    private readonly Tensor _coalesced;

    /// <exception cref="InvalidOperationException">An index is outside the gradient's own size.</exception>
    public SparseGradient(Tensor gradient, bool negate)
    {
        (_coalesced, Indices, Values) = TorchScript.Coalesce(gradient, negate);
        if (IsEmpty || gradient.device_type != DeviceType.CPU) return;

        // libtorch takes indices unseen, here and in what follows, and writes wherever they point.
        for (int dim = 0; dim < Indices.size(0); dim++)
        {
            (long low, long high) = Range(dim);
            long size = gradient.size(dim);
            if (low >= 0 && high < size) continue;
            throw new InvalidOperationException(FormattableString.Invariant(
                $"The gradient has an entry at index {(low < 0 ? low : high)} of dimension {dim}, of size {size}."));
        }
    }

    /// <summary><c>[sparse dimensions, n]</c>, int64.</summary>
    public Tensor Indices { get; }

    /// <summary><c>[n, the dense dimensions]</c>.</summary>
    public Tensor Values { get; }

    public bool IsEmpty => Values.numel() == 0;

    /// <summary>The entries of a dense tensor where the gradient has some, as a copy.</summary>
    public Tensor MaskedValues(Tensor dense) => TorchScript.MaskedValues(dense, _coalesced);

    /// <summary>Adds <c>alpha * values</c> to a dense tensor where the gradient has entries.</summary>
    public void AddTo(Tensor dense, Tensor values, double alpha = 1) => TorchScript.AddSparse(dense, Indices, values, alpha);

    /// <summary>
    /// Whether the rows can be updated in the CPU's memory: whole rows of contiguous float32 or float64 tables. The bits are those of
    /// the tensor form, at a fraction of its cost; CUDA and other dtypes take that one.
    /// </summary>
    public bool IsOfRows(Tensor parameter, params ReadOnlySpan<Tensor> state)
    {
        ScalarType dtype = parameter.dtype;
        if (dtype is not (ScalarType.Float32 or ScalarType.Float64) || Indices.size(0) != 1) return false;
        if (!IsPlain(Values) || !Fits(parameter)) return false;
        foreach (Tensor tensor in state)
            if (!Fits(tensor)) return false;
        return true;

        bool IsPlain(Tensor tensor) => tensor.dtype == dtype && tensor.device_type == DeviceType.CPU && tensor.is_contiguous() && !tensor.is_neg();

        // The gradient may be one that somebody assigned, of other rows: libtorch then says so.
        bool Fits(Tensor tensor) =>
            IsPlain(tensor) && tensor.size(0) == _coalesced.size(0) && tensor.numel() == _coalesced.numel();
    }

    private unsafe (long Low, long High) Range(int dim)
    {
        if (Indices.size(0) == 1)
        {
            long* sorted = TensorMemory.Address<long>(Indices);
            return (sorted[0], sorted[Indices.size(1) - 1]);
        }
        using Tensor indices = Indices.select(0, dim), low = indices.min(), high = indices.max();
        return (low.ToInt64(), high.ToInt64());
    }
}
