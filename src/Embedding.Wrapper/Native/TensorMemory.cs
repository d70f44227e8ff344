using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Native;

/// <summary>The memory of tensors on the CPU.</summary>
internal static unsafe class TensorMemory
{
    /// <summary>A new tensor of numbers, <c>[n]</c>, on the CPU.</summary>
    /// <remarks>
    /// <c>torch.tensor</c> shares the array. TorchSharp 0.107 takes a lock when libtorch frees such a tensor, inside a call from native
    /// code, so the process ends if the thread is interrupted there.
    /// </remarks>
    public static Tensor Copy<T>(ReadOnlySpan<T> numbers, ScalarType dtype) where T : unmanaged
    {
        Tensor copy = empty(numbers.Length, dtype, CPU);
        numbers.CopyTo(new Span<T>(Address<T>(copy), numbers.Length));
        return copy;
    }

    /// <summary>A new tensor of numbers, <c>[rows, columns]</c>, on the CPU.</summary>
    public static Tensor Copy<T>(T[,] numbers, ScalarType dtype) where T : unmanaged
    {
        Tensor copy = empty(numbers.GetLength(0), numbers.GetLength(1), dtype, CPU);
        long bytes = numbers.LongLength * sizeof(T);
        fixed (byte* from = &MemoryMarshal.GetArrayDataReference((Array)numbers)) Buffer.MemoryCopy(from, Address<byte>(copy), bytes, bytes);
        return copy;
    }

    /// <summary>
    /// The address of the first element of a contiguous tensor on the CPU. It is valid while the tensor lives and gets no other memory.
    /// </summary>
    /// <remarks>TorchSharp exposes memory only as spans, which are limited to 2 GiB and cost six native calls to get.</remarks>
    /// <exception cref="ExternalException">The tensor has no such memory: a sparse one, for instance.</exception>
    public static T* Address<T>(Tensor tensor) where T : unmanaged
    {
        nint address = THSTensor_data(tensor.Handle);
        if (address == 0) CheckForErrors();
        return (T*)address;
    }

    /// <summary>Whether the parts of memory between the first and the last element of two tensors overlap. Both are dense.</summary>
    public static bool MayOverlap(Tensor a, Tensor b)
    {
        if (a.device_type != DeviceType.CPU || b.device_type != DeviceType.CPU) return false;
        byte* first = Address<byte>(a), second = Address<byte>(b);
        return first < second + Extent(b) && second < first + Extent(a);

        static long Extent(Tensor tensor)
        {
            long elements = 1;
            for (int i = 0; i < tensor.dim(); i++) elements += (tensor.size(i) - 1) * tensor.stride(i);
            return elements * tensor.ElementSize;
        }
    }

    /// <summary>
    /// The address, if the tensor is a table whose rows can be read from memory as they are; otherwise null. The table is 2-D, contiguous,
    /// on the CPU, neither negated lazily nor with names (which libtorch's look-up refuses).
    /// </summary>
    /// <remarks>Nine native calls of 2 to 3 ns. TorchSharp's own properties would take 10 ns each.</remarks>
    public static byte* PlainTable(Tensor tensor, out long rows, out long width, out ScalarType dtype)
    {
        nint handle = tensor.Handle;
        (rows, width, dtype) = (0, 0, default);
        if (THSTensor_device_type(handle) != (int)DeviceType.CPU || THSTensor_ndimension(handle) != 2) return null;
        if (THSTensor_is_contiguous(handle) == 0 || THSTensor_is_neg(handle) != 0 || THSTensor_has_names(handle) != 0) return null;
        rows = THSTensor_size(handle, 0);
        width = THSTensor_size(handle, 1);
        dtype = (ScalarType)THSTensor_type(handle);
        return (byte*)THSTensor_data(handle);
    }

    /// <summary>
    /// A number that all handles of one tensor of libtorch have in common, and that no other live tensor has. TorchSharp's handle points
    /// to an <c>at::Tensor</c>, whose only field points to the tensor itself.
    /// </summary>
    public static nint Identity(Tensor tensor)
    {
        nint identity = *(nint*)tensor.Handle;
        GC.KeepAlive(tensor);
        return identity;
    }

    /// <summary>
    /// Tells autograd that the values of a tensor change, as an in-place operation does: a backward pass through the old values then fails
    /// instead of using the new ones. Call it before writing through an address. It costs 0.1 µs.
    /// </summary>
    /// <exception cref="ExternalException">An inference tensor is written to outside inference mode, which libtorch does not allow.</exception>
    public static void MarkWritten(Tensor tensor)
    {
        using var grad = no_grad();
        tensor.copy_(tensor); // libtorch counts it as a write, sees that the two are one, and copies nothing
    }

    // Safe without a transition: each reads a field.
    [DllImport("LibTorchSharp"), SuppressGCTransition]
    private static extern nint THSTensor_data(nint tensor);

    [DllImport("LibTorchSharp"), SuppressGCTransition]
    private static extern int THSTensor_device_type(nint tensor);

    [DllImport("LibTorchSharp"), SuppressGCTransition]
    private static extern long THSTensor_ndimension(nint tensor);

    [DllImport("LibTorchSharp"), SuppressGCTransition]
    private static extern long THSTensor_size(nint tensor, long dimension);

    [DllImport("LibTorchSharp"), SuppressGCTransition]
    private static extern sbyte THSTensor_type(nint tensor);

    [DllImport("LibTorchSharp"), SuppressGCTransition]
    private static extern byte THSTensor_is_contiguous(nint tensor);

    [DllImport("LibTorchSharp"), SuppressGCTransition]
    private static extern long THSTensor_is_neg(nint tensor);

    [DllImport("LibTorchSharp"), SuppressGCTransition]
    private static extern byte THSTensor_has_names(nint tensor);
}
