using Orleans.Concurrency;

namespace EmbeddingWrapper.Orleans;

/// <summary>
/// A shard of a table. Its key is the number of the shard and the name of the table. Rows travel as the bytes of their numbers.
/// </summary>
/// <remarks>
/// A shard serves one call at a time. A call that only reads may run while another such call waits for the disk. The calls that touch
/// files may take long, and wait for longer than Orleans' 30 seconds.
/// </remarks>
[Alias("EmbeddingWrapper.Orleans.IShard")]
internal interface IShard : IGrainWithIntegerCompoundKey
{
    /// <summary>The shard's description of its table, and its step.</summary>
    /// <exception cref="KeyNotFoundException">The silo has no such table.</exception>
    [Alias("Describe"), ReadOnly, ResponseTimeout(IShardTimes.Files)]
    Task<ShardInfo> Describe();

    /// <summary>Looks rows up.</summary>
    /// <param name="rows">Row numbers within the shard, int32.</param>
    [Alias("Read"), ReadOnly]
    Task<ShardRows> Read([Immutable] byte[] rows);

    /// <summary>Does one step, if the shard is at the step that the push is for.</summary>
    [Alias("Push")]
    Task<ShardStep> Push(ShardPush push);

    /// <summary>Writes the file of this shard, if the shard is at this step. The checkpoint counts once it is committed.</summary>
    [Alias("Save"), ReadOnly, ResponseTimeout(IShardTimes.Files)]
    Task<ShardStep> Save(long step, Guid checkpoint);

    /// <summary>Makes the files of all shards the checkpoint of the table. Shard 0 does it.</summary>
    [Alias("Commit"), ReadOnly, ResponseTimeout(IShardTimes.Files)]
    Task<ShardStep> Commit(long step, Guid checkpoint);

    /// <summary>The checkpoint of the table, or null if there is none.</summary>
    [Alias("Checkpoint"), ReadOnly, ResponseTimeout(IShardTimes.Files)]
    Task<Guid?> Checkpoint();

    /// <summary>Takes the rows and the state of a checkpoint, or, with null, those that the table started with.</summary>
    [Alias("Restore"), ResponseTimeout(IShardTimes.Files)]
    Task<ShardStep> Restore(Guid? checkpoint);
}

internal static class IShardTimes
{
    public const string Files = "00:10:00";
}

/// <param name="Rows">The rows of the table.</param>
/// <param name="Width">The length of each.</param>
/// <param name="Shards">The shards of the table.</param>
/// <param name="Optimizer">The optimizer with its options, as text; null without one.</param>
/// <param name="SumsEntries">Whether the optimizer needs the entries of each row summed. SGD without momentum adds them one by one.</param>
[GenerateSerializer, Immutable, Alias("EmbeddingWrapper.Orleans.TableInfo")]
internal sealed record TableInfo(
    [property: Id(0)] long Rows, [property: Id(1)] int Width, [property: Id(2)] int Shards, [property: Id(3)] string? Optimizer,
    [property: Id(4)] bool SumsEntries);

/// <param name="Table">The description of the table that the shard's silo has.</param>
/// <param name="Step">The number of steps that its rows have done.</param>
[GenerateSerializer, Immutable, Alias("EmbeddingWrapper.Orleans.ShardInfo")]
internal sealed record ShardInfo([property: Id(0)] TableInfo Table, [property: Id(1)] long Step);

/// <param name="Step">The step that the rows are of.</param>
/// <param name="Values">The rows, float32.</param>
[GenerateSerializer, Immutable, Alias("EmbeddingWrapper.Orleans.ShardRows")]
internal sealed record ShardRows([property: Id(0)] long Step, [property: Id(1)] byte[] Values);

/// <param name="Step">The step that the shard is at after the call.</param>
/// <param name="Done">Whether the call did what it was asked. If not, the shard was at another step.</param>
[GenerateSerializer, Immutable, Alias("EmbeddingWrapper.Orleans.ShardStep")]
internal readonly record struct ShardStep([property: Id(0)] long Step, [property: Id(1)] bool Done);

/// <param name="Step">The step that the gradient was computed at.</param>
/// <param name="Batch">The batch. A shard that has done the push already knows it by this.</param>
/// <param name="Rows">The row of each entry, within the shard, int32.</param>
/// <param name="Values">The entries, float32, row after row.</param>
[GenerateSerializer, Immutable, Alias("EmbeddingWrapper.Orleans.ShardPush")]
internal sealed record ShardPush(
    [property: Id(0)] long Step, [property: Id(1)] Guid Batch, [property: Id(2)] byte[] Rows, [property: Id(3)] byte[] Values);
