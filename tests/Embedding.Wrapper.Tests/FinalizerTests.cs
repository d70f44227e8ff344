using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests;

/// <summary>Calls work while the garbage collector runs and finalizes all the time: nothing that libtorch reads is left to it.</summary>
public class FinalizerTests
{
    private static void InAStorm(Action call)
    {
        bool over = false;
        Task storm = Task.Run(() =>
        {
            while (!Volatile.Read(ref over))
            {
                GC.Collect(0);
                GC.WaitForPendingFinalizers();
            }
        });
        try
        {
            long until = Environment.TickCount64 + 1500;
            do call();
            while (Environment.TickCount64 < until);
        }
        finally
        {
            Volatile.Write(ref over, true);
            storm.Wait();
        }
    }

    [Fact]
    public void CheckedLookups()
    {
        using var layer = new Embedding(100, 3) { CheckIndices = true };
        using Tensor good = tensor(new[] { 99, 0, 7 });
        InAStorm(() => layer.forward(good).Dispose());
    }

    [Fact]
    public void BadIndicesGetTheirOwnError()
    {
        using var layer = new Embedding(100, 3) { CheckIndices = true };
        using Tensor bad = Indices(99, -7);
        InAStorm(() =>
        {
            var error = Assert.Throws<ArgumentOutOfRangeException>(() => layer.forward(bad));
            Assert.StartsWith("index out of range in self: index -7 at position [1] is not in [0, 100)", error.Message);
        });
    }

    [Fact]
    public void LookupsWithMaxNorm()
    {
        using var layer = Embedding.FromPretrained(Table(), maxNorm: 0.5);
        using Tensor input = Indices(1, 2);
        InAStorm(() => layer.forward(input).Dispose());
    }

    [Fact]
    public void TheFunction()
    {
        using Tensor table = Table(), input = Indices(1, 2);
        InAStorm(() => Functional.Embedding(input, table, paddingIdx: 1, maxNorm: 0.5, scaleGradByFreq: true).Dispose());
    }

    [Fact]
    public void ConversionsAndNewLayers()
    {
        using Tensor table = Table();
        using var layer = Embedding.FromPretrained(table);
        InAStorm(() =>
        {
            layer.to(float64);
            layer.to(float32);
            using var other = new Embedding(4, 3, paddingIdx: 1);
            layer.load_state_dict(other.state_dict());
        });
    }

    [Fact]
    public void Texts()
    {
        using Tensor table = Table();
        string expected = table.Repr();
        InAStorm(() => Assert.Equal(expected, table.Repr()));
    }
}
