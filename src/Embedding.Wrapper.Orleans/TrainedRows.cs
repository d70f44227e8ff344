using System.Runtime.InteropServices;
using EmbeddingWrapper.Optim;
using EmbeddingWrapper.Pretrained;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Orleans;

/// <summary>The rows of one shard, with the optimizer that trains them.</summary>
internal sealed class TrainedRows : IDisposable
{
    private const string Mean = "exp_avg", Square = "exp_avg_sq", Sum = "sum", Buffer = "momentum_buffer.values",
        BufferRows = "momentum_buffer.rows";

    private readonly EmbeddingTable _table;
    private readonly int _shard;
    private readonly Embedding _rows;
    private readonly SparseOptimizer? _optimizer;

    private TrainedRows(EmbeddingTable table, int shard, Tensor rows)
    {
        (_table, _shard) = (table, shard);
        _rows = Embedding.FromPretrained(rows, freeze: false, sparse: true);
        try
        {
            _optimizer = table.Optimizer?.Invoke([_rows.Weight]);
            bool sums = _optimizer is not SGD sgd || sgd.ParamGroups.Any(group => ((SGD.ParamGroup)group).Momentum != 0);
            Info = new(table.Rows, table.Width, table.Shards, _optimizer?.ToString(), sums);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public TableInfo Info { get; }

    /// <summary>The number of steps that the rows have done.</summary>
    public long Step { get; private set; }

    /// <summary>The batch of the last step since the rows were loaded.</summary>
    public Guid LastBatch { get; private set; }

    /// <summary>The checkpoint that the rows were loaded from, or null.</summary>
    public Guid? Checkpoint { get; private set; }

    private long Start => _table.Ranges.Start(_shard);

    private long Count => _table.Ranges.Count(_shard);

    /// <summary>Takes the rows of the table's checkpoint, or the table's first ones if there is none.</summary>
    /// <exception cref="InvalidDataException">A file does not hold this table.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static TrainedRows Load(EmbeddingTable table, int shard)
    {
        (long start, long count) = (table.Ranges.Start(shard), table.Ranges.Count(shard));
        using SafeTensorsFile? checkpoint = RowFiles.Open(table.CheckpointFolder, out long step, out Guid id);
        using SafeTensorsFile? source = checkpoint is null && table.Source is not null ? SafeTensorsFile.Open(table.Source) : null;
        using Tensor rows = checkpoint is not null ? Part(checkpoint, RowFiles.Weight)
            : source is not null ? Part(source, table.SourceTensor)
            : SeededRows.Draw(start, count, table.Ranges, table.Width, table.Seed);
        var loaded = new TrainedRows(table, shard, rows);
        if (checkpoint is null) return loaded;
        try
        {
            using DisposeScope scope = NewDisposeScope();
            (loaded.Step, loaded.Checkpoint) = (step, id);
            switch (loaded._optimizer?.StateOf(loaded._rows.Weight))
            {
                case SparseAdam.State adam:
                    (adam.step, adam.exp_avg, adam.exp_avg_sq) = (step, Part(checkpoint, Mean), Part(checkpoint, Square));
                    break;
                case Adagrad.State adagrad:
                    (adagrad.step, adagrad.sum) = (step, Part(checkpoint, Sum));
                    break;
                case SGD.State sgd:
                    sgd.momentum_buffer = loaded.ReadBuffer(checkpoint);
                    break;
            }
            return loaded;
        }
        catch
        {
            loaded.Dispose();
            throw;
        }

        Tensor Part(SafeTensorsFile file, string name) => RowFiles.Read(file, name, start, count, table.Rows, table.Width)
            ?? throw new InvalidDataException(
                $"The file has no tensor '{name}', which the table needs. It has: {string.Join(", ", file.Names)}.");
    }

    /// <summary>Copies rows.</summary>
    /// <param name="rows">Row numbers within the shard, int32.</param>
    public byte[] Lookup(ReadOnlySpan<byte> rows)
    {
        ReadOnlySpan<int> indices = MemoryMarshal.Cast<byte, int>(rows);
        byte[] values = GC.AllocateUninitializedArray<byte>(checked(indices.Length * _table.Width * sizeof(float)));
        _rows.Lookup<float>(indices, MemoryMarshal.Cast<byte, float>(values.AsSpan()));
        return values;
    }

    /// <summary>Does one step. A step without entries counts too: the step count of an optimizer belongs to the table.</summary>
    public void Train(ShardPush push)
    {
        if (_optimizer is null) throw new InvalidOperationException("The table has no optimizer: it can be looked up and not trained.");
        using DisposeScope scope = NewDisposeScope();
        ReadOnlySpan<int> rows = MemoryMarshal.Cast<byte, int>(push.Rows);
        if (push.Values.Length != rows.Length * _table.Width * sizeof(float))
        {
            throw new ArgumentException(
                $"{rows.Length} entries of {_table.Width} numbers do not have {push.Values.Length} bytes.", nameof(push));
        }
        Tensor indices = empty([1, rows.Length], int64, CPU), values = empty([rows.Length, _table.Width], float32, CPU);
        if (rows.Length > 0)
        {
            Span<long> wide = MemoryMarshal.Cast<byte, long>(indices.bytes);
            for (int i = 0; i < rows.Length; i++) wide[i] = rows[i];
            push.Values.CopyTo(values.bytes);
        }
        _rows.Weight.grad = sparse_coo_tensor(indices, values, [Count, _table.Width], device: CPU);
        try
        {
            bool sums = AddZeroToBuffer();
            _optimizer.step();
            if (sums) AddZeroToBuffer();
        }
        finally
        {
            _optimizer.zero_grad();
        }
        (Step, LastBatch) = (Step + 1, push.Batch);
    }

    /// <summary>
    /// Turns the zeros -0 of SGD's momentum into 0. libtorch does that when it adds a gradient to the buffer, except where one of the two has
    /// no entries, as the part of a shard may have none.
    /// </summary>
    /// <returns>Whether there is a buffer.</returns>
    private bool AddZeroToBuffer()
    {
        if (_optimizer!.StateOf(_rows.Weight) is not SGD.State { momentum_buffer: { } buffer }) return false;
        using Scalar zero = 0, one = 1;
        buffer.SparseValues.add_(zero, one);
        return true;
    }

    /// <summary>Writes the file of this shard.</summary>
    public void Save(Guid checkpoint)
    {
        using DisposeScope scope = NewDisposeScope();
        var tensors = new Dictionary<string, Tensor> { [RowFiles.Weight] = _rows.Weight };
        switch (_optimizer?.StateOf(_rows.Weight))
        {
            case SparseAdam.State adam:
                (tensors[Mean], tensors[Square]) = (adam.exp_avg, adam.exp_avg_sq);
                break;
            case Adagrad.State adagrad:
                tensors[Sum] = adagrad.sum;
                break;
            case SGD.State { momentum_buffer: { } buffer }:
                using (Scalar first = Start, one = 1)
                    (tensors[BufferRows], tensors[Buffer]) = (buffer.SparseIndices.view(-1).add(first, one), buffer.SparseValues);
                break;
        }
        RowFiles.Write(_table.CheckpointFolder!, Step, checkpoint, _shard, _table.Shards, tensors);
    }

    public void Dispose()
    {
        _optimizer?.Dispose();
        _rows.Dispose();
    }

    /// <summary>
    /// The entries of SGD's momentum that are in this shard. They have the rows of the table in the file, in the order of the buffer. Null
    /// if the checkpoint has none.
    /// </summary>
    private Tensor? ReadBuffer(SafeTensorsFile checkpoint)
    {
        List<Tensor> rows = [.. RowFiles.Parts(checkpoint, BufferRows)], values = [.. RowFiles.Parts(checkpoint, Buffer)];
        if (rows.Count == 0) return null;
        using Scalar first = Start, end = Start + Count, minusFirst = -Start, one = 1;
        Tensor all = cat(rows), places = all.ge(first).logical_and(all.lt(end)).nonzero().view(-1);
        Tensor indices = all.index_select(0, places).add(minusFirst, one).view(1, -1);
        return sparse_coo_tensor(indices, cat(values).index_select(0, places), [Count, _table.Width], device: CPU);
    }
}
