using System.Globalization;
using System.Runtime.InteropServices;

namespace EmbeddingWrapper.Orleans;

/// <summary>
/// A client's view of a table that is sharded over an Orleans cluster. <see cref="LookupAsync"/> reads rows. <see cref="PullAsync"/> and
/// <see cref="PushAsync"/> train it: with the same batches in the same order, to the same bits as one table in PyTorch.
/// </summary>
/// <remarks>
/// <para>
/// <b>Steps.</b> A push is one step of the optimizer, in every shard, also in those without rows of the batch. Each shard counts its steps,
/// and each pull and push says which step it is for. So a shard that has lost steps is noticed, and a push that is delivered twice counts
/// once.
/// </para>
/// <para>
/// <b>Threads.</b> Any number of threads and clients may look rows up, during training too. One client trains a table at a time, and awaits
/// each call before the next. A second one that trains gets a <see cref="ShardLostException"/>.
/// </para>
/// <para>
/// <b>Cancellation and time.</b> A call fails after Orleans' response timeout, 30 seconds by default. Calls that may read or write files
/// fail after ten minutes.
/// </para>
/// </remarks>
public sealed partial class ShardedEmbedding
{
    private const string Client = "this client has seen step", Batch = "this batch is for step", Checkpoint = "the checkpoint is for step";

    private readonly IShard[] _shards;
    private readonly TableInfo _table;
    private readonly ShardRanges _ranges;
    private readonly long[] _seen; // the newest step that each shard has answered with

    private ShardedEmbedding(string name, IShard[] shards, TableInfo table, long[] steps)
    {
        (Name, _shards, _table, _seen) = (name, shards, table, steps);
        _ranges = new ShardRanges(table.Rows, table.Shards);
        Step = steps.Max();
    }

    /// <summary>The name of the table.</summary>
    public string Name { get; }

    /// <summary>The number of rows of the table, over all shards. PyTorch: <c>num_embeddings</c>.</summary>
    public long NumEmbeddings => _table.Rows;

    /// <summary>The length of each row. PyTorch: <c>embedding_dim</c>.</summary>
    public int EmbeddingDim => _table.Width;

    /// <summary>The number of shards.</summary>
    public int Shards => _table.Shards;

    /// <summary>
    /// The step that this client is at: the number of pushes that the table has had. At first it is that of the shard that is ahead of the
    /// others.
    /// </summary>
    public long Step { get; private set; }

    /// <summary>Opens a table. The first client that does so waits until the shards have their rows.</summary>
    /// <param name="cluster">The client of the cluster, or the grain factory of a silo. It stays the caller's.</param>
    /// <param name="table">The name of the table, as <see cref="EmbeddingTablesExtensions.AddEmbeddingTables"/> has it.</param>
    /// <returns>The table. It holds no connection of its own, and needs no disposal.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="KeyNotFoundException">The silos have no such table. The message has the names of those that they have.</exception>
    /// <exception cref="InvalidOperationException">The silos were told different things about the table.</exception>
    /// <exception cref="InvalidDataException">A file that holds the rows is damaged, or holds another table.</exception>
    /// <exception cref="IOException">A silo cannot read the file that holds the rows.</exception>
    /// <exception cref="ShardLostException">A shard does not answer.</exception>
    public static async Task<ShardedEmbedding> OpenAsync(IGrainFactory cluster, string table)
    {
        ArgumentNullException.ThrowIfNull(cluster);
        ArgumentNullException.ThrowIfNull(table);
        IShard[] shards = [cluster.GetGrain<IShard>(0, table)];
        ShardInfo first = await Answer(table, 0, 0, Client, shards[0].Describe());
        shards = [.. shards, .. Enumerable.Range(1, first.Table.Shards - 1).Select(shard => cluster.GetGrain<IShard>(shard, table))];
        ShardInfo[] all = await Task.WhenAll(
            shards.Select((shard, number) => Answer(table, number, 0, Client, shard.Describe())));
        int other = Array.FindIndex(all, info => info.Table != first.Table);
        if (other >= 0)
        {
            throw new InvalidOperationException(
                $"Table '{table}': the silos differ. Shard 0 has {first.Table}, and shard {other} has {all[other].Table}.");
        }
        return new(table, shards, first.Table, [.. all.Select(info => info.Step)]);
    }

    /// <summary>Copies rows into memory of the caller. The shards are asked at the same time.</summary>
    /// <param name="indices">Row numbers, each from 0 to the number of rows - 1, in any order. Do not change them during the call.</param>
    /// <param name="destination">
    /// Receives <c>indices.Length * EmbeddingDim</c> numbers, row after row. Its length must be exactly that.
    /// </param>
    /// <returns>
    /// A task that ends when all rows are there. While it runs, and if it fails, the content of the destination is undefined.
    /// </returns>
    /// <remarks>
    /// While another client trains, the rows of one call may be of different steps. A shard that answers with an older step than
    /// before has lost steps, which is an error, also after another client has restored the table. Open the table again to read the older
    /// rows.
    /// </remarks>
    /// <exception cref="ArgumentOutOfRangeException">
    /// An index is outside the table. The message has its value, its position and the number of rows. Nothing is written then.
    /// </exception>
    /// <exception cref="ArgumentException"><paramref name="destination"/> has another length. Nothing is written then.</exception>
    /// <exception cref="ShardLostException">A shard does not answer, or has lost steps that this client has seen.</exception>
    public async Task LookupAsync(ReadOnlyMemory<long> indices, Memory<float> destination)
    {
        if (destination.Length != (long)indices.Length * EmbeddingDim)
        {
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
                $"{indices.Length} rows of {EmbeddingDim} are {(long)indices.Length * EmbeddingDim} numbers, ")
                + string.Create(CultureInfo.InvariantCulture, $"and the destination has {destination.Length}."), nameof(destination));
        }
        ThrowIfOutside(indices.Span);
        await Task.WhenAll(Group(indices.Span, MostRead).Select(CopyRows));

        async Task CopyRows(Part part)
        {
            long seen = Volatile.Read(ref _seen[part.Shard]);
            ShardRows read = await Answer(part.Shard, seen, Client, _shards[part.Shard].Read(part.Rows));
            if (read.Step < seen) throw Lost(part.Shard, read.Step, seen, Client);
            See(part.Shard, read.Step);
            ReadOnlySpan<float> rows = MemoryMarshal.Cast<byte, float>(read.Values);
            Span<float> target = destination.Span;
            for (int i = 0; i < part.Places.Length; i++)
                rows.Slice(i * EmbeddingDim, EmbeddingDim).CopyTo(target[(part.Places[i] * EmbeddingDim)..]);
        }
    }

    /// <summary>The name, the size and the optimizer of the table, as one line.</summary>
    /// <returns>Such as <c>items: 1000000 rows of 64 in 12 shards, at step 400; SparseAdam(lr=0.001, …)</c>.</returns>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Name}: {NumEmbeddings} rows of {EmbeddingDim} in {Shards} shards, at step {Step}; {_table.Optimizer ?? "no optimizer"}");

    /// <summary>
    /// The most rows of one message. Messages of 64 KB are faster than large ones: .NET allocates arrays above 85 KB in another way, and
    /// the shards, the network and this client then work at the same time.
    /// </summary>
    private int MostRead => Math.Max(1, (64 << 10) / (EmbeddingDim * sizeof(float)));

    /// <summary>What a shard is asked for in one message.</summary>
    /// <param name="Shard">The shard.</param>
    /// <param name="Rows">The rows within the shard, int32, in the caller's order.</param>
    /// <param name="Places">Where each of them is in the caller's list.</param>
    private sealed record Part(int Shard, byte[] Rows, int[] Places);

    /// <exception cref="ArgumentOutOfRangeException">A row is outside the table.</exception>
    private void ThrowIfOutside(ReadOnlySpan<long> indices)
    {
        for (int i = 0; i < indices.Length; i++)
        {
            if ((ulong)indices[i] < (ulong)NumEmbeddings) continue;
            string place = string.Create(CultureInfo.InvariantCulture, $"index {indices[i]} at position [{i}] is not in [0, {NumEmbeddings})");
            throw new ArgumentOutOfRangeException(nameof(indices), indices[i], $"index out of range in self: {place}, the rows of the table.");
        }
    }

    /// <summary>Groups rows by shard. Within a shard they keep their order.</summary>
    /// <param name="rows">The rows of the table.</param>
    /// <param name="most">The most rows of one part. A shard with more rows gets several parts.</param>
    private List<Part> Group(ReadOnlySpan<long> rows, int most)
    {
        int[] shards = new int[rows.Length], left = new int[Shards], filled = new int[Shards];
        for (int i = 0; i < rows.Length; i++) left[shards[i] = _ranges.ShardOf(rows[i])]++;
        var last = new Part?[Shards];
        List<Part> parts = [];
        for (int i = 0; i < rows.Length; i++)
        {
            int shard = shards[i];
            if (last[shard] is not { } part || filled[shard] == part.Places.Length)
            {
                int length = Math.Min(left[shard], most);
                parts.Add(part = last[shard] = new(shard, new byte[length * sizeof(int)], new int[length]));
                (left[shard], filled[shard]) = (left[shard] - length, 0);
            }
            int place = filled[shard]++;
            MemoryMarshal.Cast<byte, int>(part.Rows.AsSpan())[place] = (int)(rows[i] - _ranges.Start(shard));
            part.Places[place] = i;
        }
        return parts;
    }

    private void See(int shard, long step)
    {
        ref long seen = ref _seen[shard];
        for (long known = Volatile.Read(ref seen); known < step; known = Volatile.Read(ref seen))
            Interlocked.CompareExchange(ref seen, step, known);
    }

    private ShardLostException Lost(int shard, long shardStep, long step, string call) => new(Name, shard, shardStep, step, call);

    private Task<T> Answer<T>(int shard, long step, string what, Task<T> call) => Answer(Name, shard, step, what, call);

    private static async Task<T> Answer<T>(string table, int shard, long step, string what, Task<T> call)
    {
        try
        {
            return await call;
        }
        catch (Exception error) when (IsNoAnswer(error))
        {
            throw new ShardLostException(table, shard, null, step, what, error);
        }
    }

    /// <summary>Whether the error is Orleans' own: the silo is gone, or does not answer in time.</summary>
    private static bool IsNoAnswer(Exception error) => error is OrleansException or TimeoutException;
}
