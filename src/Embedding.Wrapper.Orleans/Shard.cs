using Microsoft.Extensions.Options;
using Orleans.Placement;

namespace EmbeddingWrapper.Orleans;

/// <summary>
/// The grain of a shard. It stays where it is until its silo stops: it is neither collected nor moved, since its rows are in memory only.
/// </summary>
[KeepAlive, Immovable]
internal sealed class Shard(IOptions<EmbeddingTables> tables) : Grain, IShard
{
    private Task<TrainedRows> _rows = null!;

    private int Number => (int)this.GetPrimaryKeyLong(out _);

    /// <summary>Begins to load the rows. Calls wait for it: an activation itself may take only 30 seconds.</summary>
    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _rows = OnOwnThread(() => TrainedRows.Load(Table(), Number));
        return Task.CompletedTask;
    }

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        _rows.ContinueWith(rows => rows.Result.Dispose(), TaskContinuationOptions.OnlyOnRanToCompletion);
        return Task.CompletedTask;
    }

    public async Task<ShardInfo> Describe()
    {
        TrainedRows rows = await Rows();
        return new(rows.Info, rows.Step);
    }

    public async Task<ShardRows> Read(byte[] rows)
    {
        TrainedRows loaded = await Rows();
        return new(loaded.Step, loaded.Lookup(rows));
    }

    public async Task<ShardStep> Push(ShardPush push)
    {
        TrainedRows rows = await Rows();
        bool isRepeated = rows.Step == push.Step + 1 && rows.LastBatch == push.Batch;
        bool isNext = rows.Step == push.Step;
        if (isNext) rows.Train(push);
        return new(rows.Step, isNext || isRepeated);
    }

    public async Task<ShardStep> Save(long step, Guid checkpoint)
    {
        TrainedRows rows = await Rows();
        Folder();
        if (rows.Step != step) return new(rows.Step, false);
        return await OnOwnThread(() =>
        {
            rows.Save(checkpoint);
            return new ShardStep(step, true);
        });
    }

    public Task<ShardStep> Commit(long step, Guid checkpoint) => OnOwnThread(() =>
    {
        RowFiles.Commit(Folder(), step, checkpoint, Table().Shards);
        return new ShardStep(step, true);
    });

    public Task<Guid?> Checkpoint() => OnOwnThread(() =>
    {
        using var file = RowFiles.Open(Table().CheckpointFolder, out _, out Guid checkpoint);
        return file is null ? (Guid?)null : checkpoint;
    });

    public async Task<ShardStep> Restore(Guid? checkpoint)
    {
        TrainedRows old = await Rows(), restored = await OnOwnThread(() => TrainedRows.Load(Table(), Number));
        if (restored.Checkpoint != checkpoint)
        {
            restored.Dispose();
            return new(old.Step, false);
        }
        _rows = Task.FromResult(restored);
        old.Dispose();
        return new(restored.Step, true);
    }

    /// <exception cref="Exception">The rows could not be loaded. The next call tries again.</exception>
    private async Task<TrainedRows> Rows()
    {
        try
        {
            return await _rows;
        }
        catch
        {
            DeactivateOnIdle();
            throw;
        }
    }

    private EmbeddingTable Table()
    {
        this.GetPrimaryKeyLong(out string? name);
        Dictionary<string, EmbeddingTable> known = tables.Value.ByName;
        return known.TryGetValue(name!, out EmbeddingTable? table) ? table
            : throw new KeyNotFoundException($"The silo has no table '{name}'. It has: {string.Join(", ", known.Keys.Order())}.");
    }

    private string Folder() =>
        Table().CheckpointFolder ?? throw new InvalidOperationException("The table has no CheckpointFolder, so it cannot be saved.");

    /// <summary>Runs what may take long outside the threads that Orleans needs to answer other silos.</summary>
    private static Task<T> OnOwnThread<T>(Func<T> work) =>
        Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
}
