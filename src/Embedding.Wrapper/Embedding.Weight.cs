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
    /// <exception cref="ArgumentNullException">Set to null. PyTorch allows a layer without its parameter; TorchSharp does not.</exception>
    /// <exception cref="ObjectDisposedException">The layer, or the parameter to be set, is disposed.</exception>
    public Parameter Weight
    {
        get
        {
            ObjectDisposedException.ThrowIf(_gate.IsClosed, this);
            return _weight;
        }
        set
        {
            Guard.ThrowIfNullOrDisposed(value);
            _gate.Change(() =>
            {
                if (!ReferenceEquals(value, _weight)) UseWeight(value);
            });
        }
    }

    /// <summary>
    /// Fills the table anew from the standard normal distribution, in place, and zeroes the padding row: PyTorch's
    /// <c>reset_parameters</c>. After the same seed the values are those of a new layer.
    /// </summary>
    /// <exception cref="InvalidOperationException">The table is of an integer type, or the assigned one lacks the padding row.</exception>
    /// <exception cref="ObjectDisposedException">The layer or its weight is disposed.</exception>
    public void ResetParameters()
    {
        ThrowIfDisposed();
        using ReadGate.Reading life = _gate.Enter(), memory = _native.Gate.Enter();
        ThrowIfPaddingOutsideWeight();
        try
        {
            using var grad = no_grad();
            _weight.normal_();
            if (PaddingIdx is not long padding) return;
            using Tensor row = _weight.select(0, padding);
            row.zero_().Dispose(); // it returns a second handle, and normal_ does not
        }
        catch (ExternalException error)
        {
            throw NativeErrors.Translate(error);
        }
    }

    private void UseWeight(Parameter weight)
    {
        _native.PointAt(weight);
        weight.DetachFromDisposeScope();
        _ownsWeight = _ownsWeight && ReferenceEquals(weight, _weight);
        _weight = weight;
        _rows = null;
        ConditionallyRegisterParameter(WeightName, _weight);
        _deviceType = _weight.device_type;
        _deviceIndex = _weight.device_index;
    }

    private void ThrowIfDisposed()
    {
        ObjectDisposedException.ThrowIf(_gate.IsClosed, this);
        if (_weight.IsInvalid) throw Guard.Disposed(nameof(Weight));
    }

    private void ThrowIfPaddingOutsideWeight()
    {
        long rows = _weight.dim() > 0 ? _weight.size(0) : 0;
        if (PaddingIdx >= rows) throw Guard.PaddingOutsideWeight(rows);
    }

    private static Parameter NewTable(long numEmbeddings, long embeddingDim, long? paddingIdx, Device? device, ScalarType? dtype)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(numEmbeddings);
        ArgumentOutOfRangeException.ThrowIfNegative(embeddingDim);
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
            return new Parameter(empty(numEmbeddings, embeddingDim, type, device));
        }
        catch (ExternalException error)
        {
            throw NativeErrors.Translate(error);
        }
    }
}
