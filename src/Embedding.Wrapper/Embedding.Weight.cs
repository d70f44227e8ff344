using TorchSharp.Modules;

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
        get => _table.Weight;
        set => _table.Weight = value;
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
    public void ResetParameters() => _table.Reset();
}
