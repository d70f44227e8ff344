using EmbeddingWrapper.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Optim;

/// <summary>
/// A coalesced sparse gradient: each row once, in ascending order. The update is not linear, so the entries of one row must be summed
/// first. The caller's dispose scope disposes its tensors.
/// </summary>
internal sealed class SparseGradient
{
    private readonly Tensor _coalesced;

    /// <exception cref="InvalidOperationException">An index is outside the gradient's own size.</exception>
    public SparseGradient(Tensor gradient, bool negate)
    {
        (_coalesced, Indices, Values) = TorchScript.Coalesce(gradient, negate);
        if (IsEmpty || gradient.device_type != DeviceType.CPU) return;

        // libtorch does not check the indices, here and in the operations that follow. It would write wherever they point.
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

    /// <summary>A copy of the entries of a dense tensor at the places where the gradient has entries.</summary>
    public Tensor MaskedValues(Tensor dense) => TorchScript.MaskedValues(dense, _coalesced);

    /// <summary>Adds <c>alpha * values</c> to a dense tensor at the places where the gradient has entries.</summary>
    public void AddTo(Tensor dense, Tensor values, double alpha = 1) => TorchScript.AddSparse(dense, Indices, values, alpha);

    /// <summary>
    /// Whether the row kernels can do the update: whole rows of contiguous float32 or float64 tables in CPU memory. Other tensors, among
    /// them those that are negated lazily, are updated by tensor operations, which give the same bits and cost several times as much.
    /// </summary>
    public bool IsOfRows(Tensor parameter, params ReadOnlySpan<Tensor> state)
    {
        ScalarType dtype = parameter.dtype;
        if (dtype is not (ScalarType.Float32 or ScalarType.Float64) || Indices.size(0) != 1) return false;
        if (!IsPlain(Values) || !Fits(parameter)) return false;
        foreach (Tensor tensor in state)
            if (!Fits(tensor)) return false;
        return true;

        bool IsPlain(Tensor tensor) =>
            tensor.dtype == dtype && tensor.device_type == DeviceType.CPU && tensor.is_contiguous() && !tensor.is_neg();

        // A caller may have assigned a gradient of other rows. The tensor operations then throw libtorch's error.
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
        return (low.item<long>(), high.item<long>());
    }
}
