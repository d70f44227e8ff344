using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.InteropServices;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Native;

/// <summary>
/// The table of a layer, as the layer's module shows it: the parameter <c>weight</c>. It is made, assigned, filled anew, loaded, converted
/// and disposed here. The layers derive from different classes of TorchSharp, so each passes what only it can call.
/// </summary>
/// <param name="layer">The layer.</param>
/// <param name="native">libtorch's op with the layer's options.</param>
/// <param name="paddingIdx">The padding row, counted from the start, or null.</param>
/// <param name="register">Registers the parameter, or null for none, under <see cref="WeightName"/>, and takes its device over.</param>
internal sealed partial class LayerTable(nn.Module layer, NativeEmbedding native, long? paddingIdx, Action<Parameter?> register)
{
    public const string WeightName = "weight";

    private int _convertingThread;

    public NativeEmbedding Native { get; } = native;

    /// <summary>The gate of the layer's life.</summary>
    public ReadGate Gate { get; } = new(layer);

    /// <inheritdoc cref="EmbeddingWrapper.Embedding.Weight"/>
    public Parameter Weight
    {
        get
        {
            ThrowIfDisposed();
            Restore();
            return Native.Parameter;
        }
        set
        {
            Guard.ThrowIfNullOrDisposed(value);
            Gate.Change(() =>
            {
                if (ReferenceEquals(value, Native.Parameter)) return;
                Native.PointAt(value);
                register(Native.Parameter);
            });
        }
    }

    /// <summary>Registers a new parameter of the same tensor if another module has disposed the shared one.</summary>
    public void Restore()
    {
        if (!Native.Parameter.IsInvalid || Gate.IsClosed) return;
        using ReadGate.Reading life = Gate.Enter();
        lock (Native) Native.RestoreParameter(register);
    }

    /// <summary>
    /// A copy of a layer's parameters with another <c>weight</c>, or without one. A copy, because another thread may be listing them.
    /// </summary>
    public static OrderedDict<string, Parameter> WithWeight(OrderedDict<string, Parameter> parameters, Parameter? weight)
    {
        var copy = new OrderedDict<string, Parameter>();
        foreach ((string name, Parameter parameter) in (IEnumerable<(string, Parameter)>)parameters) copy.Add(name, parameter);
        if (weight is not null) copy[WeightName] = weight;
        else if (copy.ContainsKey(WeightName)) copy.Remove(WeightName);
        return copy;
    }

    public void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(Gate.IsClosed, layer);

    public void ThrowIfPaddingOutsideWeight()
    {
        long rows = Native.Weight.dim() > 0 ? Native.Weight.size(0) : 0;
        if (paddingIdx >= rows) throw Guard.PaddingOutsideWeight(rows);
    }

    /// <summary>Fills the table with random numbers, and the padding row with zeros.</summary>
    public void Reset()
    {
        ThrowIfDisposed();
        using ReadGate.Reading life = Gate.Enter(), memory = Native.Gate.Enter();
        ThrowIfPaddingOutsideWeight();
        try
        {
            TorchScript.ThrowIfReadOnly(Native.Weight);
            using var grad = no_grad();
            Native.Weight.normal_();
            if (paddingIdx is not long padding) return;
            using Tensor row = Native.Weight.select(0, padding);
            row.zero_().Dispose(); // it returns a second handle, and normal_ does not
        }
        catch (ExternalException error)
        {
            throw NativeErrors.Translate(error);
        }
    }

    /// <summary>Makes a parameter in a field named <c>weight</c> of a class derived from <paramref name="layerType"/> the layer's.</summary>
    [UnconditionalSuppressMessage("Trimming", "IL2075", Justification = "TorchSharp finds the fields of a module in the same way.")]
    public void TakeField(Type layerType)
    {
        const BindingFlags own = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
        for (Type type = layer.GetType(); type != layerType; type = type.BaseType!)
        {
            foreach (FieldInfo field in type.GetFields(own).Where(field => field.ComponentName() == WeightName))
            {
                object? value = field.GetValue(layer);
                if (value is Parameter weight) Weight = weight;
                else if (value is Tensor or nn.Module)
                {
                    throw new InvalidOperationException(
                        $"{type.Name}.{field.Name} cannot be the parameter 'weight': it is a {value.GetType().Name}.");
                }
            }
        }
    }

    /// <summary>Converts the parameter and its gradient in place; <paramref name="convertOthers"/> is TorchSharp's own way.</summary>
    /// <remarks>
    /// The table comes first: a submodule that shares the parameter then finds it converted, and keeps it. If the others cannot be converted,
    /// the table gets its old memory back, and with it the numbers that were lost by rounding.
    /// </remarks>
    public void Convert(ScalarType? dtype, Device? device, bool non_blocking, Action convertOthers)
    {
        ThrowIfDisposed();
        using ReadGate.Reading life = Gate.Enter();
        Tensor weight = Native.Weight;
        List<(Tensor Of, Tensor Old, Tensor New)> data = [];
        try
        {
            using Tensor? grad = weight.grad;
            Prepare(weight);
            if (grad is not null) Prepare(grad);
            Change(SetNew);
            try
            {
                ConvertOtherParameters();
            }
            catch
            {
                Change(SetOld);
                throw;
            }
        }
        catch (ExternalException error)
        {
            throw NativeErrors.Translate(error);
        }
        finally
        {
            foreach ((_, Tensor old, Tensor converted) in data)
            {
                old.Dispose();
                converted.Dispose();
            }
        }

        void Prepare(Tensor tensor)
        {
            using ReadGate.Reading memory = Native.Gate.Enter();
            ScalarType target = tensor.is_floating_point() || tensor.is_complex() ? dtype ?? tensor.dtype : tensor.dtype;
            Tensor old = tensor.detach();
            data.Add((tensor, old, old));
            if (device is { type: DeviceType.META } && !old.is_meta)
                throw new InvalidOperationException("The layer cannot move to the meta device: its numbers would be lost.");
            data[^1] = (tensor, old, old.to(target, device ?? old.device, non_blocking: non_blocking));
        }

        void Change(Action change) => Native.Gate.Change(() =>
        {
            lock (Native) // Restore registers too
            {
                using var mode = no_grad();
                change();
                Native.RestoreParameter(register);
                register(Native.Parameter);
            }
        });

        void SetNew()
        {
            foreach ((Tensor tensor, _, Tensor converted) in data)
            {
                using Tensor now = tensor.detach();
                if (converted.dtype == now.dtype && converted.device.ToString() == now.device.ToString()) continue;
                converted.copy_(now); // again: a step on another thread may have written since
                TorchScript.SetData(tensor, converted);
            }
        }

        void SetOld()
        {
            foreach ((Tensor tensor, Tensor old, _) in data)
            {
                using Tensor now = tensor.detach(), then = old.to(now.dtype, now.device);
                bool isWritten = !now.is_sparse && !then.allclose(now, rtol: 0, atol: 0, equal_nan: true); // by a step on another thread
                if (isWritten) old.copy_(now);
                TorchScript.SetData(tensor, old);
            }
        }

        void ConvertOtherParameters() // of a derived class, in their order
        {
            _convertingThread = Environment.CurrentManagedThreadId;
            try
            {
                convertOthers();
            }
            finally
            {
                _convertingThread = 0;
            }
        }
    }

    /// <summary>The parameters that TorchSharp lists. While it converts them, the table's is not among them.</summary>
    public IEnumerable<(string name, Parameter parameter)> Listed(IEnumerable<(string name, Parameter parameter)> all) =>
        _convertingThread == Environment.CurrentManagedThreadId // TorchSharp replaces only what it sees
            ? all.Where(each => each.name != WeightName) : all;

    /// <summary>Disposes the table for a layer that is disposed, or that the garbage collector takes.</summary>
    /// <param name="disposing">False when the garbage collector calls.</param>
    /// <param name="forget">Removes the layer's parameters, buffers and submodules.</param>
    /// <param name="dispose">TorchSharp's own way.</param>
    public void Dispose(bool disposing, Action forget, Action dispose)
    {
        bool isFirst = Gate.Close();
        if (disposing)
        {
            if (!isFirst) return;
            if (Native.OwnsParameter) Native.Gate.Change(DisposeParameter); // waits for steps, and for layers that share it
            else register(null);
        }
        else
        {
            // TorchSharp 0.107 frees a native module only in Dispose(true), and the engine's native module holds the table. Other
            // objects may still use the parameters and submodules, so these are left to the garbage collector.
            forget();
        }
        Native.ReleaseParameter();
        Native.Dispose();
        dispose();

        void DisposeParameter()
        {
            Native.ReleaseParameter();
            Native.Parameter.Dispose();
        }
    }
}
