namespace EmbeddingWrapper.Tests;

/// <summary>Counts native tensors, for tests that look for leaks.</summary>
internal static class TensorCount
{
    /// <summary>The number of native tensors after the garbage collector has freed those that nothing refers to.</summary>
    public static long LiveTensors()
    {
        for (int i = 0; i < 2; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        return TorchSharp.torch.Tensor.TotalCount;
    }

    /// <summary>
    /// How much the count stays too high for each tensor that became a Parameter. TorchSharp 0.107 counts such a tensor twice and
    /// subtracts it once.
    /// </summary>
    public static long CountedTwice()
    {
        long before = LiveTensors(); // so that no finalizer of an earlier test changes the count meanwhile
        new TorchSharp.Modules.Parameter(TorchSharp.torch.zeros(1)).Dispose();
        return TorchSharp.torch.Tensor.TotalCount - before;
    }
}
