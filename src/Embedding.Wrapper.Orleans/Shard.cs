using System.Runtime.ExceptionServices;
using Microsoft.Extensions.Options;
using Orleans.Placement;

namespace EmbeddingWrapper.Orleans;

/// <summary>
/// The grain of a shard. It stays where it is until its silo stops: it is neither collected nor moved, since its rows are in memory only.
/// </summary>
[KeepAlive, Immovable]
internal sealed class Shard(IOptions<EmbeddingTables> tables) : Grain, IShard
{
    private TrainedRows? _rows;
    private ExceptionDispatchInfo? _fault; // of the activation; a call throws it as it is, where Orleans would reject the call

    private int Number => (int)this.GetPrimaryKeyLong(out _);

    private TrainedRows Rows
    {
        get
        {
            if (_fault is not null)
            {
                DeactivateOnIdle(); // the next call tries again
                _fault.Throw();
            }
            return _rows!;
        }
    }

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        try
        {
            _rows = await OnOwnThread(() => TrainedRows.Load(Table(), Number));
        }
        catch (Exception error)
        {
            _fault = ExceptionDispatchInfo.Capture(error);
        }
    }

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        _rows?.Dispose();
        return Task.CompletedTask;
    }

    public Task<ShardInfo> Describe() => Task.FromResult(new ShardInfo(Rows.Info, Rows.Step));

    public Task<ShardRows> Read(byte[] rows) => Task.FromResult(new ShardRows(Rows.Step, Rows.Lookup(rows)));

    public Task<ShardStep> Push(ShardPush push)
    {
        bool isRepeated = Rows.Step == push.Step + 1 && Rows.LastBatch == push.Batch;
        bool isNext = Rows.Step == push.Step;
        if (isNext) Rows.Train(push);
        return Task.FromResult(new ShardStep(Rows.Step, isNext || isRepeated));
    }

    public async Task<ShardStep> Save(long step, Guid checkpoint)
    {
        TrainedRows rows = Rows;
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
        TrainedRows old = Rows, restored = await OnOwnThread(() => TrainedRows.Load(Table(), Number));
        if (restored.Checkpoint != checkpoint)
        {
            restored.Dispose();
            return new(old.Step, false);
        }
        _rows = restored;
        old.Dispose();
        return new(restored.Step, true);
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
