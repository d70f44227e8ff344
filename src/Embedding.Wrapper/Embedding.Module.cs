using EmbeddingWrapper.Native;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper;

// Where TorchSharp's module differs from PyTorch's: loading, converting, disposing.
public partial class Embedding
{
    /// <summary>
    /// Copies a saved table into this layer: PyTorch's <c>load_state_dict</c>. The values go into the present parameter and are converted
    /// to its dtype. A container's <c>load_state_dict</c> does not call this method: there TorchSharp copies by itself, does not check
    /// the shape as PyTorch does, and silently spreads a one-row table over all rows.
    /// </summary>
    /// <param name="source">Tensors by name. The layer needs <c>weight</c>.</param>
    /// <param name="strict">Missing and unexpected names are errors. Default true.</param>
    /// <param name="skip">Names that are ignored. Default: none.</param>
    /// <returns>The names that were missing and those that were not expected.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="source"/> is null.</exception>
    /// <exception cref="ArgumentException">A tensor to be copied is null.</exception>
    /// <exception cref="InvalidOperationException">
    /// A name is missing or not expected, the shape differs, or libtorch cannot copy the tensor: it is sparse, on the meta
    /// device, or overlaps the weight. Nothing is copied then.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The layer or a tensor to be copied is disposed.</exception>
    public override (IList<string> missing_keys, IList<string> unexpected_keyes) load_state_dict(
        Dictionary<string, Tensor> source, bool strict = true, IList<string>? skip = null)
    {
        return _table.LoadState(source, strict, skip);
    }

    /// <summary>Reads what <c>save</c> wrote. The dtypes must agree. Every <c>load</c> of this layer ends here.</summary>
    /// <param name="reader">Stands before the first entry.</param>
    /// <param name="strict">Missing and unexpected names are errors. Default true.</param>
    /// <param name="skip">Names that are read but not taken. Default: none.</param>
    /// <param name="loadedParameters">Receives each name that was read, and whether the layer has it. Default: not wanted.</param>
    /// <returns>This layer.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="reader"/> is null.</exception>
    /// <exception cref="ArgumentException">A name, dtype or shape does not fit. The layer is as it was before the call.</exception>
    /// <exception cref="EndOfStreamException">The input ends early. The layer is as it was before the call.</exception>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    public override nn.Module load(
        BinaryReader reader, bool strict = true, IList<string>? skip = null, Dictionary<string, bool>? loadedParameters = null)
    {
        return _table.Load(reader, strict, skip, loadedParameters);
    }

    /// <summary>
    /// Registers the fields of a derived class. A parameter in a field named <c>weight</c> becomes the layer's <see cref="Weight"/>,
    /// as in PyTorch.
    /// </summary>
    /// <exception cref="InvalidOperationException">A field named <c>weight</c> holds a module or a tensor that is no parameter.</exception>
    protected override void RegisterComponents()
    {
        _table.TakeField(typeof(Embedding));
        base.RegisterComponents();
    }

    /// <summary>TorchSharp's <c>to(dtype)</c> calls this.</summary>
    /// <param name="dtype">The new dtype.</param>
    /// <param name="non_blocking">Whether a copy between devices may be asynchronous.</param>
    /// <returns>This layer.</returns>
    /// <exception cref="ArgumentException"><paramref name="dtype"/> is neither floating-point nor complex.</exception>
    protected override nn.Module _to(ScalarType dtype, bool non_blocking)
    {
        Guard.ThrowIfNotConvertible(dtype);
        return base._to(dtype, non_blocking);
    }

    /// <summary>TorchSharp's <c>to(device, dtype)</c> calls this.</summary>
    /// <param name="device">The new device.</param>
    /// <inheritdoc cref="_to(ScalarType, bool)"/>
    /// <param name="dtype"/><param name="non_blocking"/>
    /// <exception cref="ArgumentNullException"><paramref name="device"/> is null.</exception>
    protected override nn.Module _to(Device device, ScalarType dtype, bool non_blocking)
    {
        ArgumentNullException.ThrowIfNull(device);
        Guard.ThrowIfNotConvertible(dtype);
        return base._to(device, dtype, non_blocking);
    }

    /// <summary>Every <c>to(...)</c> of TorchSharp ends here. Its own version replaces the parameter by a new one.</summary>
    /// <param name="dtype">The new dtype, or null.</param>
    /// <param name="device">The new device, or null.</param>
    /// <param name="non_blocking">Whether a copy between devices may be asynchronous.</param>
    protected override void _toEpilog(ScalarType? dtype, Device? device, bool non_blocking)
    {
        _table.Convert(dtype, device, non_blocking, () => base._toEpilog(dtype, device, non_blocking));
    }

    /// <summary>The parameters and their names, of submodules too: <c>weight</c> and what a derived class registers.</summary>
    /// <param name="recurse">Whether to list those of submodules. Default true.</param>
    /// <returns>Each parameter once, in the order of registration. None after disposal.</returns>
    public override IEnumerable<(string name, Parameter parameter)> named_parameters(bool recurse = true)
    {
        _table.Restore();
        return _table.Listed(base.named_parameters(recurse));
    }

    /// <summary>The parameter of a name.</summary>
    /// <param name="target"><c>weight</c>, or a name that a derived class registers.</param>
    /// <returns>The parameter (<c>weight</c>: <c>[NumEmbeddings, EmbeddingDim]</c>), or null if there is none of that name.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="target"/> is null.</exception>
    public override Parameter? get_parameter(string target)
    {
        ArgumentNullException.ThrowIfNull(target);
        _table.Restore();
        return base.get_parameter(target);
    }

    /// <summary>
    /// Disposes the layer, and the weight unless the caller assigned it. Waits for look-ups on other threads, and for steps of this
    /// library's optimizers; later ones throw.
    /// </summary>
    /// <param name="disposing">False when the garbage collector calls.</param>
    protected override void Dispose(bool disposing)
    {
        _table?.Dispose(disposing, Forget, () => base.Dispose(true)); // null if the constructor threw

        void Forget()
        {
            _internal_params.clear();
            _internal_buffers.clear();
            _internal_submodules.clear();
        }
    }

    private void Register(Parameter? weight)
    {
        _internal_params = LayerTable.WithWeight(_internal_params, weight);
        if (weight is null) return;
        _deviceType = weight.device_type;
        _deviceIndex = weight.device_index;
    }
}
