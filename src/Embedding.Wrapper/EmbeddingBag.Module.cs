using EmbeddingWrapper.Native;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper;

// The overrides of TorchSharp's module. They forward to LayerTable, which both layers share.
public partial class EmbeddingBag
{
    /// <inheritdoc cref="Embedding.Weight"/>
    public Parameter Weight
    {
        get => _table.Weight;
        set => _table.Weight = value;
    }

    /// <inheritdoc cref="Embedding.ResetParameters"/>
    public void ResetParameters() => _table.Reset();

    /// <inheritdoc cref="Embedding.load_state_dict"/>
    public override (IList<string> missing_keys, IList<string> unexpected_keyes) load_state_dict(
        Dictionary<string, Tensor> source, bool strict = true, IList<string>? skip = null)
    {
        return _table.LoadState(source, strict, skip);
    }

    /// <inheritdoc cref="Embedding.load(BinaryReader, bool, IList{string}, Dictionary{string, bool})"/>
    public override nn.Module load(
        BinaryReader reader, bool strict = true, IList<string>? skip = null, Dictionary<string, bool>? loadedParameters = null)
    {
        return _table.Load(reader, strict, skip, loadedParameters);
    }

    /// <inheritdoc cref="Embedding.RegisterComponents"/>
    protected override void RegisterComponents()
    {
        _table.TakeField(typeof(EmbeddingBag));
        base.RegisterComponents();
    }

    /// <inheritdoc cref="Embedding._to(ScalarType, bool)"/>
    protected override nn.Module _to(ScalarType dtype, bool non_blocking)
    {
        Guard.ThrowIfNotConvertible(dtype);
        return base._to(dtype, non_blocking);
    }

    /// <inheritdoc cref="Embedding._to(Device, ScalarType, bool)"/>
    protected override nn.Module _to(Device device, ScalarType dtype, bool non_blocking)
    {
        ArgumentNullException.ThrowIfNull(device);
        Guard.ThrowIfNotConvertible(dtype);
        return base._to(device, dtype, non_blocking);
    }

    /// <inheritdoc cref="Embedding._toEpilog(ScalarType?, Device, bool)"/>
    protected override void _toEpilog(ScalarType? dtype, Device? device, bool non_blocking)
    {
        _table.Convert(dtype, device, non_blocking, () => base._toEpilog(dtype, device, non_blocking));
    }

    /// <inheritdoc cref="Embedding.named_parameters"/>
    public override IEnumerable<(string name, Parameter parameter)> named_parameters(bool recurse = true)
    {
        _table.Restore();
        return _table.Listed(base.named_parameters(recurse));
    }

    /// <inheritdoc cref="Embedding.get_parameter"/>
    public override Parameter? get_parameter(string target)
    {
        ArgumentNullException.ThrowIfNull(target);
        _table.Restore();
        return base.get_parameter(target);
    }

    /// <inheritdoc cref="Embedding.Dispose(bool)"/>
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
