global using TorchSharp;
global using Xunit;
global using static EmbeddingWrapper.Tests.TensorCount;
global using static TorchSharp.torch;
using System.Runtime.CompilerServices;

// All tests share the seed, the default dtype and the count of live tensors.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace EmbeddingWrapper.Tests;

internal static class Shared
{
    /// <summary>A table with 0, 1, 2, … row by row.</summary>
    public static Tensor Table(long rows = 4, long columns = 3, ScalarType dtype = ScalarType.Float32)
    {
        using Tensor numbers = arange(rows * columns, dtype: dtype);
        return numbers.reshape(rows, columns);
    }

    public static Tensor Indices(params long[] indices) => tensor(indices);

    /// <summary>The elements of a tensor as bytes, row-major. Tensors are the same if these bytes are.</summary>
    public static byte[] Bits(Tensor tensor)
    {
        using Tensor detached = tensor.detach();
        using Tensor onTheCpu = detached.cpu();
        using Tensor contiguous = onTheCpu.contiguous();
        return contiguous.bytes.ToArray();
    }

    public static void AssertSameBits(Tensor expected, Tensor actual)
    {
        Assert.Equal(expected.shape, actual.shape);
        Assert.Equal(expected.dtype, actual.dtype);
        Assert.Equal(Bits(expected), Bits(actual));
    }

    public static float[] Floats(Tensor tensor)
    {
        using Tensor detached = tensor.detach();
        using Tensor contiguous = detached.contiguous();
        return contiguous.data<float>().ToArray();
    }

    /// <summary>Runs the body in a frame of its own, so that none of its locals keeps an object alive afterwards.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Isolated(Action body) => body();
}
