using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Optim;

/// <summary>A tensor of an optimizer's state, which may not be there yet. The state owns it.</summary>
internal static class StateTensor
{
    public static void MoveTo(ref Tensor? tensor, Device device) => Replace(ref tensor, tensor?.to(device, copy: true));

    /// <summary>A copy in the dtype and on the device of the parameter.</summary>
    public static void Copy(ref Tensor? tensor, Tensor? source, Tensor parameter) =>
        Replace(ref tensor, source?.to(parameter.dtype, parameter.device, copy: true));

    /// <summary>Reads what OptimizerState.SaveConditionalStateTensor wrote.</summary>
    public static void Read(ref Tensor? tensor, BinaryReader reader, Tensor parameter)
    {
        using Tensor? stored = reader.ReadBoolean() ? TensorExtensionMethods.Load(reader) : null;
        Copy(ref tensor, stored, parameter);
    }

    public static bool AreClose(Tensor? a, Tensor? b) => a is null || b is null ? a is null && b is null : a.allclose(b);

    private static void Replace(ref Tensor? tensor, Tensor? other)
    {
        tensor?.Dispose();
        other?.DetachFromDisposeScope();
        tensor = other;
    }
}
