using System.Globalization;

namespace EmbeddingWrapper.Orleans;

/// <summary>
/// A shard does not answer, or is not at the step that the client is at. <see cref="ShardedEmbedding.RestoreAsync"/> brings all shards to
/// one checkpoint.
/// </summary>
/// <remarks>
/// When a silo dies, Orleans places its shards on other silos. They start again from the last checkpoint, so they are behind the others.
/// </remarks>
public sealed class ShardLostException : Exception
{
    /// <param name="table">The name of the table.</param>
    /// <param name="shard">The number of the shard.</param>
    /// <param name="shardStep">The step that it is at, or null if it does not answer.</param>
    /// <param name="step">The step that the call was for.</param>
    /// <param name="call">The thing that has that step, as the subject of a sentence: "this batch".</param>
    /// <param name="cause">Orleans' own error, or null.</param>
    internal ShardLostException(string table, int shard, long? shardStep, long step, string call, Exception? cause = null)
        : base(Text(table, shard, shardStep, step, call), cause)
    {
        (Table, Shard, ShardStep, Step) = (table, shard, shardStep, step);
    }

    /// <summary>The name of the table.</summary>
    public string Table { get; }

    /// <summary>The number of the shard, from 0.</summary>
    public int Shard { get; }

    /// <summary>The step that the shard is at, or null if it does not answer.</summary>
    public long? ShardStep { get; }

    /// <summary>The step that the call was for.</summary>
    public long Step { get; }

    private static string Text(string table, int shard, long? shardStep, long step, string call)
    {
        string state = shardStep is { } at ? string.Create(CultureInfo.InvariantCulture, $"is at step {at}") : "does not answer";
        return string.Create(CultureInfo.InvariantCulture, $"Table '{table}': shard {shard} {state}, {call} {step}.");
    }
}
