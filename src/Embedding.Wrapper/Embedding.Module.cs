using System.Runtime.InteropServices;
using EmbeddingWrapper.Native;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper;

// What TorchSharp's module does otherwise than PyTorch's: loading, converting, disposing.
public partial class Embedding
{
    /// <summary>
    /// Copies a saved table into this layer: PyTorch's <c>load_state_dict</c>. The values go into the present parameter, converted to
    /// its dtype. Inside a container TorchSharp copies by itself and spreads a one-row table over all rows without a word: there
    /// PyTorch's check of the shape is not made.
    /// </summary>
    /// <param name="source">Tensors by name; <c>weight</c> is looked for.</param>
    /// <param name="strict">Missing and unexpected names are errors. Default true.</param>
    /// <param name="skip">Names to leave alone. Default: none.</param>
    /// <returns>The names that were missing and those that were not expected.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="source"/> is null.</exception>
    /// <exception cref="ArgumentException">A tensor that is looked for is null.</exception>
    /// <exception cref="InvalidOperationException">
    /// A name is missing or not expected, the shape is another one, or libtorch cannot copy the tensor: a sparse one, one of the meta
    /// device, one that overlaps the weight. Nothing is copied then.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The layer, its weight or a tensor that is looked for is disposed.</exception>
    public override (IList<string> missing_keys, IList<string> unexpected_keyes) load_state_dict(
        Dictionary<string, Tensor> source, bool strict = true, IList<string>? skip = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        ThrowIfDisposed();
        using ReadGate.Reading reading = _gate.Enter();
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
                faults.Add($"size mismatch for {key}: copying a param with shape {given} from checkpoint, the shape in current model is {wanted}.");
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

    /// <summary>What TorchSharp's <c>to(dtype)</c> calls.</summary>
    /// <param name="dtype">The new dtype.</param>
    /// <param name="non_blocking">Whether a copy between devices may be asynchronous.</param>
    /// <returns>This layer.</returns>
    /// <exception cref="ArgumentException"><paramref name="dtype"/> is neither floating-point nor complex.</exception>
    protected override nn.Module _to(ScalarType dtype, bool non_blocking)
    {
        ThrowIfNotConvertible(dtype);
        return base._to(dtype, non_blocking);
    }

    /// <summary>What TorchSharp's <c>to(device, dtype)</c> calls.</summary>
    /// <param name="device">The new device.</param>
    /// <inheritdoc cref="_to(ScalarType, bool)"/>
    /// <param name="dtype"/><param name="non_blocking"/>
    /// <exception cref="ArgumentNullException"><paramref name="device"/> is null.</exception>
    protected override nn.Module _to(Device device, ScalarType dtype, bool non_blocking)
    {
        ArgumentNullException.ThrowIfNull(device);
        ThrowIfNotConvertible(dtype);
        return base._to(device, dtype, non_blocking);
    }

    /// <summary>TorchSharp's hook for <c>to(...)</c>, where it would replace the parameter by a new one.</summary>
    /// <param name="dtype">The new dtype, or null.</param>
    /// <param name="device">The new device, or null.</param>
    /// <param name="non_blocking">Whether a copy between devices may be asynchronous.</param>
    protected override void _toEpilog(ScalarType? dtype, Device? device, bool non_blocking)
    {
        ThrowIfDisposed();
        try
        {
            _gate.Change(Move);
        }
        catch (ExternalException error)
        {
            throw NativeErrors.Translate(error);
        }

        ConditionallyRegisterParameter(WeightName, (Parameter?)null);
        try
        {
            base._toEpilog(dtype, device, non_blocking); // what a derived class has registered
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
    /// Disposes the layer, and the weight unless the caller assigned it. Look-ups that run on other threads end first; later ones throw.
    /// </summary>
    /// <param name="disposing">False when the collector calls.</param>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            if (!_gate.Close()) return;
            if (!_ownsWeight) ConditionallyRegisterParameter(WeightName, (Parameter?)null);
        }
        else
        {
            // TorchSharp 0.107 frees the native side of a module in Dispose alone, and the engine's holds the table. Parameters and
            // modules may live on elsewhere: they are left to the collector.
            if (_native is null) return; // the constructor threw
            _internal_params.clear();
            _internal_buffers.clear();
            _internal_submodules.clear();
        }
        _native.Dispose();
        base.Dispose(true);
    }

    private static void ThrowIfNotConvertible(ScalarType dtype)
    {
        if (is_floating_point(dtype) || is_complex(dtype)) return;
        string name = PythonText.KnownDtypeName(dtype) ?? dtype.ToString();
        throw new ArgumentException(
            $"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype=torch.{name}",
            nameof(dtype));
    }
}
