using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Native;

/// <summary>The memory of tensors on the CPU.</summary>
internal static unsafe class TensorMemory
{
    /// <summary>
    /// The address of the first element of a contiguous tensor on the CPU. It is good while the tensor lives and is not moved.
    /// </summary>
    /// <remarks>TorchSharp exposes memory only as spans, which are limited to 2 GiB and cost six native calls to get.</remarks>
    /// <exception cref="ExternalException">The tensor has no such memory: a sparse one, for instance.</exception>
    public static T* Address<T>(Tensor tensor) where T : unmanaged
    {
        nint address = THSTensor_data(tensor.Handle);
        if (address == 0) CheckForErrors();
        return (T*)address;
    }

    /// <summary>
    /// A number that all handles of one tensor of libtorch have in common, and no other tensor that lives. TorchSharp's handle points to
    /// an <c>at::Tensor</c>, whose only field points to the tensor itself.
    /// </summary>
    public static nint Identity(Tensor tensor)
    {
        nint identity = *(nint*)tensor.Handle;
        GC.KeepAlive(tensor);
        return identity;
    }

    // Safe without a transition: it reads a field.
    [DllImport("LibTorchSharp"), SuppressGCTransition]
    private static extern nint THSTensor_data(nint tensor);
}
