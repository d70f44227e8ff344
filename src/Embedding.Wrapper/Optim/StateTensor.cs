using System.Runtime.InteropServices;
using EmbeddingWrapper.Native;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Optim;

/// <summary>Tensors of an optimizer's state, which may not be there yet. The state owns them.</summary>
internal static class StateTensor
{
    public static Tensor? To(Tensor? tensor, Device device) => tensor?.to(device, copy: true);

    /// <summary>A copy in the dtype and on the device of the parameter.</summary>
    public static Tensor? CopyOf(Tensor? source, Tensor parameter) => source?.to(parameter.dtype, parameter.device, copy: true);

    /// <summary>Reads what OptimizerState.SaveConditionalStateTensor wrote.</summary>
    public static Tensor? Read(BinaryReader reader, Tensor parameter)
    {
        using Tensor? stored = reader.ReadBoolean() ? TensorExtensionMethods.Load(reader) : null;
        return CopyOf(stored, parameter);
    }

    /// <summary>
    /// Makes all tensors of a state for a parameter, or none where <paramref name="make"/> throws. They outlive the dispose scope.
    /// </summary>
    /// <exception cref="InvalidOperationException">libtorch refused.</exception>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public static Tensor?[] Make(Parameter parameter, Func<Tensor?[]> make)
    {
        Guard.ThrowIfNullOrDisposed(parameter);
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

    /// <summary>A record of the optimizer's own kind.</summary>
    public static T RequireKind<T>(object record, string argument) where T : class
    {
        ArgumentNullException.ThrowIfNull(record, argument);
        return record as T
            ?? throw new ArgumentException($"A record of {typeof(T).DeclaringType!.Name} is needed, and this is {record.GetType()}.", argument);
    }

    public static Tensor ThrowIfDisposed(Tensor? tensor) =>
        tensor is { IsInvalid: false } ? tensor : throw new ObjectDisposedException("State", "The state of the optimizer is disposed.");

    public static bool AreClose(Tensor? a, Tensor? b) =>
        a is null || b is null ? a is null && b is null : a.dtype == b.dtype && SameShape(a, b) && a.allclose(b);

    /// <summary>Whether two tensors have the same size in each dimension.</summary>
    public static bool SameShape(Tensor a, Tensor b)
    {
        int dims = (int)a.dim();
        if (b.dim() != dims) return false;
        for (int i = 0; i < dims; i++)
            if (a.size(i) != b.size(i)) return false;
        return true;
    }
}
