using System.Runtime.InteropServices;
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
    /// <exception cref="ObjectDisposedException">The layer, its weight or a tensor to be copied is disposed.</exception>
    public override (IList<string> missing_keys, IList<string> unexpected_keyes) load_state_dict(
        Dictionary<string, Tensor> source, bool strict = true, IList<string>? skip = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        ThrowIfDisposed();
        using ReadGate.Reading life = _gate.Enter(), memory = _native.Gate.Enter();
        Dictionary<string, Tensor> present = state_dict();
        var faults = new List<string>();
        if (strict)
        {
            AddFault("Missing", present.Keys.Except(source.Keys));
            AddFault("Unexpected", source.Keys.Except(present.Keys));
        }
        foreach (string key in Considered(source.Keys.Intersect(present.Keys)))
        {
            Tensor tensor = source[key] ?? throw new ArgumentException($"The tensor \"{key}\" is null.", nameof(source));
            Guard.ThrowIfNullOrDisposed(tensor, key);
            string given = PythonText.Size(tensor.shape), wanted = PythonText.Size(present[key].shape);
            if (given != wanted)
            {
                faults.Add($"size mismatch for {key}: copying a param with shape {given} from checkpoint, "
                    + $"the shape in current model is {wanted}.");
            }
        }
        if (faults.Count > 0)
        {
            throw new InvalidOperationException(
                $"Error(s) in loading state_dict for {GetType().Name}:\n\t{string.Join("\n\t", faults)}");
        }
        try
        {
            return base.load_state_dict(source, strict, skip);
        }
        catch (ExternalException error)
        {
            throw NativeErrors.Translate(error);
        }

        IEnumerable<string> Considered(IEnumerable<string> keys) => keys.Except(skip ?? []);

        void AddFault(string what, IEnumerable<string> keys)
        {
            string names = string.Join(", ", Considered(keys).Select(key => $"\"{key}\""));
            if (names.Length > 0) faults.Add($"{what} key(s) in state_dict: {names}. ");
        }
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
        ThrowIfDisposed();
        try
        {
            using ReadGate.Reading life = _gate.Enter();
            _native.Gate.Change(Move);
        }
        catch (ExternalException error)
        {
            throw NativeErrors.Translate(error);
        }

        ConditionallyRegisterParameter(WeightName, (Parameter?)null);
        try
        {
            base._toEpilog(dtype, device, non_blocking); // parameters of a derived class
        }
        finally
        {
            ConditionallyRegisterParameter(WeightName, _weight);
        }

        void Move()
        {
            ScalarType target = _weight.is_floating_point() || _weight.is_complex() ? dtype ?? _weight.dtype : _weight.dtype;
            using Tensor? grad = _weight.grad;
            MoveData(_weight, target);
            if (grad is not null) MoveData(grad, target);
            _rows = null;
        }

        void MoveData(Tensor tensor, ScalarType target)
        {
            using Tensor old = tensor.detach();
            using Tensor moved = old.to(target, device ?? old.device, non_blocking: non_blocking);
            if (moved.dtype != old.dtype || moved.device.ToString() != old.device.ToString()) TorchScript.SetData(tensor, moved);
        }
    }

    /// <summary>
    /// Disposes the layer, and the weight unless the caller assigned it. Waits for look-ups on other threads; later ones throw.
    /// </summary>
    /// <param name="disposing">False when the garbage collector calls.</param>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            if (!_gate.Close()) return;
            if (!_ownsWeight) ConditionallyRegisterParameter(WeightName, (Parameter?)null);
        }
        else
        {
            // TorchSharp 0.107 frees a native module only in Dispose(true), and the engine's native module holds the table. Other
            // objects may still use the parameters and submodules, so these are left to the garbage collector.
            if (_native is null) return; // the constructor threw
            _internal_params.clear();
            _internal_buffers.clear();
            _internal_submodules.clear();
        }
        _native.Dispose();
        base.Dispose(true);
    }
}
