using System.Runtime.InteropServices;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Orleans;

// Training: pull, push, save, restore.
public sealed partial class ShardedEmbedding
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2), Pause = TimeSpan.FromMilliseconds(250);

    // TorchSharp has no method for it.
    private static readonly Lazy<jit.CompilationUnit> Script =
        new(() => jit.compile("def coalesce(gradient):\n    return gradient.coalesce()\n"));

    private EmbeddingBatch? _unfinished; // pushed, and not counted by every shard as far as this client knows
    private Guid _lastPushed;

    /// <summary>
    /// Fetches the rows of a batch as a small layer with a sparse gradient. Each row is sent once, however often it occurs.
    /// </summary>
    /// <param name="indices">Row numbers, each from 0 to the number of rows - 1, in any order. Do not change them during the call.</param>
    /// <returns>The batch. The caller disposes it after the push.</returns>
    /// <exception cref="ArgumentOutOfRangeException">
    /// An index is outside the table. The message has its value, its position and the number of rows.
    /// </exception>
    /// <exception cref="InvalidOperationException">A push has not reached every shard: repeat it, or restore.</exception>
    /// <exception cref="ShardLostException">A shard does not answer, or is at another step than this client.</exception>
    public async Task<EmbeddingBatch> PullAsync(ReadOnlyMemory<long> indices)
    {
        ThrowIfUnfinished(null);
        ThrowIfOutside(indices.Span);
        (long[] rows, long[] local) = Distinct(indices.Span);
        long step = Step;
        List<Part> parts = Group(rows, MostRead);
        ShardRows[] read =
            await Task.WhenAll(parts.Select(part => Answer(part.Shard, step, Batch, _shards[part.Shard].Read(part.Rows))));
        foreach ((Part part, ShardRows answer) in parts.Zip(read))
            if (answer.Step != step) throw Lost(part.Shard, answer.Step, step, Batch);

        // The rows ascend, so those of a part are one block.
        Tensor values = empty([rows.Length, EmbeddingDim], float32, CPU).DetachFromDisposeScope();
        Tensor places = empty([local.Length], int64, CPU).DetachFromDisposeScope();
        using (values)
        {
            if (local.Length > 0)
            {
                local.CopyTo(MemoryMarshal.Cast<byte, long>(places.bytes));
                Span<byte> target = values.bytes;
                foreach ((Part part, ShardRows answer) in parts.Zip(read))
                    answer.Values.CopyTo(target[(part.Places[0] * EmbeddingDim * sizeof(float))..]);
            }
            return new(rows, values, places, step);
        }
    }

    /// <summary>Sends the gradient of a batch to the shards, and every shard does one step.</summary>
    /// <param name="batch">
    /// A batch that <see cref="PullAsync"/> gave, with the gradient of its layer. The gradient is read at the first push; the batch stays
    /// the caller's.
    /// </param>
    /// <returns>A task that ends when every shard has done the step.</returns>
    /// <remarks>
    /// <para>
    /// If the call fails, the push may have reached some shards and not others. Push the same batch again: a shard that has done the step
    /// does not do it twice. If a shard has lost steps, only <see cref="RestoreAsync"/> helps. Until one of the two has worked,
    /// <see cref="PullAsync"/> and <see cref="SaveAsync"/> refuse.
    /// </para>
    /// <para>
    /// <b>The message.</b> SparseAdam, Adagrad and SGD with momentum send the coalesced gradient: one entry for each row, summed by
    /// libtorch in its order. SGD without momentum adds the entries one by one, so each is sent, in its order; <c>coalesce()</c> before the
    /// push makes them fewer, and changes last bits as in PyTorch.
    /// </para>
    /// <para>
    /// <b>SGD with momentum</b> has the bits of PyTorch where the gradient is coalesced before each step, or has sorted rows without
    /// repetitions anyway. Otherwise PyTorch's momentum buffer depends on the order of all rows together, and grows without bound.
    /// </para>
    /// </remarks>
    /// <exception cref="ArgumentNullException"><paramref name="batch"/> is null.</exception>
    /// <exception cref="ArgumentException">The gradient is not sparse, or has another shape or dtype than the batch's rows.</exception>
    /// <exception cref="InvalidOperationException">
    /// The batch has no gradient; it is for another step than this client is at; another push is unfinished; the table has no optimizer; or
    /// the optimizer does not take the gradient.
    /// </exception>
    /// <exception cref="ShardLostException">A shard does not answer, or is at another step than the batch.</exception>
    public async Task PushAsync(EmbeddingBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ThrowIfUnfinished(batch);
        if (_table.Optimizer is null)
            throw new InvalidOperationException($"Table '{Name}' has no optimizer: it can be looked up and not trained.");
        if (batch.Step != Step && batch.Id != _lastPushed)
        {
            throw new InvalidOperationException(
                $"Table '{Name}' is at step {Step}, and this batch is for step {batch.Step}. Pull it again.");
        }
        ShardPush[] pushes = batch.Pushes ??= Pushes(batch);
        _unfinished = batch;
        Task<ShardStep>[] calls = [.. pushes.Select((push, shard) => Answer(shard, batch.Step, Batch, _shards[shard].Push(push)))];
        await Task.WhenAll(calls).ContinueWith(_ => { }, TaskScheduler.Default); // the others go on if one fails
        if (!calls.Any(MayHaveIt)) _unfinished = null; // every shard has refused it
        for (int shard = 0; shard < calls.Length; shard++)
        {
            ShardStep answer = await calls[shard];
            if (!answer.Done) throw Lost(shard, answer.Step, batch.Step, Batch);
        }
        (Step, _lastPushed, _unfinished) = (batch.Step + 1, batch.Id, null);
        for (int shard = 0; shard < Shards; shard++) See(shard, Step);

        static bool MayHaveIt(Task<ShardStep> call) =>
            call.IsCompletedSuccessfully ? call.Result.Done : call.Exception?.InnerException is ShardLostException;
    }

    /// <summary>
    /// Writes a checkpoint: a safetensors file for each shard, with its rows and the state of its optimizer, and the index
    /// <c>model.safetensors.index.json</c>. <c>SafeTensorsFile.Open</c> opens the index.
    /// </summary>
    /// <returns>A task that ends when the checkpoint is complete.</returns>
    /// <remarks>
    /// The index is replaced last, in one step. If anything fails before, the older checkpoint stays. The files of older checkpoints are
    /// removed afterwards. Rows can be looked up during the call.
    /// </remarks>
    /// <exception cref="InvalidOperationException">
    /// The table has no folder for checkpoints, or a push has not reached every shard.
    /// </exception>
    /// <exception cref="IOException">A silo cannot write a file, or does not see the files of the others.</exception>
    /// <exception cref="ShardLostException">A shard does not answer, or is at another step than this client.</exception>
    public async Task SaveAsync()
    {
        ThrowIfUnfinished(null);
        (long step, Guid checkpoint) = (Step, Guid.NewGuid());
        ShardStep[] saved = await All(shard => Answer(shard, step, Checkpoint, _shards[shard].Save(step, checkpoint)));
        int other = Array.FindIndex(saved, answer => !answer.Done);
        if (other >= 0) throw Lost(other, saved[other].Step, step, Checkpoint);
        await Answer(0, step, Checkpoint, _shards[0].Commit(step, checkpoint));
    }

    /// <summary>
    /// Brings all shards to the last checkpoint, or to the rows that the table started with if there is none. <see cref="Step"/> is then
    /// that of the checkpoint: train on from the batch of that number.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait for shards that do not answer.</param>
    /// <returns>A task that ends when all shards are at the checkpoint.</returns>
    /// <remarks>
    /// After a silo has died, Orleans needs a few seconds to notice, and to place its shards on other silos. The call waits for that, two
    /// minutes at most.
    /// </remarks>
    /// <exception cref="InvalidOperationException">Another client has saved or restored the table meanwhile.</exception>
    /// <exception cref="InvalidDataException">A file of the checkpoint is damaged.</exception>
    /// <exception cref="IOException">A silo cannot read a file of the checkpoint.</exception>
    /// <exception cref="ShardLostException">A shard does not answer.</exception>
    /// <exception cref="OperationCanceledException">The wait was cancelled.</exception>
    public async Task RestoreAsync(CancellationToken cancellationToken = default)
    {
        DateTime end = DateTime.UtcNow + Patience;
        Guid? checkpoint = await Wait(0, shard => shard.Checkpoint());
        ShardStep[] restored = await All(shard => Wait(shard, grain => grain.Restore(checkpoint)));
        if (restored.Any(answer => !answer.Done))
            throw new InvalidOperationException($"Table '{Name}': the checkpoint was replaced during the call. Restore again.");
        (Step, _unfinished, _lastPushed) = (restored[0].Step, null, Guid.Empty);
        Array.Fill(_seen, Step);

        async Task<T> Wait<T>(int shard, Func<IShard, Task<T>> call)
        {
            while (true)
            {
                try
                {
                    // A call to a silo that has just died is lost, so a short call comes before the one that may take long.
                    await _shards[shard].Read([]).WaitAsync(cancellationToken);
                    return await call(_shards[shard]).WaitAsync(cancellationToken);
                }
                catch (Exception error) when (IsNoAnswer(error) && DateTime.UtcNow < end)
                {
                    await Task.Delay(Pause, cancellationToken);
                }
                catch (Exception error) when (IsNoAnswer(error))
                {
                    throw new ShardLostException(Name, shard, null, Step, Client, error);
                }
            }
        }
    }

    private Task<T[]> All<T>(Func<int, Task<T>> call) => Task.WhenAll(Enumerable.Range(0, Shards).Select(call));

    private void ThrowIfUnfinished(EmbeddingBatch? batch)
    {
        if (_unfinished is null || ReferenceEquals(batch, _unfinished)) return;
        throw new InvalidOperationException(
            $"Table '{Name}': the push of step {_unfinished.Step} may have reached some shards only. Push that batch again, or restore.");
    }

    /// <summary>Each row once, ascending, and where each index is among them.</summary>
    private static (long[] Rows, long[] Local) Distinct(ReadOnlySpan<long> indices)
    {
        long[] rows = indices.ToArray(), local = new long[rows.Length];
        int[] places = [.. Enumerable.Range(0, rows.Length)];
        Array.Sort(rows, places);
        int count = 0;
        for (int i = 0; i < rows.Length; i++)
        {
            if (count == 0 || rows[i] != rows[count - 1]) rows[count++] = rows[i];
            local[places[i]] = count - 1;
        }
        return (rows[..count], local);
    }

    /// <summary>The messages to the shards. They keep the order of a row's entries, because it decides the bits.</summary>
    private ShardPush[] Pushes(EmbeddingBatch batch)
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter weight = batch.Embedding.Weight;
        Tensor gradient = weight.grad ?? throw new InvalidOperationException("The batch has no gradient: the backward pass makes it.");
        if (!gradient.is_sparse || gradient.dtype != ScalarType.Float32 || !gradient.shape.SequenceEqual([batch.Rows.Count, EmbeddingDim]))
        {
            throw new ArgumentException($"The gradient must be sparse, {ScalarType.Float32} [{batch.Rows.Count}, {EmbeddingDim}], and is "
                + $"{(gradient.is_sparse ? "sparse" : "dense")}, {gradient.dtype} [{string.Join(", ", gradient.shape)}].", nameof(batch));
        }
        if (_table.SumsEntries || !gradient.SparseValues.is_contiguous()) // as PyTorch: entries that are not contiguous are summed first
            gradient = (Tensor)Script.Value.invoke("coalesce", gradient);
        long[] rows = [.. RowFiles.Numbers<long>(gradient.SparseIndices).Select(row => batch.Rows[(int)row])];
        byte[] values = RowFiles.Numbers<byte>(gradient.SparseValues);
        int length = EmbeddingDim * sizeof(float);

        ShardPush[] pushes = [.. Enumerable.Repeat(new ShardPush(batch.Step, batch.Id, [], []), Shards)];
        foreach (Part part in Group(rows, int.MaxValue))
        {
            byte[] own = GC.AllocateUninitializedArray<byte>(part.Places.Length * length);
            for (int i = 0; i < part.Places.Length; i++) values.AsSpan(part.Places[i] * length, length).CopyTo(own.AsSpan(i * length));
            pushes[part.Shard] = new(batch.Step, batch.Id, part.Rows, own);
        }
        return pushes;
    }
}
