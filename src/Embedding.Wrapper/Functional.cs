using System.Runtime.InteropServices;
using EmbeddingWrapper.Native;
using static TorchSharp.torch;

namespace EmbeddingWrapper;

/// <summary>Stateless forms: PyTorch's <c>torch.nn.functional</c>.</summary>
public static class Functional
{
    /// <summary>
    /// Looks rows of a table up: PyTorch's <c>torch.nn.functional.embedding</c>. The arguments mean the same as in
    /// <see cref="EmbeddingWrapper.Embedding"/>, which is faster for many look-ups in one table.
    /// </summary>
    /// <param name="input">Indices: int64 or int32, any shape (empty and 0-d too), any strides. Not kept, not changed.</param>
    /// <param name="weight">
    /// The table, <c>[rows, D]</c>, any dtype, on the device of <paramref name="input"/>. Not kept. Written to only when
    /// <paramref name="maxNorm"/> is given.
    /// </param>
    /// <param name="paddingIdx">
    /// The row that gets no gradient, from -rows to rows - 1; a negative one counts from the end. Default: none.
    /// </param>
    /// <param name="maxNorm">
    /// Rows to be looked up that have a larger norm are first scaled to this norm, in <paramref name="weight"/> itself.
    /// Default: never.
    /// </param>
    /// <param name="normType">The p of the p-norm for <paramref name="maxNorm"/>. Default 2.</param>
    /// <param name="scaleGradByFreq">Divides gradients by how often the index occurs in <paramref name="input"/>. Default false.</param>
    /// <param name="sparse">The gradient with respect to <paramref name="weight"/> is a sparse tensor. Default false.</param>
    /// <returns>
    /// A new tensor, <c>[*, D]</c> where <c>*</c> is the shape of <paramref name="input"/>, of the dtype of <paramref name="weight"/>.
    /// The caller disposes it.
    /// </returns>
    /// <exception cref="ArgumentNullException"><paramref name="input"/> or <paramref name="weight"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An index or <paramref name="paddingIdx"/> is outside the table.</exception>
    /// <exception cref="ArgumentException">The indices are neither int64 nor int32, are sparse, or are on another device.</exception>
    /// <exception cref="InvalidOperationException">libtorch refused for another reason. Example: the weight is not 2-D.</exception>
    /// <exception cref="ObjectDisposedException"><paramref name="input"/> or <paramref name="weight"/> is disposed.</exception>
    /// <exception cref="OutOfMemoryException">There is no memory for the result.</exception>
    public static Tensor Embedding(Tensor input, Tensor weight, long? paddingIdx = null, double? maxNorm = null,
        double normType = 2.0, bool scaleGradByFreq = false, bool sparse = false)
    {
        Guard.ThrowIfNullOrDisposed(input);
        Guard.ThrowIfNullOrDisposed(weight);
        if (weight.dim() > 0) paddingIdx = Guard.NormalizePaddingIdx(paddingIdx, weight.size(0));
        try
        {
            if (maxNorm is double limit)
            {
                Guard.ThrowIfIndexOutOfRange(input, weight);
                TorchScript.EmbeddingRenorm(weight, input, limit, normType);
            }
            return TorchScript.Embedding(weight, input, paddingIdx ?? -1, scaleGradByFreq, sparse);
        }
        catch (ExternalException error)
        {
            throw NativeErrors.Translate(error, input, weight);
        }
    }
}
