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

    /// <summary>
    /// Tells autograd that the values of a tensor change, as an in-place operation does: a backward pass through the old values then fails
    /// instead of using the new ones. Call it before writing through an address. It costs about 2 µs: an in-place operation on no elements.
    /// </summary>
    /// <exception cref="ExternalException">An inference tensor is written to outside inference mode, which libtorch does not allow.</exception>
    public static void MarkWritten(Tensor tensor)
    {
        using var grad = no_grad();
        using Tensor? row = tensor.dim() == 0 ? tensor.unsqueeze(0) : null;
        using Tensor none = (row ?? tensor).narrow(0, 0, 0);
        none.zero_();
    }

    // Safe without a transition: it reads a field.
    [DllImport("LibTorchSharp"), SuppressGCTransition]
    private static extern nint THSTensor_data(nint tensor);
}
