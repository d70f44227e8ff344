using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Native;

/// <summary>
/// The libtorch ops that TorchSharp 0.107 does not expose, called through TorchScript that is compiled once per process.
/// A call costs about 3 µs more than a call of TorchSharp's own, so plain look-ups of the layers do not use it.
/// </summary>
/// <exception cref="ExternalException">Every member throws it when libtorch refuses.</exception>
internal static class TorchScript
{
    private const string Source = """
        def embedding(weight: Tensor, indices: Tensor, padding_idx: int, scale_grad_by_freq: bool, sparse: bool):
            return torch.embedding(weight, indices, padding_idx, scale_grad_by_freq, sparse)

        def embedding_bag(weight: Tensor, indices: Tensor, offsets: Tensor, scale_grad_by_freq: bool, mode: int, sparse: bool,
                per_sample_weights: Optional[Tensor], padding_idx: int):
            padding: Optional[int] = None
            if padding_idx >= 0:
                padding = padding_idx
            output, offset2bag, bag_size, max_indices = torch.embedding_bag(
                weight, indices, offsets, scale_grad_by_freq, mode, sparse, per_sample_weights, False, padding)
            return (output, bag_size)

        def add(left: Tensor, right: Tensor):
            return left + right

        def add_into(left: Tensor, right: Tensor, alpha: float, out: Tensor):
            torch.add(left, right, alpha=alpha, out=out)

        def throw_if_read_only(tensor: Tensor):
            if tensor.is_inference():
                tensor[0:0].zero_()

        def embedding_renorm_(weight: Tensor, indices: Tensor, max_norm: float, norm_type: float):
            throw_if_read_only(weight)
            torch.embedding_renorm_(weight, indices, max_norm, norm_type)

        def set_data(tensor: Tensor, data: Tensor):
            tensor.set_data(data)

        def coalesce(tensor: Tensor, negate: bool):
            if negate:
                tensor = -tensor
            tensor = tensor.coalesce()
            return (tensor, tensor.indices(), tensor.values())

        def masked_values(tensor: Tensor, mask: Tensor):
            return tensor.sparse_mask(mask)._values()

        def add_sparse_(tensor: Tensor, indices: Tensor, values: Tensor, alpha: float):
            tensor.add_(torch.sparse_coo_tensor(indices, values, tensor.size()), alpha=alpha)

        def is_coalesced(tensor: Tensor):
            return tensor.is_coalesced()

        def norm(tensor: Tensor, p: float):
            return torch.norm(tensor, p)

        """; // libtorch's parser needs a line end after the last line

    private static readonly Lazy<jit.CompilationUnit> Compiled = new(() => jit.compile(Source));

    /// <summary><c>torch.embedding</c>, the raw op: a padding index of -1 means none, and no other negative one is normalized.</summary>
    public static Tensor Embedding(Tensor weight, Tensor indices, long paddingIdx, bool scaleGradByFreq, bool sparse)
    {
        // TorchSharp would make these scalars itself, and the garbage collector could free them while libtorch still reads them.
        using Scalar padding = paddingIdx;
        return (Tensor)Compiled.Value.invoke("embedding", weight, indices, padding, scaleGradByFreq, sparse);
    }

    /// <summary>
    /// <c>torch.embedding_bag</c> without its option of a last offset. A padding index of -1 means none.
    /// </summary>
    /// <returns>The result, and the number of rows in each bag where libtorch counts them: always for a mean.</returns>
    public static (Tensor Output, Tensor BagSize) EmbeddingBag(Tensor weight, Tensor indices, Tensor offsets, bool scaleGradByFreq, long mode,
        bool sparse, Tensor? perSampleWeights, long paddingIdx)
    {
        using Scalar kind = mode, padding = paddingIdx;
        return ((Tensor, Tensor))Compiled.Value.invoke(
            "embedding_bag", weight, indices, offsets, scaleGradByFreq, kind, sparse, perSampleWeights!, padding);
    }

    /// <summary><c>left + right</c>, without the scalar that TorchSharp's own addition leaves to the garbage collector.</summary>
    public static Tensor Add(Tensor left, Tensor right) => (Tensor)Compiled.Value.invoke("add", left, right);

    /// <summary><c>torch.add(left, right, alpha=alpha, out=output)</c>.</summary>
    public static void Add(Tensor left, Tensor right, double alpha, Tensor output)
    {
        using Scalar factor = alpha;
        Compiled.Value.invoke("add_into", left, right, factor, output);
    }

    /// <summary>
    /// <c>torch.embedding_renorm_</c> with doubles, as in Python. The native module narrows both numbers to 32 bits.
    /// </summary>
    public static void EmbeddingRenorm(Tensor weight, Tensor indices, double maxNorm, double normType)
    {
        using var grad = no_grad();
        using Tensor contiguous = indices.contiguous();
        using Scalar limit = maxNorm;
        using Scalar p = normType;
        Compiled.Value.invoke("embedding_renorm_", weight, contiguous, limit, p);
    }

    /// <summary>
    /// Throws for a tensor made in inference mode, outside of that mode. libtorch's operations refuse it too, but only after they have
    /// written to it.
    /// </summary>
    public static void ThrowIfReadOnly(Tensor tensor)
    {
        using var grad = no_grad();
        Compiled.Value.invoke("throw_if_read_only", tensor);
    }

    /// <summary><c>tensor.data = data</c>: other memory, dtype or device in the same tensor object.</summary>
    public static void SetData(Tensor tensor, Tensor data)
    {
        using var grad = no_grad();
        Compiled.Value.invoke("set_data", tensor, data);
    }

    /// <summary>
    /// <c>tensor.coalesce()</c>, or <c>(-tensor).coalesce()</c>: each index once, in ascending order. The values of equal indices are
    /// summed in the order that libtorch's sort gives.
    /// </summary>
    public static (Tensor Coalesced, Tensor Indices, Tensor Values) Coalesce(Tensor tensor, bool negate) =>
        ((Tensor, Tensor, Tensor))Compiled.Value.invoke("coalesce", tensor, negate);

    /// <summary><c>tensor.sparse_mask(mask)._values()</c>.</summary>
    public static Tensor MaskedValues(Tensor tensor, Tensor mask) => (Tensor)Compiled.Value.invoke("masked_values", tensor, mask);

    /// <summary><c>tensor.add_(torch.sparse_coo_tensor(indices, values, tensor.size()), alpha=alpha)</c>.</summary>
    public static void AddSparse(Tensor tensor, Tensor indices, Tensor values, double alpha = 1)
    {
        using Scalar factor = alpha;
        Compiled.Value.invoke("add_sparse_", tensor, indices, values, factor);
    }

    /// <summary>
    /// <c>torch.norm(tensor, p)</c> with a double, as in Python. (TorchSharp's narrows it.) A sparse tensor is coalesced first.
    /// </summary>
    public static Tensor Norm(Tensor tensor, double p)
    {
        using Scalar order = p;
        return (Tensor)Compiled.Value.invoke("norm", tensor, order);
    }

    /// <summary><c>tensor.is_coalesced()</c>: whether libtorch knows that each index of a sparse tensor occurs once, in order.</summary>
    public static bool IsCoalesced(Tensor tensor)
    {
        using var flag = (Scalar)Compiled.Value.invoke("is_coalesced", tensor);
        return flag.ToBoolean();
    }
}
