using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Page;

/// <summary>
/// What the documentation page says in words that no golden can show. Each class tests one part of the page, from the same seed,
/// and disposes the tensors of each test.
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
