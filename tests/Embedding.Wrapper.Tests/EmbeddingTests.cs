using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests;

public class EmbeddingTests
{
    [Fact]
    public void OptionsCanBeReadAsTheyWereGiven()
    {
        using var embedding = new Embedding(10, 3, paddingIdx: 2, maxNorm: 1.5, normType: 1.0, scaleGradByFreq: true, sparse: true);

        Assert.Equal(10, embedding.NumEmbeddings);
        Assert.Equal(3, embedding.EmbeddingDim);
        Assert.Equal(2, embedding.PaddingIdx);
        Assert.Equal(1.5, embedding.MaxNorm);
        Assert.Equal(1.0, embedding.NormType);
        Assert.True(embedding.ScaleGradByFreq);
        Assert.True(embedding.Sparse);
    }

    [Fact]
    public void DefaultsArePyTorchs()
    {
        using var embedding = new Embedding(10, 3);

        Assert.Null(embedding.PaddingIdx);
        Assert.Null(embedding.MaxNorm);
        Assert.Equal(2.0, embedding.NormType);
        Assert.False(embedding.ScaleGradByFreq);
        Assert.False(embedding.Sparse);
        Assert.True(embedding.training);
        Assert.True(embedding.Weight.requires_grad);
        Assert.Equal(float32, embedding.Weight.dtype);
    }

    [Fact]
    public void ANegativePaddingIndexIsShownCountedFromTheStart()
    {
        using var embedding = new Embedding(10, 3, paddingIdx: -1);
        Assert.Equal(9, embedding.PaddingIdx);
    }

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void ANewTableHoldsTheDrawsOfItsOwnDtype(ScalarType dtype)
    {
        manual_seed(5);
        using var embedding = new Embedding(7, 5, dtype: dtype);
        manual_seed(5);
        using Tensor drawn = randn(7, 5, dtype: dtype);

        AssertSameBits(drawn, embedding.Weight);
    }

    [Fact]
    public void TheDefaultDtypeIsHonoured()
    {
        ScalarType before = get_default_dtype();
        try
        {
            set_default_dtype(float64);
            using var embedding = new Embedding(2, 3);
            Assert.Equal(float64, embedding.Weight.dtype);
        }
        finally
        {
            set_default_dtype(before);
        }
    }

    [Fact]
    public void ResettingRefillsTheSameParameterAndZeroesThePaddingRow()
    {
        manual_seed(1);
        using var embedding = new Embedding(4, 3, paddingIdx: 1);
        var weight = embedding.Weight;
        byte[] drawn = Bits(weight);

        manual_seed(1);
        embedding.ResetParameters();

        Assert.Same(weight, embedding.Weight);
        Assert.Equal(drawn, Bits(weight));
        using Tensor row = weight[1];
        Assert.Equal([0f, 0f, 0f], Floats(row));
    }

    [Fact]
    public void TheResultIsACopyThatLaterEditsDoNotReach()
    {
        using Tensor table = Table();
        using var embedding = Embedding.FromPretrained(table);
        using Tensor index = Indices(1);
        using Tensor found = embedding.forward(index);

        table.zero_();

        Assert.Equal([3f, 4f, 5f], Floats(found));
    }

    [Fact]
    public void CallRunsTheHooksAndForwardDoesNot()
    {
        using var embedding = Embedding.FromPretrained(Table());
        using Tensor index = Indices(1);
        embedding.register_forward_hook((_, _, output) => output.mul(10));

        using Tensor called = embedding.call(index);
        using Tensor forwarded = embedding.forward(index);

        Assert.Equal([30f, 40f, 50f], Floats(called));
        Assert.Equal([3f, 4f, 5f], Floats(forwarded));
    }

    private sealed class WordTable() : Embedding(3, 2, sparse: true);

    [Fact]
    public void ASubclassShowsItsOwnName()
    {
        using var table = new WordTable();
        Assert.Equal("WordTable(3, 2, sparse=True)", table.ToString());
    }
}
