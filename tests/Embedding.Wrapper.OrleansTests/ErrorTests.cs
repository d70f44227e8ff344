using EmbeddingWrapper.Optim;
using EmbeddingWrapper.Orleans;
using Orleans.TestingHost;

namespace EmbeddingWrapper.OrleansTests;

/// <summary>What bad input gets.</summary>
public sealed class ErrorTests(ErrorTests.Cluster cluster) : IClassFixture<ErrorTests.Cluster>
{
    private const int Rows = 10, Width = 4;

    private Task<ShardedEmbedding> OpenAsync(string name = "trained") => ShardedEmbedding.OpenAsync(cluster.Of.Client, name);

    [Theory]
    [InlineData(10, 2)]
    [InlineData(-1, 0)]
    [InlineData(long.MaxValue, 1)]
    public async Task ABadIndexIsNamedWithItsPlaceAndTheRows(long index, int position)
    {
        ShardedEmbedding table = await OpenAsync();
        long[] indices = [9, 0, 3];
        indices[position] = index;
        float[] destination = [.. Enumerable.Repeat(7f, 3 * Width)];
        foreach (Func<Task> call in new Func<Task>[] { () => table.LookupAsync(indices, destination), () => table.PullAsync(indices) })
        {
            var error = await Assert.ThrowsAsync<ArgumentOutOfRangeException>(call);
            Assert.Equal(index, error.ActualValue);
            Assert.Contains($"index out of range in self: index {index} at position [{position}] is not in [0, 10), the rows", error.Message);
        }
        Assert.All(destination, number => Assert.Equal(7f, number));
    }

    [Theory]
    [InlineData(7)]
    [InlineData(9)]
    public async Task ADestinationOfAnotherLengthIsRefused(int length)
    {
        ShardedEmbedding table = await OpenAsync();
        var error = await Assert.ThrowsAsync<ArgumentException>(() => table.LookupAsync(new long[] { 1, 2 }, new float[length]));
        Assert.Contains($"2 rows of 4 are 8 numbers, and the destination has {length}.", error.Message);
    }

    [Fact]
    public async Task AnUnknownTableIsNamedWithThoseThatThereAre()
    {
        var error = await Assert.ThrowsAsync<KeyNotFoundException>(() => OpenAsync("itmes"));
        Assert.Equal("The silo has no table 'itmes'. It has: decaying, trained, untrained.", error.Message);
    }

    [Fact]
    public async Task SilosThatWereToldDifferentThingsAreNoticed()
    {
        int silos = 0;
        await using InProcessTestCluster differing = await TestClusters.StartAsync(2, tables =>
        {
            double lr = 0.5 * Interlocked.Increment(ref silos);
            tables["items"] = new(100, 2, shards: 40) { Optimizer = weights => new SGD(weights, lr) };
        });
        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => ShardedEmbedding.OpenAsync(differing.Client, "items"));
        Assert.Contains("the silos differ", error.Message);
        Assert.Contains("lr=0.5", error.Message);
        Assert.Contains("lr=1.0", error.Message);
    }

    [Fact]
    public async Task ATableWithoutAnOptimizerIsNotTrained()
    {
        ShardedEmbedding table = await OpenAsync("untrained");
        using EmbeddingBatch batch = await table.PullAsync(new long[] { 1 });
        Assert.Contains("no optimizer", (await Assert.ThrowsAsync<InvalidOperationException>(() => table.PushAsync(batch))).Message);
    }

    [Fact]
    public async Task ATableWithoutAFolderIsNotSaved()
    {
        ShardedEmbedding table = await OpenAsync();
        Assert.Contains("CheckpointFolder", (await Assert.ThrowsAsync<InvalidOperationException>(table.SaveAsync)).Message);
    }

    [Fact]
    public async Task AGradientThatIsMissingOrDenseOrOfAnotherShapeIsRefusedAndNothingCounts()
    {
        ShardedEmbedding table = await OpenAsync();
        using EmbeddingBatch batch = await table.PullAsync(new long[] { 5, 1, 5 });
        Assert.Contains("no gradient", (await Assert.ThrowsAsync<InvalidOperationException>(() => table.PushAsync(batch))).Message);
        batch.Embedding.Weight.grad = ones_like(batch.Embedding.Weight);
        Assert.Contains("dense, Float32 [2, 4]", (await Assert.ThrowsAsync<ArgumentException>(() => table.PushAsync(batch))).Message);
        batch.Embedding.Weight.grad = sparse_coo_tensor(zeros([1, 1], int64), ones(1, 4), [3, 4]);
        Assert.Contains("[3, 4]", (await Assert.ThrowsAsync<ArgumentException>(() => table.PushAsync(batch))).Message);
        Assert.Equal(0, table.Step);
        using EmbeddingBatch next = await table.PullAsync(new long[] { 5 }); // no push is unfinished
    }

    [Fact]
    public async Task AStepThatTheOptimizerRefusesCountsInNoShard()
    {
        ShardedEmbedding table = await OpenAsync("decaying");
        using EmbeddingBatch batch = await table.PullAsync(new long[] { 5, 1, 5 });
        using (Tensor rows = batch.Embedding.call(batch.Indices), sum = rows.sum()) sum.backward();
        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => table.PushAsync(batch));
        Assert.Contains("add(sparse, dense) is not supported", error.Message); // PyTorch's text for weight decay
        using EmbeddingBatch next = await table.PullAsync(new long[] { 5 });
        Assert.Equal(0, next.Step);
    }

    [Fact]
    public async Task NullIsRefusedByName()
    {
        ShardedEmbedding table = await OpenAsync();
        await Assert.ThrowsAsync<ArgumentNullException>("batch", () => table.PushAsync(null!));
        await Assert.ThrowsAsync<ArgumentNullException>("table", () => OpenAsync(null!));
        await Assert.ThrowsAsync<ArgumentNullException>("cluster", () => ShardedEmbedding.OpenAsync(null!, "trained"));
        Assert.Throws<ArgumentNullException>("silo", () => EmbeddingTablesExtensions.AddEmbeddingTables(null!, _ => { }));
    }

    [Theory]
    [InlineData(0, 1, 1, "rows")]
    [InlineData(1, 0, 1, "width")]
    [InlineData(1, 1, 0, "shards")]
    [InlineData(2, 1, 3, "shards")]
    [InlineData(1L << 33, 1, 2, "shards")]
    public void ATableOfAnImpossibleSizeIsRefused(long rows, int width, int shards, string name) =>
        Assert.Equal(name, Assert.Throws<ArgumentOutOfRangeException>(() => new EmbeddingTable(rows, width, shards)).ParamName);

    [Fact]
    public async Task ABatchOfNoRowsIsPulledAndLookedUp()
    {
        ShardedEmbedding table = await OpenAsync();
        await table.LookupAsync(Array.Empty<long>(), Memory<float>.Empty);
        using EmbeddingBatch batch = await table.PullAsync(Array.Empty<long>());
        Assert.Equal([0L, Width], batch.Embedding.Weight.shape);
    }

    [Fact]
    public async Task ABatchHasEachRowOnceAndTheIndicesInItsOwnNumbers()
    {
        ShardedEmbedding table = await OpenAsync();
        using EmbeddingBatch batch = await table.PullAsync(new long[] { 9, 2, 9, 0, 2 });
        Assert.Equal([0L, 2L, 9L], batch.Rows);
        Assert.Equal([2L, 1, 2, 0, 1], batch.Indices.data<long>().ToArray());
        Assert.True(batch.Embedding.Sparse);
        using Tensor rows = batch.Embedding.call(batch.Indices);
        var looked = new float[5 * Width];
        await table.LookupAsync(new long[] { 9, 2, 9, 0, 2 }, looked);
        Assert.Equal(looked, rows.data<float>().ToArray());
    }

    [Fact]
    public async Task ATableShowsItsSizeItsStepAndItsOptimizer() =>
        Assert.StartsWith("trained: 10 rows of 4 in 3 shards, at step 0; SparseAdam(lr=0.001", (await OpenAsync()).ToString());

    public sealed class Cluster : IAsyncLifetime
    {
        public InProcessTestCluster Of { get; private set; } = null!;

        public async ValueTask InitializeAsync() => Of = await TestClusters.StartAsync(1, tables =>
        {
            tables["trained"] = new(Rows, Width, shards: 3) { Optimizer = weights => new SparseAdam(weights) };
            tables["untrained"] = new(Rows, Width);
            tables["decaying"] = new(Rows, Width, shards: 2) { Optimizer = weights => new SGD(weights, weightDecay: 0.1) };
        });

        public ValueTask DisposeAsync() => Of.DisposeAsync();
    }
}
