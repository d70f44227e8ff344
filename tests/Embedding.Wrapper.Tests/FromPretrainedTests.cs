using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests;

public class FromPretrainedTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void TheCallersTensorStaysTheCallers(bool freeze)
    {
        using Tensor source = Table();
        using (Embedding.FromPretrained(source, freeze))
        {
            Assert.False(source.IsInvalid);
            Assert.False(source.requires_grad);
        }
        Assert.Equal(11f, source[3, 2].ToSingle());
    }

    [Fact]
    public void AnArrayOfDoublesBecomesAFloat64Table()
    {
        double[,] numbers = { { 0.1, double.MaxValue, -0.0 }, { double.Epsilon, double.NaN, 1.0 / 3 } };
        using var embedding = Embedding.FromPretrained(numbers, freeze: false, paddingIdx: -1, maxNorm: 2, normType: 1, scaleGradByFreq: true);
        Assert.Equal(float64, embedding.Weight.dtype);
        Assert.Equal([2L, 3L], embedding.Weight.shape);
        Assert.Equal(numbers.Cast<double>().Select(BitConverter.DoubleToInt64Bits),
            embedding.Weight.detach().data<double>().Select(BitConverter.DoubleToInt64Bits));
        Assert.True(embedding.Weight.requires_grad);
        Assert.Equal("Embedding(2, 3, padding_idx=1, max_norm=2.0, norm_type=1.0, scale_grad_by_freq=True)", embedding.ToString());
    }

    [Fact]
    public void ASourceThatRequiresGradKeepsItsFlagAndGetsNoGradient()
    {
        using Tensor source = Table().requires_grad_();
        using var embedding = Embedding.FromPretrained(source, freeze: false);
        using Tensor index = Indices(1);
        using Tensor loss = embedding.forward(index).sum();
        loss.backward();

        Assert.True(source.requires_grad);
        Assert.Null(source.grad);
        Assert.NotNull(embedding.Weight.grad);
    }

    [Fact]
    public void TheSourceSurvivesADisposeScopeAroundTheLayerAndTheLayerOneAroundItself()
    {
        using Tensor source = Table();
        Embedding embedding;
        using (NewDisposeScope())
        {
            embedding = Embedding.FromPretrained(source);
        }
        using (embedding)
        using (Tensor row = embedding.Lookup(1))
        {
            Assert.Equal([3f, 4f, 5f], Floats(row));
        }
        Assert.False(source.IsInvalid);
    }

    [Fact]
    public void WhatTheForwardPassReadsIsWhatTheOptimizerTrains()
    {
        using Tensor source = Table();
        using var embedding = Embedding.FromPretrained(source, freeze: false);
        using var sgd = optim.SGD(embedding.parameters(), 1.0);
        using Tensor index = Indices(1);
        using (Tensor loss = embedding.forward(index).sum()) loss.backward();
        sgd.step();

        using Tensor after = embedding.forward(index);

        Assert.Equal([2f, 3f, 4f], Floats(after));
        Assert.Equal(2f, source[1, 0].ToSingle());
    }

    [Fact]
    public void NothingIsCopiedAndNoRandomNumberIsDrawn()
    {
        using Tensor source = Table();
        manual_seed(3);
        using Tensor expected = randn(4);
        manual_seed(3);
        using var embedding = Embedding.FromPretrained(source);
        using Tensor drawn = randn(4);

        AssertSameBits(expected, drawn);
        source.fill_(7);
        Assert.All(Floats(embedding.Weight), value => Assert.Equal(7f, value));
    }

    [Fact]
    public void NumbersTypedInMakeAFloat32Table()
    {
        using var embedding = Embedding.FromPretrained(new[,] { { 1, 2.3f, 3 }, { 4, 5.1f, 6.3f } });
        using Tensor index = Indices(1);
        using Tensor row = embedding.forward(index);

        Assert.Equal(float32, embedding.Weight.dtype);
        Assert.False(embedding.Weight.requires_grad);
        Assert.Equal([4f, 5.1f, 6.3f], Floats(row));
    }

    [Fact]
    public void AParameterAsSourceGivesANewParameterOverTheSameMemory()
    {
        using var source = new Parameter(Table());
        using var embedding = Embedding.FromPretrained(source);

        Assert.NotSame(source, embedding.Weight);
        Assert.True(source.requires_grad);
        using (no_grad()) source.zero_();
        Assert.All(Floats(embedding.Weight), value => Assert.Equal(0f, value));
    }

    [Fact]
    public void AnArrayMayBeginAtOtherIndicesThanZero()
    {
        var table = (double[,])Array.CreateInstance(typeof(double), [2, 2], [1, 5]);
        (table[1, 5], table[2, 6]) = (7, 8);
        using var layer = Embedding.FromPretrained(table);
        Assert.Equal([7, 0, 0, 8], layer.Weight.data<double>().ToArray());
        using var empty = Embedding.FromPretrained(new float[0, 3]);
        Assert.Equal([0, 3], empty.Weight.shape);
    }
}
