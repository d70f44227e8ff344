using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using EmbeddingWrapper.Native;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Optim;

/// <summary>
/// The state that an optimizer keeps for one parameter: a step count and some tensors of the shape of the parameter, which the state owns. Every
/// member waits for a step that runs on another thread.
/// </summary>
/// <remarks>The names are PyTorch's, for the reasons that <see cref="SparseOptimizerOptions"/> gives.</remarks>
public abstract class SparseOptimizerState : OptimizerState, IDisposable
{
    private readonly Parameter _of; // TorchSharp's own field, _parameter, is protected: TorchSharp.PyBridge sets it to null
    private readonly string[] _names;
    private Tensor?[] _tensors;
    private Tensor?[] _shown; // what a caller gets: another handle of the same memory, which the caller may dispose
    private long _step;
    private bool _disposed;
    private SparseOptimizer? _owner;
    private Lock _stepLock = new();

    /// <param name="parameter">The parameter.</param>
    /// <param name="names">PyTorch's names of the tensors.</param>
    private protected SparseOptimizerState(Parameter parameter, params string[] names) : base(parameter) =>
        (_of, _names, _tensors, _shown) = (parameter, names, new Tensor?[names.Length], new Tensor?[names.Length]);

    /// <summary>
    /// The number of steps in which the parameter had a gradient. It is a method because PyTorch's SGD keeps no such number: a tool that
    /// goes through the properties would look for it in SGD's files.
    /// </summary>
    internal long StepCount() => _step;

    /// <exception cref="ArgumentOutOfRangeException">The value is negative.</exception>
    private protected void SetStepCount(long value)
    {
        Guard.ThrowIfNegative(value);
        lock (_stepLock) _step = value;
    }

    /// <summary>The tensors before the first step; null for those that a step makes.</summary>
    private protected abstract Tensor?[] Start(OptimizerOptions options);

    /// <summary>A tensor for the caller. One that is not there yet is made, with zeros.</summary>
    /// <exception cref="ObjectDisposedException">The state is disposed.</exception>
    private protected Tensor Show(int index)
    {
        lock (_stepLock)
        {
            if (RequireTensors()[index] is null)
            {
                Tensor?[] made = Make(() => [zeros_like(_of)]);
                _tensors[index] = made[0];
            }
            return ShowIfAny(index)!;
        }
    }

    /// <summary>A tensor for the caller, or null where there is none yet.</summary>
    /// <exception cref="ObjectDisposedException">The state is disposed.</exception>
    private protected Tensor? ShowIfAny(int index)
    {
        lock (_stepLock)
        {
            if (RequireTensors()[index] is not { } tensor) return null;
            if (_shown[index] is not { IsInvalid: false })
                _shown[index] = (tensor.is_sparse ? tensor.detach() : tensor.alias()).DetachFromDisposeScope();
            return _shown[index];
        }
    }

    /// <summary>Copies a tensor of the caller's in the place of one of the state's.</summary>
    /// <exception cref="ArgumentNullException">The tensor is null.</exception>
    /// <exception cref="ArgumentException">It has another shape than the parameter, is complex, or is sparse and must not be.</exception>
    /// <exception cref="ObjectDisposedException">The tensor or the state is disposed.</exception>
    private protected void Replace(int index, Tensor value, bool allowSparse = false)
    {
        Guard.ThrowIfNullOrDisposed(value);
        lock (_stepLock)
        {
            Tensor?[] tensors = [.. RequireTensors()];
            tensors[index] = Make(() =>
            {
                Check();
                return [CopyOf(value)];
            })[0];
            Set(_step, tensors);
        }

        void Check()
        {
            if ((!value.is_sparse || allowSparse) && value.is_complex() == _of.is_complex() && Guard.SameShape(value, _of)) return;
            string shape = string.Join(", ", _of.shape);
            string what = allowSparse ? "has" : "is dense and real and has";
            string given = $"{(value.is_sparse ? "sparse " : "")}{value.dtype} [{string.Join(", ", value.shape)}]";
            throw new ArgumentException($"{_names[index]} {what} the shape [{shape}] of the parameter; this is {given}.", nameof(value));
        }
    }

    /// <summary>Drops a tensor.</summary>
    /// <exception cref="ObjectDisposedException">The state is disposed.</exception>
    private protected void Drop(int index)
    {
        lock (_stepLock)
        {
            Tensor?[] tensors = [.. RequireTensors()];
            tensors[index] = null;
            Set(_step, tensors);
        }
    }

    /// <summary>The tensors, null where there is none yet.</summary>
    /// <exception cref="ObjectDisposedException">The state is disposed.</exception>
    internal Tensor?[] RequireTensors() =>
        !_disposed ? _tensors : throw new ObjectDisposedException("State", "The state of the optimizer is disposed.");

    /// <summary>The names of the tensors.</summary>
    internal IReadOnlyList<string> Names() => _names;

    /// <summary>The parameter.</summary>
    private protected Parameter Of() => _of;

    /// <summary>Whether this is the state of a parameter.</summary>
    internal bool IsOf(Parameter parameter) => ReferenceEquals(_of, parameter);

    /// <summary>Reads the dtype, shape and device of the parameter. Another thread may change them after the call.</summary>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    internal ParameterForm FormOfParameter()
    {
        using ReadGate.Reading reading = EnterParameter();
        return new(_of.dtype, _of.shape, _of.device);
    }

    /// <summary>Makes this a state of an optimizer.</summary>
    internal void Join(SparseOptimizer owner, Lock stepLock) => (_owner, _stepLock) = (owner, stepLock);

    /// <summary>Takes over new tensors and disposes the old ones that are not among them.</summary>
    internal void Set(long step, Tensor?[] tensors)
    {
        for (int i = 0; i < tensors.Length; i++)
        {
            if (ReferenceEquals(tensors[i], _tensors[i])) continue;
            _tensors[i]?.Dispose();
            _shown[i]?.Dispose();
            (_tensors[i], _shown[i]) = (tensors[i]?.DetachFromDisposeScope(), null);
        }
        (_step, _disposed) = (step, false);
    }

    /// <summary>Marks the tensors that a caller has seen as written.</summary>
    internal void MarkWritten()
    {
        foreach (Tensor? shown in _shown)
            if (shown is { IsInvalid: false, is_sparse: false }) TensorMemory.MarkWritten(shown);
    }

    /// <summary>Sets the state to what it was before the first step.</summary>
    /// <param name="options">The options of the group; Adagrad reads its initial value there.</param>
    /// <exception cref="ArgumentNullException"><paramref name="options"/> is null.</exception>
    /// <exception cref="ArgumentException">
    /// <paramref name="options"/> is a record of another optimizer, or leaves a value open that is needed.
    /// </exception>
    public override void Initialize(OptimizerOptions options)
    {
        RequireKind(GetType().DeclaringType!, options, nameof(options));
        lock (_stepLock) Set(0, Make(() => Start(options)));
    }

    /// <summary>Moves the tensors to a device.</summary>
    /// <param name="device">The destination.</param>
    /// <exception cref="ArgumentNullException"><paramref name="device"/> is null.</exception>
    /// <exception cref="InvalidOperationException">It is the meta device, and the tensors have numbers.</exception>
    public override void to(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        lock (_stepLock)
        {
            if (device.type == DeviceType.META && RequireTensors().Any(tensor => tensor is { is_meta: false }))
                throw new InvalidOperationException("The state cannot move to the meta device: its numbers would be lost.");
            Set(_step, Make(() => [.. RequireTensors().Select(tensor => tensor?.to(device, copy: true))]));
        }
    }

    /// <summary>Copies the state of another optimizer, converted to the dtype and device of this parameter. Nothing is shared.</summary>
    /// <param name="source">A record of the same optimizer.</param>
    /// <exception cref="ArgumentNullException"><paramref name="source"/> is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="source"/> is a record of another optimizer.</exception>
    /// <exception cref="ObjectDisposedException"><paramref name="source"/> is disposed.</exception>
    public override void LoadStateDict(OptimizerState source)
    {
        (long step, Tensor?[] tensors) = CopyOf((SparseOptimizerState)RequireKind(GetType().DeclaringType!, source, nameof(source)));
        lock (_stepLock) Set(step, tensors);
    }

    /// <summary>The step and the tensors of another state, converted for this parameter. The two locks are not held at once.</summary>
    internal (long Step, Tensor?[] Tensors) CopyOf(SparseOptimizerState other)
    {
        lock (other._stepLock) return (other._step, Make(() => [.. other.RequireTensors().Select(CopyOf)]));
    }

    /// <summary>Does nothing: the options of the first group have read the state. TorchSharp's <c>load_state_dict</c> calls this.</summary>
    /// <param name="reader">The reader that the options have read from.</param>
    /// <exception cref="ArgumentNullException"><paramref name="reader"/> is null.</exception>
    /// <exception cref="InvalidOperationException">The call is not a part of loading an optimizer.</exception>
    public override void LoadStateDict(BinaryReader reader)
    {
        ArgumentNullException.ThrowIfNull(reader);
        SparseOptimizer.RequireOwner(_owner).LoadRecord(this, reader);
    }

    /// <summary>
    /// Does nothing: the options of the first group have written the state. TorchSharp's <c>save_state_dict</c> calls this.
    /// </summary>
    /// <param name="writer">The writer that the options have written to.</param>
    /// <exception cref="ArgumentNullException"><paramref name="writer"/> is null.</exception>
    /// <exception cref="InvalidOperationException">The call is not a part of saving an optimizer.</exception>
    public override void SaveStateDict(BinaryWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        SparseOptimizer.RequireOwner(_owner).SaveRecord(this, writer);
    }

    /// <summary>Whether two states are nearly equal.</summary>
    /// <param name="other">The other state.</param>
    /// <returns>True if the steps are equal and the tensors close.</returns>
    public override bool ApproximatelyEquals(OptimizerState other)
    {
        if (other is not SparseOptimizerState state || state.GetType() != GetType()) return false;
        lock (_stepLock) return _step == state._step && _tensors.Zip(state._tensors).All(pair => AreClose(pair.First, pair.Second));

        static bool AreClose(Tensor? a, Tensor? b) =>
            a is null || b is null ? a is null && b is null
            : a.dtype == b.dtype && a.is_sparse == b.is_sparse && a.device_type == b.device_type && !a.is_meta && Guard.SameShape(a, b)
                && (a.is_sparse ? AreSparseClose(a, b) : a.allclose(b));

        static bool AreSparseClose(Tensor a, Tensor b)
        {
            using Tensor first = a.to_dense(), second = b.to_dense();
            return first.allclose(second);
        }
    }

    /// <summary>Disposes the tensors.</summary>
    [SuppressMessage("Usage", "CA1816", Justification = "There is no finalizer.")]
    public void Dispose()
    {
        lock (_stepLock)
        {
            Set(_step, new Tensor?[_tensors.Length]);
            _disposed = true;
        }
    }

    /// <summary>A record, if it belongs to <paramref name="optimizer"/>.</summary>
    internal static object RequireKind(Type optimizer, object record, string argument)
    {
        ArgumentNullException.ThrowIfNull(record, argument);
        return record.GetType().DeclaringType == optimizer ? record
            : throw new ArgumentException($"A record of {optimizer.Name} is needed, and this is {record.GetType()}.", argument);
    }

    private Tensor? CopyOf(Tensor? source) => source?.to(_of.dtype, _of.device, copy: true).detach();

    /// <summary>Makes tensors that outlive the dispose scope, or none where <paramref name="make"/> throws.</summary>
    private Tensor?[] Make(Func<Tensor?[]> make)
    {
        using ReadGate.Reading reading = EnterParameter();
        using var normal = inference_mode(false); // an inference tensor could not be updated outside inference mode
        using var grad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        try
        {
            Tensor?[] made = make();
            foreach (Tensor? tensor in made) tensor?.DetachFromDisposeScope();
            return made;
        }
        catch (ExternalException error)
        {
            throw NativeErrors.Translate(error);
        }
    }

    /// <summary>Keeps other threads from converting or disposing the parameter.</summary>
    private ReadGate.Reading EnterParameter()
    {
        if (_of.IsInvalid) throw Guard.Disposed("parameter");
        ReadGate.Reading reading = ReadGate.Of(_of).Enter();
        if (!_of.IsInvalid) return reading;
        reading.Dispose(); // another thread has disposed the layer while this one waited
        throw Guard.Disposed("parameter");
    }
}
