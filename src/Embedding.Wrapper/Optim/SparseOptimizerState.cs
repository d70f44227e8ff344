using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using EmbeddingWrapper.Native;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Optim;

/// <summary>What an optimizer keeps for one parameter: a step count and some tensors of the shape of the parameter, which the state owns.</summary>
public abstract class SparseOptimizerState : OptimizerState, IDisposable
{
    private Tensor?[] _tensors;
    private bool _disposed;

    private protected SparseOptimizerState(Parameter parameter, int tensors) : base(parameter) => _tensors = new Tensor?[tensors];

    /// <summary>The number of steps in which the parameter had a gradient.</summary>
    public long Step { get; internal set; }

    /// <summary>The tensors, null where there is none yet.</summary>
    /// <exception cref="ObjectDisposedException">The state, or one of its tensors, is disposed.</exception>
    internal Tensor?[] Tensors => !_disposed && _tensors.All(tensor => tensor is not { IsInvalid: true }) ? _tensors
        : throw new ObjectDisposedException("State", "The state of the optimizer is disposed.");

    /// <summary>Tensor <paramref name="index"/>, null where there is none yet.</summary>
    private protected Tensor? this[int index] => _tensors[index];

    /// <summary>The tensors before the first step.</summary>
    private protected abstract Tensor?[] Start(OptimizerOptions options);

    /// <summary>Makes the tensors that are not there yet, with zeros.</summary>
    internal void FillWithZeros()
    {
        foreach (ref Tensor? tensor in _tensors.AsSpan()) tensor ??= zeros_like(_parameter).DetachFromDisposeScope();
    }

    /// <summary>Sets the state to what it was before the first step.</summary>
    /// <param name="options">The options of the group; Adagrad reads its initial value there.</param>
    /// <exception cref="ArgumentNullException"><paramref name="options"/> is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="options"/> is a record of another optimizer, or leaves a value open that is needed.</exception>
    public override void Initialize(OptimizerOptions options)
    {
        RequireKind(GetType().DeclaringType!, options, nameof(options));
        Set(0, () => Start(options));
    }

    /// <summary>Moves the tensors to a device.</summary>
    /// <param name="device">The destination.</param>
    /// <exception cref="ArgumentNullException"><paramref name="device"/> is null.</exception>
    public override void to(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        Set(Step, () => [.. Tensors.Select(tensor => tensor?.to(device, copy: true))]);
    }

    /// <summary>Copies the state of another optimizer, converted to the dtype and device of this parameter. Nothing is shared.</summary>
    /// <param name="source">A record of the same optimizer.</param>
    /// <exception cref="ArgumentNullException"><paramref name="source"/> is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="source"/> is a record of another optimizer.</exception>
    /// <exception cref="ObjectDisposedException"><paramref name="source"/> is disposed.</exception>
    public override void LoadStateDict(OptimizerState source)
    {
        var other = (SparseOptimizerState)RequireKind(GetType().DeclaringType!, source, nameof(source));
        Set(other.Step, () => [.. other.Tensors.Select(CopyOf)]);
    }

    /// <summary>Reads the state from a stream.</summary>
    /// <param name="reader">Stands where <see cref="SaveStateDict"/> wrote.</param>
    /// <exception cref="ArgumentNullException"><paramref name="reader"/> is null.</exception>
    public override void LoadStateDict(BinaryReader reader)
    {
        ArgumentNullException.ThrowIfNull(reader);
        long step = reader.ReadInt64();
        Set(step, () => [.. _tensors.Select(_ => CopyOf(reader.ReadBoolean() ? TensorExtensionMethods.Load(reader) : null))]);
    }

    /// <summary>Writes the state to a stream.</summary>
    /// <param name="writer">The destination.</param>
    /// <exception cref="ArgumentNullException"><paramref name="writer"/> is null.</exception>
    /// <exception cref="ObjectDisposedException">The state is disposed.</exception>
    public override void SaveStateDict(BinaryWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        Tensor?[] tensors = Tensors;
        writer.Write(Step);
        foreach (Tensor? tensor in tensors) SaveConditionalStateTensor(writer, tensor);
    }

    /// <summary>Whether two states are nearly equal.</summary>
    /// <param name="other">The other state.</param>
    /// <returns>True if the steps are equal and the tensors close.</returns>
    public override bool ApproximatelyEquals(OptimizerState other)
    {
        return other is SparseOptimizerState state && state.GetType() == GetType() && Step == state.Step
            && _tensors.Zip(state._tensors).All(pair => AreClose(pair.First, pair.Second));

        static bool AreClose(Tensor? a, Tensor? b) =>
            a is null || b is null ? a is null && b is null : a.dtype == b.dtype && SameShape(a, b) && a.allclose(b);
    }

    /// <summary>Disposes the tensors.</summary>
    [SuppressMessage("Usage", "CA1816", Justification = "There is no finalizer.")]
    public void Dispose()
    {
        foreach (Tensor? tensor in _tensors) tensor?.Dispose();
        _tensors = new Tensor?[_tensors.Length];
        _disposed = true;
    }

    /// <summary>A record, if it belongs to <paramref name="optimizer"/>.</summary>
    internal static object RequireKind(Type optimizer, object record, string argument)
    {
        ArgumentNullException.ThrowIfNull(record, argument);
        return record.GetType().DeclaringType == optimizer ? record
            : throw new ArgumentException($"A record of {optimizer.Name} is needed, and this is {record.GetType()}.", argument);
    }

    /// <summary>Whether two tensors have the same size in each dimension.</summary>
    internal static bool SameShape(Tensor a, Tensor b)
    {
        int dims = (int)a.dim();
        if (b.dim() != dims) return false;
        for (int i = 0; i < dims; i++)
            if (a.size(i) != b.size(i)) return false;
        return true;
    }

    private Tensor? CopyOf(Tensor? source) => source?.to(_parameter.dtype, _parameter.device, copy: true);

    /// <summary>Replaces the state, or changes nothing where <paramref name="make"/> throws. The new tensors outlive the dispose scope.</summary>
    private void Set(long step, Func<Tensor?[]> make)
    {
        if (_parameter.IsInvalid) throw Guard.Disposed("parameter");
        using DisposeScope scope = NewDisposeScope();
        Tensor?[] made;
        try
        {
            made = make();
        }
        catch (ExternalException error)
        {
            throw NativeErrors.Translate(error);
        }
        foreach (Tensor? tensor in made) tensor?.DetachFromDisposeScope();
        Dispose();
        (Step, _tensors, _disposed) = (step, made, false);
    }
}
