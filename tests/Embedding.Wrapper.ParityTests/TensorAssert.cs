using EmbeddingWrapper.ParityTests.Replay;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests;

internal static class TensorAssert
{
    /// <summary>Asserts the same dtype, shape and bits, on whatever device the tensors are.</summary>
    public static void Same(Tensor expected, Tensor actual)
    {
        Assert.Equal(expected.dtype, actual.dtype);
        Assert.Equal(expected.shape, actual.shape);
        Assert.Equal(TensorText.Bits(expected), TensorText.Bits(actual));
    }

    public static void AllTrue(Tensor condition) => Assert.True(condition.all().ToBoolean(), $"Not everywhere: {condition}");

    public static void AllZero(Tensor tensor) => AllTrue(tensor == 0);
}
