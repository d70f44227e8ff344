using System.Collections.Immutable;
using System.IO.MemoryMappedFiles;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using EmbeddingWrapper.Native;
using Microsoft.Win32.SafeHandles;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Pretrained;

/// <summary>
/// A file mapped into memory, and tensors over its pages. The operating system reads a page at its first use; writes stay private
/// to this process. The mapping ends with the last tensor over it.
/// </summary>
internal sealed unsafe partial class MappedFile : IDisposable
{
    /// <summary>
    /// The mappings that libtorch still uses and the number of tensors, by the address of their first element: it is all that libtorch
    /// tells when it drops a tensor.
    /// </summary>
    /// <remarks>It has no lock: an interrupt of a thread that waits in <see cref="Release"/> would end the process.</remarks>
    private static ImmutableDictionary<nint, (SafeHandle Memory, int Tensors)> s_inUse =
        ImmutableDictionary<nint, (SafeHandle Memory, int Tensors)>.Empty;

    private readonly SafeHandle _memory; // counts the tensors; the last release unmaps
    private readonly byte* _start;

    /// <param name="file">The open file. It may be closed afterwards.</param>
    /// <param name="length">How much of it to map, in bytes: not zero.</param>
    /// <param name="path">Its name, for messages.</param>
    /// <exception cref="IOException">The file cannot be mapped.</exception>
    public MappedFile(SafeFileHandle file, long length, string path)
    {
        if (OperatingSystem.IsLinux())
        {
            _memory = new UncommittedPages(file, length, path);
            _start = (byte*)_memory.DangerousGetHandle();
        }
        else
        {
            using var mapping = MemoryMappedFile.CreateFromFile(
                file, null, 0, MemoryMappedFileAccess.CopyOnWrite, HandleInheritability.None, leaveOpen: true);
            MemoryMappedViewAccessor accessor = mapping.CreateViewAccessor(0, length, MemoryMappedFileAccess.CopyOnWrite);
            SafeMemoryMappedViewHandle view = accessor.SafeMemoryMappedViewHandle; // it lives longer than the accessor
            view.AcquirePointer(ref _start); // the view starts at the start of the file
            view.ReleasePointer();
            _memory = view;
        }
    }

    /// <summary>
    /// Gives a tensor over a part of the file. The elements of a tensor must lie at multiples of their size; where they do not, the
    /// result is a copy. The caller disposes the tensor.
    /// </summary>
    /// <param name="dtype">The dtype.</param>
    /// <param name="position">The first byte, counted from the start of the file.</param>
    /// <param name="shape">The shape. It has at least one element.</param>
    public Tensor Read(ScalarType dtype, long position, long[] shape)
    {
        long size = dtype.ElementSize();
        using var normal = inference_mode(false); // the tensor is a file's, not a result of the caller's computation
        if (position % size == 0) return Over((nint)(_start + position), dtype, shape);
        long bytes = shape.Aggregate(size, (product, length) => product * length);
        Tensor copy = empty(shape, dtype, CPU);
        Buffer.MemoryCopy(_start + position, TensorMemory.Address<byte>(copy), bytes, bytes);
        return copy;
    }

    public void Dispose() => _memory.Dispose();

    /// <summary>A tensor over the mapping. TorchSharp calls the same function, but for managed arrays only.</summary>
    private Tensor Over(nint data, ScalarType dtype, long[] shape)
    {
        InitializeDeviceType(DeviceType.CPU); // loads libtorch
        bool counted = false;
        _memory.DangerousAddRef(ref counted);
        ImmutableInterlocked.AddOrUpdate(ref s_inUse, data, (Memory: _memory, Tensors: 1), (_, known) => (_memory, known.Tensors + 1));
        nint tensor;
        fixed (long* sizes = shape)
        {
            tensor = THSTensor_new(data, &Release, sizes, shape.Length, (sbyte)dtype, (sbyte)dtype, (int)DeviceType.CPU, -1, 0);
        }
        if (tensor != 0) return Tensor.UnsafeCreateTensor(tensor);
        ReleaseMapping(data);
        CheckForErrors();
        throw new InvalidOperationException("libtorch made no tensor.");
    }

    /// <summary>libtorch calls this when nothing uses a tensor's memory any more, on any thread.</summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Release(nint data) => ReleaseMapping(data);

    private static void ReleaseMapping(nint data)
    {
        SafeHandle memory = s_inUse[data].Memory;
        ImmutableInterlocked.Update(ref s_inUse, all =>
            all[data].Tensors == 1 ? all.Remove(data) : all.SetItem(data, (memory, all[data].Tensors - 1)));
        memory.DangerousRelease();
    }

    [DllImport("LibTorchSharp")]
    private static extern nint THSTensor_new(nint data, delegate* unmanaged[Cdecl]<nint, void> deleter,
        long* sizes, int dimensions, sbyte type, sbyte dtype, int deviceType, int deviceIndex, byte requiresGrad);

    /// <summary>
    /// Linux counts a private writable mapping as committed memory, and refuses one that is larger than the memory. This one asks not to
    /// be counted, which .NET's own mapping cannot.
    /// </summary>
    private sealed partial class UncommittedPages : SafeHandle
    {
        private const int ReadAndWrite = 0x1 | 0x2, PrivateNoReserve = 0x2 | 0x4000;

        private readonly nuint _length;

        public UncommittedPages(SafeFileHandle file, long length, string path)
            : base(-1, ownsHandle: true)
        {
            _length = (nuint)length;
            SetHandle(Map(0, _length, ReadAndWrite, PrivateNoReserve, file, 0));
            if (IsInvalid) throw new IOException($"{path} cannot be mapped into memory: {Marshal.GetLastPInvokeErrorMessage()}.");
        }

        public override bool IsInvalid => handle == -1;

        protected override bool ReleaseHandle() => Unmap(handle, _length) == 0;

        [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
        private static partial nint Map(nint address, nuint length, int protection, int flags, SafeFileHandle file, long offset);

        [LibraryImport("libc", EntryPoint = "munmap")]
        private static partial int Unmap(nint address, nuint length);
    }
}
