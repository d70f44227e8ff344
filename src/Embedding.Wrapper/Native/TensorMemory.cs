using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Native;

/// <summary>The memory of tensors on the CPU.</summary>
internal static unsafe class TensorMemory
{
    /// <summary>
    /// The address of the first element of a contiguous tensor on the CPU. It is good while the tensor lives and is not moved.
    /// </summary>
    /// <remarks>TorchSharp shows memory as spans alone: they end at 2 GiB, and to ask for one takes six questions.</remarks>
    /// <exception cref="ExternalException">The tensor has no such memory: a sparse one, for instance.</exception>
    public static T* Address<T>(Tensor tensor) where T : unmanaged
    {
        nint address = THSTensor_data(tensor.Handle);
        if (address == 0) CheckForErrors();
        return (T*)address;
    }

    // Safe without a transition: it reads a field.
    [DllImport("LibTorchSharp"), SuppressGCTransition]
    private static extern nint THSTensor_data(nint tensor);
}
