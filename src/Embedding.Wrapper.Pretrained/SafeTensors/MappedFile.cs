using System.Runtime.InteropServices;
using EmbeddingWrapper.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Pretrained;

/// <summary>
/// A file mapped into memory, and tensors over its pages. The operating system reads a page at its first use; writes stay private
/// to this process. The mapping ends with the last tensor over it.
/// </summary>
/// <remarks>
/// libtorch's <c>from_file</c> makes the mapping. TorchSharp cannot view a tensor as another dtype, so there is one mapping for each
/// dtype. All are made at once, because the file may be replaced by another one later.
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
    /// Gives a tensor over a part of the file. The elements of a tensor must lie at multiples of their size; where they do not, the
    /// result is a copy. The caller disposes it.
    /// </summary>
    /// <param name="dtype">The dtype. Either it or, for a copy, <see cref="ScalarType.Byte"/> was mapped.</param>
    /// <param name="position">The first byte, counted from the start of the file.</param>
    /// <param name="shape">The shape. It has at least one element.</param>
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
