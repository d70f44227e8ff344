using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Page;

/// <summary>
/// Tests what the documentation page says in words and no golden can show. Each derived class tests one part of the page. Each test
/// starts from the same seed, and its tensors are disposed afterwards.
/// </summary>
public abstract class PageTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    protected PageTests() => manual_seed(0);

    public void Dispose() => _scope.Dispose();

    /// <summary>One step of SGD that takes 1 off each element that is looked up.</summary>
    protected static void Learn(Embedding embedding, params long[] indices)
    {
        using var sgd = optim.SGD(embedding.parameters(), 1.0);
        embedding.call(tensor(indices, device: embedding.Weight.device)).sum().backward();
        sgd.step();
    }
}
