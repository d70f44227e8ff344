using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests;

/// <summary>Bad input throws what docs/DIFFERENCES.md says, and the weight stays unchanged.</summary>
public class ErrorTests
{
    private static TException Refused<TException>(Embedding embedding, Tensor input) where TException : Exception
    {
        byte[] before = Bits(embedding.Weight);
        using (input)
        {
            var error = Assert.Throws<TException>(() => embedding.forward(input));
            Assert.Equal(before, Bits(embedding.Weight));
            return error;
        }
    }

    [Fact]
    public void NullIsNamed()
    {
        using var embedding = new Embedding(4, 3);
        using Tensor table = Table();
        Assert.Equal("input", Assert.Throws<ArgumentNullException>(() => embedding.forward(null!)).ParamName);
        Assert.Equal("value", Assert.Throws<ArgumentNullException>(() => embedding.Weight = null!).ParamName);
        Assert.Equal("source", Assert.Throws<ArgumentNullException>(() => embedding.load_state_dict(null!)).ParamName);
        Assert.Equal("embeddings", Assert.Throws<ArgumentNullException>(() => Embedding.FromPretrained((Tensor)null!)).ParamName);
        Assert.Equal("embeddings", Assert.Throws<ArgumentNullException>(() => Embedding.FromPretrained((float[,])null!)).ParamName);
        Assert.Equal("input", Assert.Throws<ArgumentNullException>(() => Functional.Embedding(null!, table)).ParamName);
        Assert.Equal("weight", Assert.Throws<ArgumentNullException>(() => Functional.Embedding(table, null!)).ParamName);
    }

    [Fact]
    public void NegativeSizesAreNamed()
    {
        var rows = Assert.Throws<ArgumentOutOfRangeException>(() => new Embedding(-1, 3));
        var width = Assert.Throws<ArgumentOutOfRangeException>(() => new Embedding(3, -2));
        Assert.Equal(("numEmbeddings", -1L), (rows.ParamName, rows.ActualValue));
        Assert.Equal(("embeddingDim", -2L), (width.ParamName, width.ActualValue));
    }

    [Theory]
    [InlineData(4)]
    [InlineData(25)]
    [InlineData(-5)]
    public void APaddingIndexOutsideTheTableIsRefusedEverywhere(long paddingIdx)
    {
        using Tensor table = Table();
        using Tensor input = Indices(1);
        Assert.All<Action>(
            [
                () => _ = new Embedding(4, 3, paddingIdx),
                () => Embedding.FromPretrained(table, paddingIdx: paddingIdx),
                () => Functional.Embedding(input, table, paddingIdx),
            ],
            call =>
            {
                var error = Assert.Throws<ArgumentOutOfRangeException>(call);
                Assert.Equal("paddingIdx", error.ParamName);
                Assert.Equal(paddingIdx, error.ActualValue);
                Assert.StartsWith($"Padding_idx must be within num_embeddings: {paddingIdx} is not in [-4, 4).", error.Message);
            });
    }

    [Fact]
    public void APretrainedTableMustBe2D()
    {
        using Tensor flat = zeros(3);
        var error = Assert.Throws<ArgumentException>(() => Embedding.FromPretrained(flat));
        Assert.Equal("embeddings", error.ParamName);
        Assert.StartsWith("Embeddings parameter is expected to be 2-dimensional, and this one has 1 dimensions.", error.Message);
    }

    [Fact]
    public void ABadIndexIsNamedWithItsValuePositionAndTheLimit()
    {
        using var embedding = new Embedding(10, 3);
        var error = Refused<ArgumentOutOfRangeException>(embedding, tensor(new long[,] { { 1, 2 }, { 3, 11 } }));
        Assert.Equal("input", error.ParamName);
        Assert.StartsWith("index out of range in self: index 11 at position [1, 1] is not in [0, 10), the rows of the table.", error.Message);
        Assert.Equal(11L, error.ActualValue);
    }

    [Theory]
    [InlineData(4)]
    [InlineData(-1)]
    [InlineData(1L << 40)]
    public void TheFirstBadIndexCountsWithMaxNormToo(long bad)
    {
        using Tensor table = Table();
        using var embedding = Embedding.FromPretrained(table, maxNorm: 0.5);
        var error = Refused<ArgumentOutOfRangeException>(embedding, Indices(1, bad, 99));
        Assert.Contains($"index out of range in self: index {bad} at position [1] is not in [0, 4)", error.Message);
        using Tensor input = Indices(1, bad);
        byte[] before = Bits(table);
        Assert.Throws<ArgumentOutOfRangeException>(() => Functional.Embedding(input, table, maxNorm: 0.5));
        Assert.Equal(before, Bits(table));
    }

    [Fact]
    public void CheckIndicesLooksBeforeLibtorchDoes()
    {
        // libtorch's look-up refuses a padding index outside the table first, so the kind of error shows who checked first.
        using var embedding = new Embedding(10, 3, paddingIdx: 9);
        using var fewer = new TorchSharp.Modules.Parameter(Table());
        embedding.Weight = fewer;
        Assert.False(embedding.CheckIndices);
        Refused<InvalidOperationException>(embedding, Indices(1, 7));

        embedding.CheckIndices = true;

        var error = Refused<ArgumentOutOfRangeException>(embedding, Indices(1, 7));
        Assert.Equal("input", error.ParamName);
        Assert.StartsWith("index out of range in self: index 7 at position [1] is not in [0, 4), the rows of the table.", error.Message);
    }

    [Fact]
    public void CheckIndicesLeavesEverythingElseAsItIs()
    {
        using var embedding = new Embedding(4, 3) { CheckIndices = true };
        using Tensor input = tensor(new int[,] { { 0, 3 }, { 1, 1 } });
        using Tensor table = embedding.Weight.detach();
        using Tensor found = embedding.forward(input);
        using Tensor expected = table.index_select(0, Indices(0, 3, 1, 1)).reshape(2, 2, 3);
        AssertSameBits(expected, found);
        Refused<ArgumentException>(embedding, zeros(2));
        Refused<ArgumentException>(embedding, zeros(2, dtype: int64, device: META));

        long before = LiveTensors();
        for (int i = 0; i < 10; i++) embedding.forward(input).Dispose();
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Fact]
    public void OnCudaCheckIndicesReportsABadIndexAndTheContextLives()
    {
        Assert.SkipUnless(cuda.is_available(), "no CUDA device");
        using var embedding = new Embedding(10, 3, device: CUDA) { CheckIndices = true };
        Refused<ArgumentOutOfRangeException>(embedding, tensor(new long[,] { { 1, 2 }, { 3, 11 } }, device: CUDA));
        using Tensor found = embedding.Lookup(1, 9);
        Assert.Equal(2 * 3 * sizeof(float), Bits(found).Length);
    }

    [Theory]
    [InlineData(ScalarType.Float32, "torch.FloatTensor")]
    [InlineData(ScalarType.Int16, "torch.ShortTensor")]
    [InlineData(ScalarType.Bool, "CPUBoolType")]
    public void IndicesOfAnotherTypeGetPyTorchsTextWithBothTypes(ScalarType dtype, string name)
    {
        using var plain = new Embedding(4, 3);
        using var renormed = new Embedding(4, 3, maxNorm: 0.1);
        var error = Refused<ArgumentException>(plain, zeros(2, dtype: dtype));
        Assert.Equal("input", error.ParamName);
        Assert.StartsWith("Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; "
            + $"but got {name} instead (while checking arguments for embedding)", error.Message);
        var withMaxNorm = Refused<ArgumentException>(renormed, zeros(2, dtype: dtype));
        Assert.Contains($"but got {name} instead (while checking arguments for embedding_renorm_)", withMaxNorm.Message);
    }

    [Fact]
    public void IndicesOnAnotherDeviceGetBothDevicesNamed()
    {
        using var embedding = new Embedding(4, 3);
        var error = Refused<ArgumentException>(embedding, zeros(2, dtype: int64, device: META));
        Assert.StartsWith("The indices are on meta and the weight is on cpu", error.Message);
    }

    [Fact]
    public void IntegerTablesCannotBeTrained()
    {
        using Tensor table = Table(dtype: ScalarType.Int64);
        Assert.Equal("embeddings", Assert.Throws<ArgumentException>(() => Embedding.FromPretrained(table, freeze: false)).ParamName);
        Assert.Equal("dtype", Assert.Throws<ArgumentException>(() => new Embedding(4, 3, dtype: int64)).ParamName);
        using var frozen = Embedding.FromPretrained(table);
        Assert.Contains("not implemented for 'Long'", Assert.Throws<InvalidOperationException>(frozen.ResetParameters).Message);
    }

    [Fact]
    public void ToTheMetaDeviceIsRefusedAndChangesNothing()
    {
        using var embedding = new Embedding(4, 3);
        byte[] before = Bits(embedding.Weight);
        Assert.Throws<InvalidOperationException>(() => embedding.to(META));
        Assert.Equal(before, Bits(embedding.Weight));
        Assert.Single(embedding.parameters());
    }

    [Fact]
    public void ADisposedLayerSaysSo()
    {
        var embedding = new Embedding(4, 3);
        using Tensor input = Indices(1);
        embedding.Dispose();
        embedding.Dispose();

        Assert.Throws<ObjectDisposedException>(() => embedding.forward(input));
        Assert.Throws<ObjectDisposedException>(() => embedding.Weight);
        Assert.Throws<ObjectDisposedException>(() => embedding.Lookup(1));
        Assert.Throws<ObjectDisposedException>(() => embedding.Lookup([1], new float[3].AsSpan()));
        Assert.Throws<ObjectDisposedException>(embedding.ResetParameters);
        Assert.Throws<ObjectDisposedException>(() => embedding.to(float64));
    }
}
