using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Native;

/// <summary>
/// A file mapped into memory, as tensors over its pages: pages are read when they are touched, and a write to one stays private to
/// this process. The mapping goes with the last tensor over it.
/// </summary>
/// <remarks>
/// It is libtorch's <c>from_file</c>. TorchSharp has no view of a tensor as another dtype, so there is one mapping for each dtype.
/// They are all made at once: a file that is renamed over this one later is another file.
/// </remarks>
internal sealed class MappedFile : IDisposable
{
    private readonly Dictionary<ScalarType, Tensor> _mappings = [];

    /// <exception cref="IOException">The file cannot be mapped.</exception>
    public MappedFile(string path, long length, IEnumerable<ScalarType> dtypes)
    {
        try
        {
            foreach (ScalarType dtype in dtypes)
            {
                long elements = length / dtype.ElementSize();
                _mappings.Add(dtype, from_file(path, shared: false, size: elements, dtype).DetachFromDisposeScope());
            }
        }
        catch (ExternalException error)
        {
            Dispose();
            throw new IOException($"{path} cannot be mapped into memory: {error.Message.Split('\n', 2)[0]}", error);
        }
    }

    /// <summary>
    /// A tensor over a part of the file, or a copy of that part where its elements do not lie at multiples of their size: the memory
    /// of a tensor has to. The caller disposes it.
    /// </summary>
    /// <param name="dtype">The dtype. It was mapped, or for a copy <see cref="ScalarType.Byte"/> was.</param>
    /// <param name="position">In bytes, from the start of the file.</param>
    /// <param name="shape">Its size, not zero.</param>
    public Tensor Read(ScalarType dtype, long position, long[] shape)
    {
        long size = dtype.ElementSize(), elements = shape.Aggregate(1L, (product, length) => product * length);
        if (position % size == 0)
        {
            using Tensor part = _mappings[dtype].narrow(0, position / size, elements);
            return part.view(shape);
        }
        using Tensor bytes = _mappings[ScalarType.Byte].narrow(0, position, elements * size);
        Tensor copy = empty(shape, dtype, CPU);
        unsafe
        {
            Buffer.MemoryCopy(TensorMemory.Address<byte>(bytes), TensorMemory.Address<byte>(copy), elements * size, elements * size);
        }
        return copy;
    }

    public void Dispose()
    {
        foreach (Tensor mapping in _mappings.Values) mapping.Dispose();
        _mappings.Clear();
    }
}
