using EmbeddingWrapper.Orleans;
using Orleans.TestingHost;

namespace EmbeddingWrapper.OrleansTests;

/// <summary>Nothing is lost without an error: pushes that fail or come twice, checkpoints that fail, silos that die.</summary>
public sealed class FaultTests : IAsyncLifetime
{
    private const string Name = "items", Optimizer = "sparse_adam";
    private const int Shards = 7;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("embedding-wrapper-");
    private readonly string[] _hashes = Golden.Hashes(Optimizer);
    private InProcessTestCluster _cluster = null!;
    private ShardedEmbedding _table = null!;
    private Func<IOutgoingGrainCallContext, int, Task> _onCall = (call, _) => call.Invoke();

    private string Checkpoints => Path.Combine(_folder.FullName, "checkpoints");

    public async ValueTask InitializeAsync()
    {
        _cluster = await TestClusters.StartAsync(3, Tables, client => client.AddOutgoingGrainCallFilter(call =>
            call.Grain is IShard shard ? _onCall(call, (int)shard.GetPrimaryKeyLong(out _)) : call.Invoke()));
        _table = await ShardedEmbedding.OpenAsync(_cluster.Client, Name);
    }

    public async ValueTask DisposeAsync()
    {
        await _cluster.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Theory]
    [InlineData(false)] // the request is lost
    [InlineData(true)] // the answer is lost
    public async Task APushThatSomeShardsMissIsNoticedAndCountsOnceWhenItIsRepeated(bool arrives)
    {
        await Training.TrainAsync(_table, 5);
        using EmbeddingBatch batch = await Training.PullAsync(_table);
        _onCall = async (call, shard) =>
        {
            bool fails = call.MethodName == nameof(IShard.Push) && shard is 2 or 4;
            if (!fails || arrives) await call.Invoke();
            if (fails) throw new TimeoutException();
        };
        var error = await Assert.ThrowsAsync<ShardLostException>(() => _table.PushAsync(batch));
        Assert.Equal((2, null, 5), (error.Shard, error.ShardStep, error.Step));
        Assert.Equal("Table 'items': shard 2 does not answer, this batch is for step 5.", error.Message);
        Assert.Contains("step 5", (await Assert.ThrowsAsync<InvalidOperationException>(() => _table.PullAsync(new long[] { 1 }))).Message);
        await Assert.ThrowsAsync<InvalidOperationException>(_table.SaveAsync);

        _onCall = (call, _) => call.Invoke();
        await _table.PushAsync(batch);
        Assert.Equal((6, _hashes[6]), (_table.Step, await Training.HashAsync(_table)));
        await TrainToTheEnd();
    }

    [Fact]
    public async Task APushThatIsDeliveredTwiceCountsOnce()
    {
        _onCall = async (call, _) =>
        {
            await call.Invoke();
            if (call.MethodName == nameof(IShard.Push)) await call.Invoke();
        };
        using (EmbeddingBatch batch = await Training.PullAsync(_table))
        {
            await _table.PushAsync(batch);
            await _table.PushAsync(batch);
        }
        Assert.Equal((1, _hashes[1]), (_table.Step, await Training.HashAsync(_table)));
        await TrainToTheEnd();
    }

    [Fact]
    public async Task WhatAClientSendsIsCheckedByTheShard()
    {
        IShard shard = _cluster.Client.GetGrain<IShard>(1, Name); // 14 rows of 5
        byte[] row = BitConverter.GetBytes(14), negative = BitConverter.GetBytes(-1), inside = BitConverter.GetBytes(3);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => shard.Read(row));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => shard.Read(negative));
        await Assert.ThrowsAsync<InvalidOperationException>(() => shard.Push(new(0, Guid.NewGuid(), row, new byte[20])));
        await Assert.ThrowsAsync<InvalidOperationException>(() => shard.Push(new(0, Guid.NewGuid(), negative, new byte[20])));
        await Assert.ThrowsAsync<ArgumentException>(() => shard.Push(new(0, Guid.NewGuid(), inside, new byte[16])));
        Assert.Equal(0, (await shard.Describe()).Step);
        await TrainToTheEnd();
    }

    [Fact]
    public async Task ABatchOfAnEarlierStepIsRefused()
    {
        using EmbeddingBatch early = await Training.PullAsync(_table);
        await Training.TrainAsync(_table, 2);
        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => _table.PushAsync(early));
        Assert.Contains("is at step 2, and this batch is for step 0", error.Message);
        await TrainToTheEnd();
    }

    [Fact]
    public async Task ASecondClientThatTrainsIsNoticed()
    {
        ShardedEmbedding other = await ShardedEmbedding.OpenAsync(_cluster.Client, Name);
        using EmbeddingBatch late = await Training.PullAsync(other);
        await Training.TrainAsync(_table, 1);
        var error = await Assert.ThrowsAsync<ShardLostException>(() => other.PushAsync(late));
        Assert.Equal("Table 'items': shard 0 is at step 1, this batch is for step 0.", error.Message);
        await Assert.ThrowsAsync<ShardLostException>(() => other.PullAsync(new long[] { 3 }));
        await TrainToTheEnd();
    }

    [Theory]
    [InlineData(nameof(IShard.Save))]
    [InlineData(nameof(IShard.Commit))]
    public async Task ACheckpointThatFailsLeavesTheOlderOne(string method)
    {
        await Training.TrainAsync(_table, 4);
        await _table.SaveAsync();
        Dictionary<string, byte[]> saved = Training.ReadCheckpoint(Checkpoints);
        await Training.TrainAsync(_table, 6);
        _onCall = (call, shard) => call.MethodName == method && shard is 0 or 6 ? throw new IOException("no space") : call.Invoke();
        await Assert.ThrowsAsync<IOException>(_table.SaveAsync);
        Assert.Equal(saved, Training.ReadCheckpoint(Checkpoints));

        File.WriteAllText(Path.Combine(Checkpoints, "model.safetensors.index.json.killed.tmp"), "{"); // by a silo that was killed
        _onCall = (call, _) => call.Invoke();
        await _table.RestoreAsync(TestContext.Current.CancellationToken);
        Assert.Equal((4, _hashes[4]), (_table.Step, await Training.HashAsync(_table)));
        await TrainToTheEnd();
        await _table.SaveAsync();
        Assert.Equal(Golden.State(Optimizer), Training.ReadCheckpoint(Checkpoints));
        Assert.Equal(Shards + 1, Directory.GetFiles(Checkpoints).Length); // the files of older checkpoints are gone
    }

    [Fact]
    public async Task ASiloThatDiesIsNoticedByStepAndRestoringGivesTheSameBits()
    {
        await Training.TrainAsync(_table, 12);
        await _table.SaveAsync();
        await Training.TrainAsync(_table, 20);
        SiloAddress? home = await _cluster.Client.GetGrain<IManagementGrain>(0)
            .GetActivationAddress(_cluster.Client.GetGrain<IShard>(3, Name), TestContext.Current.CancellationToken);
        await _cluster.KillSiloAsync(_cluster.GetSiloForAddress(home!)!, TestContext.Current.CancellationToken);

        // Every row, so that every shard is asked.
        long[] all = [.. Enumerable.Range(0, (int)Golden.Rows).Select(row => (long)row)];
        ShardLostException error;
        do
        {
            error = await Assert.ThrowsAsync<ShardLostException>(() => _table.PullAsync(all));
        }
        while (error.ShardStep is null); // until the shard is placed again
        Assert.Equal((12, 20), (error.ShardStep, error.Step));
        Assert.Equal($"Table 'items': shard {error.Shard} is at step 12, this batch is for step 20.", error.Message);
        await Assert.ThrowsAsync<ShardLostException>(() => _table.LookupAsync(all, new float[all.Length * Golden.Width]));

        await _table.RestoreAsync(TestContext.Current.CancellationToken);
        Assert.Equal((12, _hashes[12]), (_table.Step, await Training.HashAsync(_table)));
        await TrainToTheEnd();
    }

    [Fact]
    public async Task WithoutACheckpointRestoringGivesTheFirstRows()
    {
        await Training.TrainAsync(_table, 3);
        await _table.RestoreAsync(TestContext.Current.CancellationToken);
        Assert.Equal((0, _hashes[0]), (_table.Step, await Training.HashAsync(_table)));
        await TrainToTheEnd();
    }

    [Fact]
    public async Task TrainingSavingAndRestoringLeaveNoTensorsBehind()
    {
        await Training.TrainAsync(_table, 5);
        await _table.SaveAsync();
        await _table.RestoreAsync(TestContext.Current.CancellationToken);
        await Training.TrainAsync(_table, 10);
        long before = Tests.TensorCount.LiveTensors();
        for (int round = 0; round < 3; round++)
        {
            await _table.RestoreAsync(TestContext.Current.CancellationToken);
            await Training.TrainAsync(_table, 10);
        }
        long counted = Tests.TensorCount.LiveTensors() - before; // every batch and every restored shard makes a Parameter
        Assert.InRange(counted, 0, 3 * (5 + Shards) * Tests.TensorCount.CountedTwice());
    }

    [Theory]
    [InlineData("sparse_adam")]
    [InlineData("adagrad")]
    [InlineData("sgd")]
    [InlineData("sgd_momentum")]
    public async Task TrainingGoesOnInAnotherNumberOfShards(string optimizer)
    {
        ShardedEmbedding few = await ShardedEmbedding.OpenAsync(_cluster.Client, $"{optimizer} in 2");
        await Training.TrainAsync(few, 21);
        await few.SaveAsync();
        ShardedEmbedding many = await ShardedEmbedding.OpenAsync(_cluster.Client, $"{optimizer} in 5"); // the same folder
        Assert.Equal(21, many.Step);
        await Training.TrainAsync(many, Golden.Batches.Length);
        await many.SaveAsync();
        Assert.Equal(Golden.State(optimizer), Training.ReadCheckpoint(Path.Combine(_folder.FullName, optimizer)));
    }

    private async Task TrainToTheEnd()
    {
        await Training.TrainAsync(_table, Golden.Batches.Length);
        Assert.Equal(_hashes[^1], await Training.HashAsync(_table));
    }

    private void Tables(IDictionary<string, EmbeddingTable> tables)
    {
        tables[Name] = Golden.Table(Optimizer, Shards, Checkpoints);
        foreach (string optimizer in Golden.Optimizers.Keys)
            foreach (int shards in new[] { 2, 5 })
                tables[$"{optimizer} in {shards}"] = Golden.Table(optimizer, shards, Path.Combine(_folder.FullName, optimizer));
    }
}
