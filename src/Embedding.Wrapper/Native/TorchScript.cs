using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Native;

/// <summary>
/// The libtorch ops that TorchSharp 0.107 does not expose, reached through TorchScript compiled once per process.
/// A call costs about 3 µs more than one of TorchSharp's own, so what is called in a loop does not come here.
/// </summary>
/// <exception cref="ExternalException">Thrown by every member when libtorch refuses.</exception>
internal static class TorchScript
{
    private const string Source = """
        def embedding(weight: Tensor, indices: Tensor, padding_idx: int, scale_grad_by_freq: bool, sparse: bool):
            return torch.embedding(weight, indices, padding_idx, scale_grad_by_freq, sparse)

        def embedding_renorm_(weight: Tensor, indices: Tensor, max_norm: float, norm_type: float):
            torch.embedding_renorm_(weight, indices, max_norm, norm_type)

        def set_data(tensor: Tensor, data: Tensor):
            tensor.set_data(data)

        """; // libtorch's parser wants the last line ended

    private static readonly Lazy<jit.CompilationUnit> Compiled = new(() => jit.compile(Source));

    /// <summary><c>torch.embedding</c>, the raw op: a padding index of -1 is none, and no other is normalised.</summary>
    public static Tensor Embedding(Tensor weight, Tensor indices, long paddingIdx, bool scaleGradByFreq, bool sparse)
    {
        // TorchSharp would make these scalars itself, and let the collector free them while libtorch still reads them.
        using Scalar padding = paddingIdx;
        return (Tensor)Compiled.Value.invoke("embedding", weight, indices, padding, scaleGradByFreq, sparse);
    }

    /// <summary>
    /// <c>torch.embedding_renorm_</c> with doubles: the native module narrows both numbers to 32 bits, Python does not.
    /// </summary>
    public static void EmbeddingRenorm(Tensor weight, Tensor indices, double maxNorm, double normType)
    {
        using var grad = no_grad();
        using Tensor contiguous = indices.contiguous();
        using Scalar limit = maxNorm;
        using Scalar p = normType;
        Compiled.Value.invoke("embedding_renorm_", weight, contiguous, limit, p);
    }

    /// <summary><c>tensor.data = data</c>: other memory, dtype or device in the same tensor object.</summary>
    public static void SetData(Tensor tensor, Tensor data)
    {
        using var grad = no_grad();
        Compiled.Value.invoke("set_data", tensor, data);
    }
}
