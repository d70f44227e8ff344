using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Native;

/// <summary>The memory of tensors on the CPU.</summary>
internal static unsafe class TensorMemory
{
    /// <summary>
    /// The address of the first element of a contiguous tensor on the CPU. It is good while the tensor lives and is not moved.
    /// </summary>
    /// <remarks>TorchSharp shows memory as spans alone, which end at 2 GiB; the address of the first element serves any size.</remarks>
    public static T* Address<T>(Tensor tensor) where T : unmanaged
    {
        if (tensor.numel() == 0) return null;
        using Tensor flat = tensor.view(-1);
        using Tensor first = flat.narrow(0, 0, 1);
        return (T*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(first.bytes));
    }
}
