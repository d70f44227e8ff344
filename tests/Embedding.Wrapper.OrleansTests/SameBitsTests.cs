using EmbeddingWrapper.Orleans;
using Orleans.TestingHost;

namespace EmbeddingWrapper.OrleansTests;

/// <summary>A table of any number of shards on any number of silos is trained to the bits of one table in PyTorch.</summary>
public sealed class SameBitsTests(SameBitsTests.Clusters clusters) : IClassFixture<SameBitsTests.Clusters>
{
    private static readonly int[] Silos = [1, 3], Shards = [1, 2, 3, 7];

    public static IEnumerable<TheoryDataRow<string, int, int>> Cases =>
        from optimizer in Golden.Optimizers.Keys
        from shards in Shards
        from silos in Silos
        select new TheoryDataRow<string, int, int>(optimizer, shards, silos);

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task EveryRowAfterEachStepAndEveryMomentIsPyTorchs(string optimizer, int shards, int silos)
    {
        ShardedEmbedding table = await ShardedEmbedding.OpenAsync(clusters.BySilos[silos].Client, Name(optimizer, shards));
        string[] hashes = Golden.Hashes(optimizer);
        Assert.Equal(hashes[0], await Training.HashAsync(table));
        for (int step = 1; step < hashes.Length; step++)
        {
            await Training.TrainAsync(table, step);
            Assert.Equal((step, hashes[step]), (step, await Training.HashAsync(table)));
        }

        await table.SaveAsync();
        Assert.Equal(Golden.State(optimizer), Training.ReadCheckpoint(clusters.Folder(silos, Name(optimizer, shards))));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task AZeroHasTheSignThatPyTorchGivesIt(int silos)
    {
        ShardedEmbedding table = await ShardedEmbedding.OpenAsync(clusters.BySilos[silos].Client, Zeros);
        foreach (long[] rows in new long[][] { [.. Enumerable.Range(0, (int)Golden.Rows).Select(row => (long)row)], [3, 5, 4] })
        {
            using EmbeddingBatch batch = await table.PullAsync(rows);
            using Tensor looked = batch.Embedding.call(batch.Indices);
            float[] upstream = [.. Enumerable.Range(0, rows.Length * Golden.Width).Select(k => k / Golden.Width % 3 == 0 ? -0f : 1)];
            using Tensor given = tensor(upstream, looked.shape);
            looked.backward([given]);
            await table.PushAsync(batch);
        }
        await table.SaveAsync();
        Assert.Equal(Golden.Zeros, Training.ReadCheckpoint(clusters.Folder(silos, Zeros)));
    }

    private const string Zeros = "zeros";

    private static string Name(string optimizer, int shards) => $"{optimizer} in {shards}";

    public sealed class Clusters : IAsyncLifetime
    {
        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("embedding-wrapper-");

        public Dictionary<int, InProcessTestCluster> BySilos { get; } = [];

        public string Folder(int silos, string table) => Path.Combine(_folder.FullName, $"{silos}", table);

        public async ValueTask InitializeAsync()
        {
            foreach (int silos in Silos)
            {
                BySilos[silos] = await TestClusters.StartAsync(silos, tables =>
                {
                    foreach (string optimizer in Golden.Optimizers.Keys)
                        foreach (int shards in Shards)
                            tables[Name(optimizer, shards)] = Golden.Table(optimizer, shards, Folder(silos, Name(optimizer, shards)));
                    tables[Zeros] = Golden.Table("sgd_momentum", Shards[^1], Folder(silos, Zeros));
                });
            }
        }

        public async ValueTask DisposeAsync()
        {
            foreach (InProcessTestCluster cluster in BySilos.Values) await cluster.DisposeAsync();
            _folder.Delete(recursive: true);
        }
    }
}
