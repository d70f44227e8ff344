using EmbeddingWrapper.Optim;
using TorchSharp.Modules;

namespace EmbeddingWrapper.Orleans;

/// <summary>
/// What the silos are told of one table: its size, its shards, where its rows come from, how they are trained, and where checkpoints go.
/// Every silo needs the same description.
/// </summary>
/// <remarks>
/// A shard holds a contiguous range of rows, float32, in the memory of one silo. The ranges differ by one row at most, and the first ones
/// are the longer ones.
/// </remarks>
public sealed class EmbeddingTable
{
    /// <summary>Describes a table.</summary>
    /// <param name="rows">The number of rows, 1 or more. PyTorch: <c>num_embeddings</c>.</param>
    /// <param name="width">The length of each row, 1 or more. PyTorch: <c>embedding_dim</c>.</param>
    /// <param name="shards">
    /// The number of shards, from 1 to <paramref name="rows"/>. One shard serves one call at a time, so a silo with several cores wants
    /// several shards. Default 1.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A number is outside its range, or a shard would have more than 2,147,483,647 rows: more shards are needed then.
    /// </exception>
    public EmbeddingTable(long rows, int width, int shards = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(shards, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(shards, rows);
        Ranges = new ShardRanges(rows, shards);
        if (Ranges.Count(0) > int.MaxValue)
        {
            throw new ArgumentOutOfRangeException(nameof(shards), shards,
                $"A shard would have {Ranges.Count(0)} rows, and {int.MaxValue} is the limit.");
        }
        (Rows, Width, Shards) = (rows, width, shards);
    }

    /// <summary>The number of rows.</summary>
    public long Rows { get; }

    /// <summary>The length of each row.</summary>
    public int Width { get; }

    /// <summary>The number of shards.</summary>
    public int Shards { get; }

    /// <summary>
    /// Makes the optimizer of a shard: <c>weights => new SparseAdam(weights, lr: 0.01)</c>. It is one of this library's optimizers, with
    /// the same options in every shard. Default: none; the table can then be looked up and not trained.
    /// </summary>
    public Func<IEnumerable<Parameter>, SparseOptimizer>? Optimizer { get; init; }

    /// <summary>
    /// Where the rows come from without a <see cref="Source"/>: they are those of <c>new Embedding(rows, width)</c> after
    /// <c>torch.manual_seed(Seed)</c>, bit for bit. Default 0.
    /// </summary>
    /// <remarks>
    /// The generator cannot skip numbers. A shard therefore draws all rows up to its last one, in blocks of 4 MB, and keeps its own: the
    /// memory follows the shard, and the time follows the table.
    /// </remarks>
    public long Seed { get; init; }

    /// <summary>
    /// A safetensors file, or an index of several, that holds the rows: <c>[Rows, Width]</c>, float32, under the name
    /// <see cref="SourceTensor"/>. A shard maps its part and reads a page when it is used. A checkpoint of this package is a source too,
    /// with any number of shards. Each silo must see the file. Default: none.
    /// </summary>
    public string? Source { get; init; }

    /// <summary>The name of the tensor in <see cref="Source"/>. Default <c>weight</c>.</summary>
    public string SourceTensor { get; init; } = RowFiles.Weight;

    /// <summary>
    /// The folder for the checkpoints of this table, and of no other. Every silo must see the same folder. Default: none; the table cannot
    /// be saved then.
    /// </summary>
    public string? CheckpointFolder { get; init; }

    internal ShardRanges Ranges { get; }
}
