using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.InteropServices;
using EmbeddingWrapper.Native;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper;

// Where TorchSharp's module differs from PyTorch's: loading, converting, disposing.
public partial class Embedding
{
    private int _convertingThread;

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
        ArgumentNullException.ThrowIfNull(source);
        ThrowIfDisposed();
        Dictionary<string, Tensor> present = state_dict(); // in no gate: a derived class's own may wait for other threads
        string[] missing = Considered(present.Keys.Except(source.Keys)), unexpected = Considered(source.Keys.Except(present.Keys));
        string[] common = Considered(source.Keys.Intersect(present.Keys));
        var faults = new List<string>();
        if (strict)
        {
            AddFault("Missing", missing);
            AddFault("Unexpected", unexpected);
        }
        foreach (string key in common)
        {
            Tensor tensor = source[key] ?? throw new ArgumentException($"The tensor \"{key}\" is null.", nameof(source));
            Guard.ThrowIfNullOrDisposed(tensor, key);
            string given = PythonText.Size(tensor.shape), wanted = PythonText.Size(present[key].shape);
            if (given != wanted)
            {
                faults.Add($"size mismatch for {key}: copying a param with shape {given} from checkpoint, "
                    + $"the shape in current model is {wanted}.");
            }
            string? problem = tensor.is_meta && !present[key].is_meta ? "Cannot copy out of meta tensor; no data!"
                : tensor.is_sparse && !present[key].is_sparse ? "copy_() between dense and sparse Tensors is not implemented!" : null;
            if (problem is not null) faults.Add($"While copying the parameter named \"{key}\": {problem}");
        }
        if (faults.Count > 0)
        {
            throw new InvalidOperationException(
                $"Error(s) in loading state_dict for {GetType().Name}:\n\t{string.Join("\n\t", faults)}");
        }
        Overwrite(present, source, common);
        return (missing.ToList(), unexpected.ToList());

        string[] Considered(IEnumerable<string> keys) => [.. keys.Except(skip ?? [])];

        void AddFault(string what, string[] keys)
        {
            string names = string.Join(", ", keys.Select(key => $"\"{key}\""));
            if (names.Length > 0) faults.Add($"{what} key(s) in state_dict: {names}. ");
        }
    }

    /// <summary>Copies numbers into tensors of this layer, which no other thread converts or disposes meanwhile.</summary>
    private void Overwrite(Dictionary<string, Tensor> present, Dictionary<string, Tensor> source, string[] names)
    {
        using ReadGate.Reading life = _gate.Enter();
        foreach (string name in names) Guard.ThrowIfNullOrDisposed(present[name], name);
        using ReadGate.Reading memory = ReadGate.EnterAll(names.Select(name => present[name]));
        try
        {
            foreach (string name in names) TorchScript.ThrowIfReadOnly(present[name]);
            using var grad = no_grad();
            foreach (string name in names) present[name].copy_(source[name]);
        }
        catch (ExternalException error)
        {
            throw NativeErrors.Translate(error);
        }
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
        ArgumentNullException.ThrowIfNull(reader);
        ThrowIfDisposed();
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> present = state_dict(), read = [];
        foreach ((string name, Tensor tensor) in present)
        {
            Guard.ThrowIfNullOrDisposed(tensor, name);
            read[name] = empty(tensor.shape, tensor.dtype, CPU);
        }
        var loaded = new Dictionary<string, bool>();
        using var parts = new Parts(read);
        parts.load(reader, strict, skip, loaded);
        foreach ((string name, bool known) in loaded) loadedParameters?.Add(name, known);
        Overwrite(present, read, [.. loaded.Keys.Where(read.ContainsKey).Except(skip ?? [])]);
        return this;
    }

    /// <summary>
    /// Lets TorchSharp read a file into other memory. It writes while it reads, past autograd, and only into contiguous tensors.
    /// </summary>
    private sealed class Parts(Dictionary<string, Tensor> tensors) : nn.Module(nameof(Embedding))
    {
        public override Dictionary<string, Tensor> state_dict(Dictionary<string, Tensor>? destination = null, string? prefix = null) =>
            tensors;
    }

    /// <summary>
    /// Registers the fields of a derived class. A parameter in a field named <c>weight</c> becomes the layer's <see cref="Weight"/>,
    /// as in PyTorch.
    /// </summary>
    /// <exception cref="InvalidOperationException">A field named <c>weight</c> holds a module or a tensor that is no parameter.</exception>
    [UnconditionalSuppressMessage("Trimming", "IL2075", Justification = "TorchSharp finds the fields of a module in the same way.")]
    protected override void RegisterComponents()
    {
        const BindingFlags own = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
        for (Type type = GetType(); type != typeof(Embedding); type = type.BaseType!)
        {
            foreach (FieldInfo field in type.GetFields(own).Where(field => field.ComponentName() == WeightName))
            {
                object? value = field.GetValue(this);
                if (value is Parameter weight) Weight = weight;
                else if (value is Tensor or nn.Module)
                {
                    throw new InvalidOperationException(
                        $"{type.Name}.{field.Name} cannot be the parameter 'weight': it is a {value.GetType().Name}.");
                }
            }
        }
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
        ThrowIfDisposed();
        try
        {
            using ReadGate.Reading life = _gate.Enter();
            Tensor weight = _native.Weight;
            using Tensor? grad = weight.grad;
            using Tensor? newWeight = Converted(weight), newGrad = grad is null ? null : Converted(grad);
            ConvertOtherParameters();
            _native.Gate.Change(() =>
            {
                if (newWeight is not null) SetData(weight, newWeight);
                if (newGrad is not null) SetData(grad!, newGrad);
                FollowWeight();
            });
        }
        catch (ExternalException error)
        {
            throw NativeErrors.Translate(error);
        }

        Tensor? Converted(Tensor tensor)
        {
            using ReadGate.Reading memory = _native.Gate.Enter();
            ScalarType target = tensor.is_floating_point() || tensor.is_complex() ? dtype ?? tensor.dtype : tensor.dtype;
            using Tensor old = tensor.detach();
            if (device is { type: DeviceType.META } && !old.is_meta)
                throw new InvalidOperationException("The layer cannot move to the meta device: its numbers would be lost.");
            Tensor converted = old.to(target, device ?? old.device, non_blocking: non_blocking);
            if (converted.dtype != old.dtype || converted.device.ToString() != old.device.ToString()) return converted;
            converted.Dispose();
            return null;
        }

        void SetData(Tensor tensor, Tensor converted)
        {
            using var mode = no_grad();
            using Tensor now = tensor.detach();
            converted.copy_(now); // again: a step on another thread may have written since
            TorchScript.SetData(tensor, converted);
        }

        void ConvertOtherParameters() // of a derived class, in their order
        {
            _convertingThread = Environment.CurrentManagedThreadId;
            try
            {
                base._toEpilog(dtype, device, non_blocking);
            }
            finally
            {
                _convertingThread = 0;
            }
        }
    }

    /// <summary>The parameters and their names, of submodules too: <c>weight</c> and what a derived class registers.</summary>
    /// <param name="recurse">Whether to list those of submodules. Default true.</param>
    /// <returns>Each parameter once, in the order of registration. None after disposal.</returns>
    public override IEnumerable<(string name, Parameter parameter)> named_parameters(bool recurse = true)
    {
        RestoreWeight();
        IEnumerable<(string name, Parameter parameter)> all = base.named_parameters(recurse);
        return _convertingThread == Environment.CurrentManagedThreadId // TorchSharp replaces only what it sees
            ? all.Where(each => each.name != WeightName) : all;
    }

    /// <summary>The parameter of a name.</summary>
    /// <param name="target"><c>weight</c>, or a name that a derived class registers.</param>
    /// <returns>The parameter (<c>weight</c>: <c>[NumEmbeddings, EmbeddingDim]</c>), or null if there is none of that name.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="target"/> is null.</exception>
    public override Parameter? get_parameter(string target)
    {
        ArgumentNullException.ThrowIfNull(target);
        RestoreWeight();
        return base.get_parameter(target);
    }

    /// <summary>
    /// Disposes the layer, and the weight unless the caller assigned it. Waits for look-ups on other threads, and for steps of this
    /// library's optimizers; later ones throw.
    /// </summary>
    /// <param name="disposing">False when the garbage collector calls.</param>
    protected override void Dispose(bool disposing)
    {
        if (_native is null) return; // the constructor threw
        bool isFirst = _gate.Close();
        if (disposing)
        {
            if (!isFirst) return;
            if (_native.OwnsParameter) _native.Gate.Change(DisposeParameter); // waits for steps, and for layers that share it
            else ConditionallyRegisterParameter(WeightName, (Parameter?)null);
        }
        else
        {
            // TorchSharp 0.107 frees a native module only in Dispose(true), and the engine's native module holds the table. Other
            // objects may still use the parameters and submodules, so these are left to the garbage collector.
            _internal_params.clear();
            _internal_buffers.clear();
            _internal_submodules.clear();
        }
        _native.ReleaseParameter();
        _native.Dispose();
        base.Dispose(true);

        void DisposeParameter()
        {
            _native.ReleaseParameter();
            _native.Parameter.Dispose();
        }
    }
}
