using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests;

public class LifetimeTests
{
    [Fact]
    public void SpanLookupsMakeNoTensorAndAllocateNothing()
    {
        using var embedding = new Embedding(20, 4);
        long[] indices = [1, 2, 2, 0];
        var rows = new float[16];
        embedding.Lookup(indices.AsSpan(), rows.AsSpan());
        long tensors = LiveTensors();

        // The least of several runs counts, because the runtime sometimes allocates memory of its own on this thread.
        long least = Enumerable.Range(0, 5).Min(_ =>
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 1000; i++) embedding.Lookup(indices.AsSpan(), rows.AsSpan());
            return GC.GetAllocatedBytesForCurrentThread() - before;
        });

        Assert.Equal(tensors, Tensor.TotalCount);
        Assert.Equal(0, least);
    }

    [Fact]
    public void ADisposedLayerLeavesNoTensorBehind()
    {
        using Tensor table = Table();
        using Tensor input = Indices(1);
        long countedTwice = CountedTwice(), before = LiveTensors();

        using (var fresh = new Embedding(4, 3, paddingIdx: 0))
        using (var pretrained = Embedding.FromPretrained(table, freeze: false))
        using (fresh.forward(input))
        using (pretrained.Lookup(2))
        {
            pretrained.to(float64);
        }

        Assert.Equal(before + 2 * countedTwice, Tensor.TotalCount);
    }

    [Fact]
    public void LayersThatNobodyDisposedAreCollected()
    {
        long countedTwice = CountedTwice(), before = LiveTensors();
        Isolated(() =>
        {
            for (int i = 0; i < 200; i++) _ = new Embedding(4, 3);
        });
        Assert.Equal(before + 200 * countedTwice, LiveTensors());
    }

    [Fact]
    public void ACallThatThrowsLeavesNoTensorBehind()
    {
        using var embedding = new Embedding(4, 3);
        using var renormed = new Embedding(4, 3, maxNorm: 1);
        using Tensor bad = Indices(1, 9);
        using Tensor floats = zeros(2);
        long before = LiveTensors();
        for (int i = 0; i < 10; i++)
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => embedding.forward(bad));
            Assert.Throws<ArgumentOutOfRangeException>(() => renormed.forward(bad));
            Assert.Throws<ArgumentException>(() => embedding.forward(floats));
            Assert.Throws<ArgumentOutOfRangeException>(() => embedding.Lookup(9));
            Assert.Throws<ArgumentOutOfRangeException>(() => new Embedding(4, 3, paddingIdx: 9));
        }
        Assert.Equal(before, LiveTensors());
    }

    [Fact]
    public void ALayerMadeInsideADisposeScopeOutlivesIt()
    {
        Embedding embedding;
        using (NewDisposeScope())
        {
            embedding = new Embedding(4, 3, paddingIdx: 1);
            embedding.Lookup(1);
        }
        using (embedding)
        using (Tensor row = embedding.Lookup(1))
        {
            Assert.Equal([0f, 0f, 0f], Floats(row));
            Assert.False(embedding.Weight.IsInvalid);
        }
    }
}
