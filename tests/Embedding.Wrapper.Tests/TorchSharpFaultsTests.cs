using System.Runtime.InteropServices;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests;

/// <summary>
/// What TorchSharp's own nn.Embedding gets wrong, as the README's table says. A test that fails here is good news: TorchSharp was
/// mended, and the table must change.
/// </summary>
public class TorchSharpFaultsTests
{
    [Fact]
    public void PretrainedTrainsATableThatTheForwardPassDoesNotRead()
    {
        using Tensor table = Table();
        using var theirs = nn.Embedding_from_pretrained(table, freeze: false);
        using var sgd = optim.SGD(theirs.parameters(), 1.0);
        using Tensor index = Indices(1);
        using (Tensor loss = theirs.forward(index).sum()) loss.backward();
        sgd.step();

        using Tensor after = theirs.forward(index);

        Assert.Equal([3f, 4f, 5f], Floats(after)); // trained, it would be 2, 3, 4
        Assert.NotEqual(Bits(table), Bits(theirs.parameters().Single()));
    }

    [Fact]
    public void PretrainedDrawsRandomNumbers()
    {
        using Tensor table = Table();
        manual_seed(3);
        using Tensor expected = randn(4);
        manual_seed(3);
        using var theirs = nn.Embedding_from_pretrained(table);
        using Tensor drawn = randn(4);

        Assert.NotEqual(Bits(expected), Bits(drawn));
    }

    [Fact]
    public void PretrainedWritesOnTheCallersTensor()
    {
        using Tensor table = Table();
        using var theirs = nn.Embedding_from_pretrained(table, freeze: false);
        Assert.True(table.requires_grad);
    }

    [Fact]
    public void ToDoesNotReachThePretrainedTable()
    {
        using Tensor table = Table();
        using var theirs = nn.Embedding_from_pretrained(table);
        theirs.to(float64);
        using Tensor index = Indices(1);
        using Tensor row = theirs.forward(index);
        Assert.Equal(float32, row.dtype);
    }

    [Fact]
    public void EachReadOfTheWeightIsAnotherObject()
    {
        using var theirs = nn.Embedding(4, 3);
        Assert.NotSame(theirs.weight, theirs.weight);
    }

    [Fact]
    public void MaxNormIsNarrowedTo32Bits()
    {
        using var theirs = nn.Embedding(1, 2, max_norm: 0.1);
        using var ours = new Embedding(1, 2, maxNorm: 0.1);
        foreach (nn.Module<Tensor, Tensor> layer in new nn.Module<Tensor, Tensor>[] { theirs, ours })
        {
            layer.to(float64);
            using (no_grad()) layer.parameters().Single().copy_(tensor(new double[,] { { 3, 4 } }));
        }
        using Tensor index = Indices(0);
        using Tensor narrowed = theirs.forward(index), exact = ours.forward(index);

        const double python = 0.05999999880000002;
        Assert.Equal(python, exact[0, 0].ToDouble());
        Assert.NotEqual(python, narrowed[0, 0].ToDouble());
    }

    [Fact]
    public void Float64TablesAreFloat32DrawsConverted()
    {
        manual_seed(0);
        using var theirs = nn.Embedding(4, 5, dtype: float64);
        using var weight = theirs.weight;
        Assert.Equal((double)(float)weight![0, 0].ToDouble(), weight[0, 0].ToDouble());
    }

    [Fact]
    public void LoadingSpreadsAOneRowTable()
    {
        using var theirs = nn.Embedding(4, 3);
        using Tensor row = Table(1, 3);
        theirs.load_state_dict(new() { ["weight"] = row });
        using var weight = theirs.weight;
        Assert.Equal([0f, 1f, 2f, 0f, 1f, 2f, 0f, 1f, 2f, 0f, 1f, 2f], Floats(weight!));
    }

    [Fact]
    public void AnIndexErrorSaysNothingAboutTheIndex()
    {
        using var theirs = nn.Embedding(4, 3);
        using Tensor index = Indices(1, 77);
        var error = Assert.Throws<ExternalException>(() => theirs.forward(index));
        Assert.StartsWith("index out of range in self", error.Message);
        Assert.DoesNotContain("77", error.Message.Split('\n')[0]);
    }

    [Fact]
    public void ToStringIsTheClassName()
    {
        using var theirs = nn.Embedding(4, 3);
        Assert.Equal("TorchSharp.Modules.Embedding", theirs.ToString());
    }
}
