using EmbeddingWrapper.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Optim;

/// <summary>
/// A sparse gradient, or a sparse momentum buffer, as the optimizers need it. The caller's dispose scope disposes its tensors.
/// </summary>
internal sealed class SparseGradient
{
    private readonly bool _sorted;

    /// <param name="gradient">The tensor as it is.</param>
    /// <param name="negate">Whether to change the signs.</param>
    /// <param name="coalesce">
    /// Whether to sum the entries of each row, which an update that is not linear needs. Without it the entries keep their order.
    /// </param>
    /// <exception cref="InvalidOperationException">An index is outside the gradient's own size.</exception>
    public SparseGradient(Tensor gradient, bool negate, bool coalesce)
    {
        _sorted = coalesce;
        if (coalesce)
        {
            (All, Indices, Values) = TorchScript.Coalesce(gradient, negate);
        }
        else
        {
            All = negate ? gradient.neg() : gradient;
            (Indices, Values) = (All.SparseIndices, All.SparseValues);
        }
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

    /// <summary>The gradient itself.</summary>
    public Tensor All { get; }

    /// <summary><c>[sparse dimensions, n]</c>, int64.</summary>
    public Tensor Indices { get; }

    /// <summary><c>[n, the dense dimensions]</c>.</summary>
    public Tensor Values { get; }

    public bool IsEmpty => Values.numel() == 0;

    /// <summary>A copy of the entries of a dense tensor at the places where the gradient has entries.</summary>
    public Tensor MaskedValues(Tensor dense) => TorchScript.MaskedValues(dense, All);

    /// <summary>Adds <c>alpha * values</c> to a dense tensor at the places where the gradient has entries.</summary>
    public void AddTo(Tensor dense, Tensor values, double alpha = 1) => TorchScript.AddSparse(dense, Indices, values, alpha);

    /// <summary>Adds <c>factor * entry</c> to the row of each entry, in their order where PyTorch keeps it: in contiguous memory.</summary>
    public void AddTo(Tensor dense, double factor)
    {
        if (IsEmpty) return;
        if (IsOfRows(dense)) RowKernels.Add(this, dense, factor);
        else AddTo(dense, Values, factor);
    }

    /// <summary>
    /// Whether the row kernels can do the update: whole rows of contiguous float32 or float64 tables in CPU memory. Other tensors, among
    /// them those that are negated lazily, are updated by tensor operations, which give the same bits and cost several times as much.
    /// </summary>
    public bool IsOfRows(Tensor parameter, params ReadOnlySpan<Tensor> state)
    {
        ScalarType dtype = parameter.dtype;
        if (dtype is not (ScalarType.Float32 or ScalarType.Float64) || Indices.size(0) != 1 || !Indices.is_contiguous()) return false;
        if (!IsPlain(Values) || !Fits(parameter)) return false;

        // The backward pass of a sum over one element makes a value with the strides (0, 0). libtorch's sparse addition adds nothing then.
        if (Values.stride(0) == 0) return false;
        foreach (Tensor tensor in state)
            if (!Fits(tensor)) return false;
        return true;

        bool IsPlain(Tensor tensor) =>
            tensor.dtype == dtype && tensor.device_type == DeviceType.CPU && tensor.is_contiguous() && !tensor.is_neg();

        // A caller may have assigned a gradient of other rows. The tensor operations then throw libtorch's error.
        bool Fits(Tensor tensor) =>
            IsPlain(tensor) && tensor.size(0) == All.size(0) && tensor.numel() == All.numel();
    }

    private unsafe (long Low, long High) Range(int dim)
    {
        if (Indices.size(0) == 1 && Indices.is_contiguous())
        {
            long* indices = TensorMemory.Address<long>(Indices);
            long count = Indices.size(1);
            return _sorted ? (indices[0], indices[count - 1]) : RowKernels.Range(indices, count);
        }
        using Tensor row = Indices.select(0, dim), low = row.min(), high = row.max();
        return (low.item<long>(), high.item<long>());
    }
}
