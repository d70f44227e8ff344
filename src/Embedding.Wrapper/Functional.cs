using System.Runtime.InteropServices;
using EmbeddingWrapper.Native;
using TorchSharp;
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
        using ReadGate.Reading memory = ReadGate.Of(weight).Enter(); // a layer that has this weight is not converted or disposed meanwhile
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

    /// <summary>
    /// Looks bags of rows up and gives the sum, mean or maximum of each: PyTorch's <c>torch.nn.functional.embedding_bag</c>. The arguments
    /// mean the same as in <see cref="EmbeddingWrapper.EmbeddingBag"/>.
    /// </summary>
    /// <param name="input">
    /// Indices, int64 or int32: <c>[B, N]</c> for B bags of N rows, or <c>[N]</c> for bags that <paramref name="offsets"/> divide. Any
    /// strides. Not changed. Autograd keeps its memory until the backward pass.
    /// </param>
    /// <param name="weight">
    /// The table, <c>[rows, D]</c>, float16 to float64, on the device of <paramref name="input"/>. Not kept. Written to only when
    /// <paramref name="maxNorm"/> is given.
    /// </param>
    /// <param name="offsets">
    /// Where each bag begins in a 1-D <paramref name="input"/>, int64 or int32, <c>[B]</c>: the first is 0, and none is smaller than the
    /// one before. Equal ones make an empty bag, whose result is zeros. Must be null for a 2-D input.
    /// </param>
    /// <param name="maxNorm">
    /// Rows to be looked up that have a larger norm are first scaled to this norm, in <paramref name="weight"/> itself.
    /// Default: never.
    /// </param>
    /// <param name="normType">The p of the p-norm for <paramref name="maxNorm"/>. Default 2.</param>
    /// <param name="scaleGradByFreq">
    /// Divides gradients by how often the index occurs in <paramref name="input"/>. Default false. Not for maxima.
    /// </param>
    /// <param name="mode">Sums, means or maxima. Default: means.</param>
    /// <param name="sparse">The gradient with respect to <paramref name="weight"/> is a sparse tensor. Default false. Not for maxima.</param>
    /// <param name="perSampleWeights">
    /// A factor for each row of a sum, of the shape of <paramref name="input"/> and the dtype of <paramref name="weight"/>. It gets
    /// gradients. Default: 1 throughout.
    /// </param>
    /// <param name="includeLastOffset">
    /// The last of the <paramref name="offsets"/> ends the last bag instead of beginning one: one more than bags. Indices after it belong
    /// to the last bag too. Ignored for a 2-D input. Default false.
    /// </param>
    /// <param name="paddingIdx">
    /// The row that is left out of sums, means and maxima and gets no gradient, from -rows to rows - 1; a negative one counts from the
    /// end. Default: none.
    /// </param>
    /// <returns>A new tensor, <c>[B, D]</c>, of the dtype of <paramref name="weight"/>. The caller disposes it.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="input"/> or <paramref name="weight"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An index or <paramref name="paddingIdx"/> is outside the table.</exception>
    /// <exception cref="ArgumentException">
    /// A shape, a type or a device does not fit, the offsets are not those of bags, or the mode does not allow an option.
    /// </exception>
    /// <exception cref="InvalidOperationException">libtorch refused for another reason.</exception>
    /// <exception cref="ObjectDisposedException">A tensor is disposed.</exception>
    /// <exception cref="OutOfMemoryException">There is no memory for the result.</exception>
    public static Tensor EmbeddingBag(Tensor input, Tensor weight, Tensor? offsets = null, double? maxNorm = null,
        double normType = 2.0, bool scaleGradByFreq = false, EmbeddingBagMode mode = EmbeddingBagMode.Mean, bool sparse = false,
        Tensor? perSampleWeights = null, bool includeLastOffset = false, long? paddingIdx = null)
    {
        Guard.ThrowIfNullOrDisposed(input);
        Guard.ThrowIfNullOrDisposed(weight);
        if (offsets is not null) Guard.ThrowIfNullOrDisposed(offsets);
        if (perSampleWeights is not null) Guard.ThrowIfNullOrDisposed(perSampleWeights);
        using ReadGate.Reading memory = ReadGate.Of(weight).Enter(); // a layer that has this weight is not converted or disposed meanwhile
        Guard.ThrowIfNullOrDisposed(weight);
        if (weight.dtype == ScalarType.Int64 && input.is_floating_point()) // as PyTorch does
        {
            return EmbeddingBag(weight, input, offsets, maxNorm, normType, scaleGradByFreq, mode, sparse, perSampleWeights,
                includeLastOffset, paddingIdx);
        }
        var options = new BagOptions(maxNorm, normType, scaleGradByFreq, mode, sparse, includeLastOffset, paddingIdx);
        return NativeBag.Compute(input, weight, offsets, perSampleWeights, options, native: null);
    }
}
