namespace EmbeddingWrapper.Orleans;

/// <summary>Which rows each shard holds: contiguous ranges whose lengths differ by one at most, the longer ones first.</summary>
internal readonly record struct ShardRanges(long Rows, int Shards)
{
    public long Start(int shard) => (Rows / Shards * shard) + Math.Min(shard, Rows % Shards);

    public long Count(int shard) => (Rows / Shards) + (shard < Rows % Shards ? 1 : 0);

    public int ShardOf(long row)
    {
        (long length, long longer) = Math.DivRem(Rows, Shards);
        long end = longer * (length + 1); // of the longer ranges
        return (int)(row < end ? row / (length + 1) : longer + ((row - end) / length));
    }
}
