using System.Runtime.InteropServices;
using EmbeddingWrapper.Native;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper;

// The parameter: how it is made, assigned and filled anew.
public partial class Embedding
{
    /// <summary>
    /// The table, <c>[NumEmbeddings, EmbeddingDim]</c>, registered as <c>weight</c>. Every read gives the same object, which the
    /// layer disposes. An assigned parameter may have any shape and is shared, not copied (tied weights:
    /// <c>linear.weight = embedding.Weight</c>). The caller still disposes it, but it leaves its dispose scope, as with TorchSharp's
    /// modules. The parameter that it replaces is not disposed: an optimizer may still hold it, and the garbage collector frees it.
    /// </summary>
    /// <remarks>
    /// TorchSharp's modules dispose the parameter that they replace, also a tied one. The layer keeps its numbers and its gradient.
    /// <c>Dispose</c> has no effect on a parameter that the layer has made. In place of an assigned parameter that is disposed, the layer
    /// makes a new object of the same tensor. In <c>model.to(...)</c> the tie survives if the layer is registered before the other module.
    /// Otherwise, and after <c>linear.to(...)</c>, this line ties again: <c>linear.weight = embedding.Weight</c>.
    /// </remarks>
    /// <exception cref="ArgumentNullException">Set to null. PyTorch allows a layer without its parameter; TorchSharp does not.</exception>
    /// <exception cref="ObjectDisposedException">The layer, or the parameter to be set, is disposed.</exception>
    public Parameter Weight
    {
        get
        {
            ThrowIfDisposed();
            RestoreWeight();
            return _native.Parameter;
        }
        set
        {
            Guard.ThrowIfNullOrDisposed(value);
            _gate.Change(() =>
            {
                if (ReferenceEquals(value, _native.Parameter)) return;
                _native.PointAt(value);
                FollowWeight();
            });
        }
    }

    /// <summary>
    /// Fills the table anew from the standard normal distribution, in place, and zeroes the padding row: PyTorch's
    /// <c>reset_parameters</c>. After the same seed the values are those of a new layer.
    /// </summary>
    /// <exception cref="InvalidOperationException">
    /// The table is of an integer type, or it was made in inference mode and the call is outside of it, or the assigned one lacks the
    /// padding row.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    public void ResetParameters()
    {
        ThrowIfDisposed();
        using ReadGate.Reading life = _gate.Enter(), memory = _native.Gate.Enter();
        ThrowIfPaddingOutsideWeight();
        try
        {
            TorchScript.ThrowIfReadOnly(_native.Weight);
            using var grad = no_grad();
            _native.Weight.normal_();
            if (PaddingIdx is not long padding) return;
            using Tensor row = _native.Weight.select(0, padding);
            row.zero_().Dispose(); // it returns a second handle, and normal_ does not
        }
        catch (ExternalException error)
        {
            throw NativeErrors.Translate(error);
        }
    }

    private void FollowWeight()
    {
        ConditionallyRegisterParameter(WeightName, _native.Parameter);
        _deviceType = _native.Weight.device_type;
        _deviceIndex = _native.Weight.device_index;
    }

    /// <summary>Registers a new parameter of the same tensor if another module has disposed the shared one.</summary>
    private void RestoreWeight()
    {
        if (!_native.Parameter.IsInvalid || _gate.IsClosed) return;
        using ReadGate.Reading life = _gate.Enter();
        _native.RestoreParameter(restored => ConditionallyRegisterParameter(WeightName, restored));
    }

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_gate.IsClosed, this);

    private void ThrowIfPaddingOutsideWeight()
    {
        long rows = _native.Weight.dim() > 0 ? _native.Weight.size(0) : 0;
        if (PaddingIdx >= rows) throw Guard.PaddingOutsideWeight(rows);
    }

    private static LayerParameter NewTable(long numEmbeddings, long embeddingDim, long? paddingIdx, Device? device, ScalarType? dtype)
    {
        Guard.ThrowIfNegative(numEmbeddings);
        Guard.ThrowIfNegative(embeddingDim);
        Guard.NormalizePaddingIdx(paddingIdx, numEmbeddings);
        if (paddingIdx >= numEmbeddings) throw Guard.PaddingOutOfRange(paddingIdx.Value, numEmbeddings); // 0 of 0 rows
        ScalarType type = dtype ?? get_default_dtype();
        Guard.ThrowIfNotTrainable(type, nameof(dtype));
        Int128 bytes = (Int128)numEmbeddings * embeddingDim * type.ElementSize();
        if (bytes > long.MaxValue)
        {
            throw new ArgumentOutOfRangeException(nameof(numEmbeddings), numEmbeddings,
                $"{numEmbeddings} rows of {embeddingDim} {type} are {bytes} bytes, and {long.MaxValue} is the limit.");
        }
        try
        {
            return new LayerParameter(empty(numEmbeddings, embeddingDim, type, device), requiresGrad: true);
        }
        catch (ExternalException error)
        {
            throw NativeErrors.Translate(error);
        }
    }
}
