using EmbeddingWrapper.Orleans;
using EmbeddingWrapper.Pretrained;
using Orleans.TestingHost;

namespace EmbeddingWrapper.OrleansTests;

/// <summary>Where the first rows of a table come from.</summary>
public sealed class RowSourceTests
{
    // Below 16 numbers libtorch has another method; where 16 does not divide the size it draws the last 16 anew.
    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(3, 5, 2)]
    [InlineData(4, 4, 3)]
    [InlineData(17, 1, 17)]
    [InlineData(97, 5, 7)]
    [InlineData(64, 16, 5)]
    [InlineData(101, 33, 4)]
    public void TheShardsOfASeedAreTheRowsOfALayer(long rows, int width, int shards)
    {
        manual_seed(7);
        using var layer = new Embedding(rows, width);
        var ranges = new ShardRanges(rows, shards);
        foreach (long chunk in new[] { 16, 48, 1 << 20 })
        {
            using var scope = NewDisposeScope();
            Tensor all = cat([.. Enumerable.Range(0, shards)
                .Select(shard => SeededRows.Draw(ranges.Start(shard), ranges.Count(shard), ranges, width, 7, chunk))]);
            Assert.Equal(layer.Weight.bytes, all.bytes);
        }
    }

    [Fact]
    public void ATableOfSeveralChunksHasTheRowsOfALayer()
    {
        const long rows = 300_001;
        const int width = 9;
        manual_seed(-1);
        using var layer = new Embedding(rows, width);
        using Tensor last = SeededRows.Draw(rows - 1000, 1000, new(rows, 3), width, -1);
        using Tensor expected = layer.Weight.narrow(0, rows - 1000, 1000);
        Assert.Equal(expected.bytes, last.bytes);
    }

    [Fact]
    public void DrawingLeavesTheGlobalGeneratorAlone()
    {
        manual_seed(3);
        using Tensor expected = randn(4);
        manual_seed(3);
        SeededRows.Draw(0, 10, new(10, 1), 4, 5).Dispose();
        using Tensor drawn = randn(4);
        Assert.Equal(expected.bytes, drawn.bytes);
    }

    [Theory]
    [InlineData(97, 7)]
    [InlineData(7, 7)]
    [InlineData(1_000_000_007, 12)]
    public void TheRangesOfShardsFollowEachOther(long rows, int shards)
    {
        var ranges = new ShardRanges(rows, shards);
        for (int shard = 0; shard < shards; shard++)
        {
            Assert.Equal(shard == 0 ? 0 : ranges.Start(shard - 1) + ranges.Count(shard - 1), ranges.Start(shard));
            Assert.Equal(shard, ranges.ShardOf(ranges.Start(shard)));
            Assert.Equal(shard, ranges.ShardOf(ranges.Start(shard) + ranges.Count(shard) - 1));
        }
        Assert.Equal(rows, ranges.Start(shards - 1) + ranges.Count(shards - 1));
    }

    [Fact]
    public async Task ABatchOfSeveralMessagesForEachShardHasTheRowsOfALayer()
    {
        const int rows = 3000, width = 64; // 256 rows in a message
        await using InProcessTestCluster cluster =
            await TestClusters.StartAsync(1, tables => tables["wide"] = new(rows, width, shards: 3) { Seed = 7 });
        ShardedEmbedding table = await ShardedEmbedding.OpenAsync(cluster.Client, "wide");
        manual_seed(7);
        using var layer = new Embedding(rows, width);
        var random = new Random(1);
        long[] indices = [.. Enumerable.Range(0, 2 * rows).Select(_ => random.NextInt64(rows))];
        float[] expected = new float[indices.Length * width], given = new float[expected.Length];
        layer.Lookup<float>(indices, expected);
        await table.LookupAsync(indices, given);
        Assert.True(expected.AsSpan().SequenceEqual(given));

        using EmbeddingBatch batch = await table.PullAsync(indices);
        batch.Embedding.Lookup<float>(batch.Indices.data<long>().ToArray(), given.AsSpan());
        Assert.True(expected.AsSpan().SequenceEqual(given));
        Assert.Equal(batch.Rows.Distinct().Order(), batch.Rows);
    }

    [Fact]
    public async Task RowsComeFromASafetensorsFileOrACheckpoint()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("embedding-wrapper-");
        try
        {
            string path = Path.Combine(folder.FullName, "vectors.safetensors"), checkpoints = Path.Combine(folder.FullName, "saved");
            using Tensor vectors = arange(40, float32).reshape(10, 4);
            SafeTensorsFile.Save(path, new Dictionary<string, Tensor> { ["vectors"] = vectors });
            await using InProcessTestCluster cluster = await TestClusters.StartAsync(1, tables =>
            {
                tables["file"] = new(10, 4, shards: 3) { Source = path, SourceTensor = "vectors", CheckpointFolder = checkpoints };
                tables["checkpoint"] = new(10, 4, shards: 2) { Source = Path.Combine(checkpoints, "model.safetensors.index.json") };
                tables["other name"] = new(10, 4) { Source = path };
                tables["other size"] = new(11, 4) { Source = path, SourceTensor = "vectors" };
                tables["missing"] = new(10, 4) { Source = path + "x" };
            });
            ShardedEmbedding file = await ShardedEmbedding.OpenAsync(cluster.Client, "file");
            Assert.Equal(Enumerable.Range(0, 40).Select(number => (float)number), await Training.RowsAsync(file));
            await file.SaveAsync();
            ShardedEmbedding checkpoint = await ShardedEmbedding.OpenAsync(cluster.Client, "checkpoint");
            Assert.Equal(Enumerable.Range(0, 40).Select(number => (float)number), await Training.RowsAsync(checkpoint));

            Assert.Contains("vectors", (await Assert.ThrowsAsync<InvalidDataException>(() => Open("other name"))).Message);
            Assert.Contains("10 rows", (await Assert.ThrowsAsync<InvalidDataException>(() => Open("other size"))).Message);
            await Assert.ThrowsAsync<FileNotFoundException>(() => Open("missing"));

            Task<ShardedEmbedding> Open(string name) => ShardedEmbedding.OpenAsync(cluster.Client, name);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
