using EmbeddingWrapper.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Optim;

/// <summary>
/// A sparse gradient, or a sparse momentum buffer, as the optimizers need it. The caller's dispose scope disposes its tensors.
/// </summary>
internal sealed class SparseGradient
{
    /// <param name="gradient">The tensor as it is.</param>
    /// <param name="negate">Whether to change the signs.</param>
    /// <param name="coalesce">
    /// Whether to sum the entries of each row, which an update that is not linear needs. Without it the entries keep their order.
    /// </param>
    /// <param name="what">The name of the tensor in messages.</param>
    /// <exception cref="InvalidOperationException">An index is outside the gradient's own size.</exception>
    public SparseGradient(Tensor gradient, bool negate, bool coalesce, string what = "gradient")
    {
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

        // libtorch takes the stride of a single entry for the length of its row, and would write that much.
        if (Values.size(0) == 1 && Values.stride(0) > Values.numel())
        {
            Values = empty(Values.shape, Values.dtype, Values.device).copy_(Values);
            All = sparse_coo_tensor(Indices, Values, All.shape, device: CPU);
        }

        // libtorch does not check the indices, here and in the operations that follow. It would write wherever they point.
        for (int dim = 0; dim < Indices.size(0); dim++)
        {
            (long low, long high) = Range(dim);
            long size = gradient.size(dim);
            if (low >= 0 && high < size) continue;
            throw new InvalidOperationException(FormattableString.Invariant(
                $"The {what} has an entry at index {(low < 0 ? low : high)} of dimension {dim}, of size {size}."));
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
    public void AddTo(Tensor dense, Tensor values, double alpha = 1) =>
        Change(dense, table => TorchScript.AddSparse(table, Indices, values, alpha));

    /// <summary>Adds <c>factor * entry</c> to the row of each entry, in their order where PyTorch keeps it: in contiguous memory.</summary>
    public void AddTo(Tensor dense, double factor)
    {
        if (IsEmpty) return;
        bool roundsTwice = Values.dim() == 1 && TorchScript.IsCoalesced(All); // libtorch adds such entries as numbers, not as rows
        if (!roundsTwice && Math.Abs(factor) <= float.MaxValue && IsOfRows(dense)) RowKernels.Add(this, dense, factor);
        else Change(dense, table =>
        {
            using Scalar alpha = factor;
            table.add_(All, alpha);
        });
    }

    /// <summary>
    /// Changes a tensor, or a copy that then replaces its numbers: for entries of one number, libtorch 2.10 adds the place of a view in its
    /// storage twice, and would write to other memory.
    /// </summary>
    private void Change(Tensor dense, Action<Tensor> change)
    {
        bool isView = Values.dim() == 1 && dense.storage_offset() != 0;
        Tensor table = isView ? dense.clone() : dense;
        change(table);
        if (isView) dense.copy_(table);
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
            return RowKernels.Range(indices, Indices.size(1)); // they may be unsorted: a caller can change them after coalesce()
        }
        using Tensor row = Indices.select(0, dim), low = row.min(), high = row.max();
        return (low.item<long>(), high.item<long>());
    }
}
