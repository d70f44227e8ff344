using static TorchSharp.torch;

namespace EmbeddingWrapper.Orleans;

/// <summary>
/// The rows of one batch, pulled from a sharded table: a small table of their own, to build any model on. After the backward pass,
/// <see cref="ShardedEmbedding.PushAsync"/> sends the gradient back.
/// </summary>
public sealed class EmbeddingBatch : IDisposable
{
    private readonly long[] _rows;

    internal EmbeddingBatch(long[] rows, Tensor values, Tensor indices, long step)
    {
        (_rows, Indices, Step) = (rows, indices, step);
        Embedding = Embedding.FromPretrained(values, freeze: false, sparse: true);
    }

    /// <summary>
    /// A layer that holds each row of the batch once, in the order of the table. Its gradient is sparse. It is a copy: training it directly
    /// changes nothing in the cluster.
    /// </summary>
    public Embedding Embedding { get; }

    /// <summary>
    /// The indices that were pulled, <c>[n]</c>, int64, as row numbers of <see cref="Embedding"/>:
    /// <c>batch.Embedding.forward(batch.Indices)</c> gives their rows. <c>Indices.view(…)</c> gives them another shape.
    /// </summary>
    public Tensor Indices { get; }

    /// <summary>The row of the sharded table that each row of <see cref="Embedding"/> is. They ascend.</summary>
    public IReadOnlyList<long> Rows => _rows;

    /// <summary>The step that the rows are of.</summary>
    public long Step { get; }

    internal Guid Id { get; } = Guid.NewGuid();

    /// <summary>The messages to the shards; null before the first push. A repeated push sends them again.</summary>
    internal ShardPush[]? Pushes { get; set; }

    /// <summary>Disposes the layer and the indices.</summary>
    public void Dispose()
    {
        Embedding.Dispose();
        Indices.Dispose();
    }
}
