using System.Buffers;

namespace EmbeddingWrapper.Pretrained;

/// <summary>Where a row lies in its block, and where in the file: the number of its line, or its first byte.</summary>
internal readonly record struct Row(int Start, int Length, long Place);

/// <summary>Some rows of a file, whole.</summary>
/// <param name="bytes">From the shared pool, with 8 readable bytes behind the last row.</param>
internal sealed class RowBlock(byte[] bytes) : IDisposable
{
    public List<Row> Rows { get; } = [];

    public ReadOnlySpan<byte> this[Row row] => bytes.AsSpan(row.Start, row.Length);

    public void Dispose() => ArrayPool<byte>.Shared.Return(bytes);
}

/// <summary>One format: cuts a file into blocks of rows, and says what a row means.</summary>
internal abstract class RowFormat(VectorStream file)
{
    private const int BlockSize = (1 << 20) - (1 << 14); // together with a row begun before, a megabyte of the pool

    private byte[] _begun = []; // what comes after the last whole row

    public VectorStream File => file;

    /// <summary>Numbers in a row. Known once <see cref="Next"/> was called.</summary>
    public int Width { get; protected set; }

    /// <summary>The number of rows that the header names, or more than there can be.</summary>
    public long DeclaredRows { get; protected set; } = long.MaxValue;

    /// <summary>What a row takes in the file at least.</summary>
    public abstract long BytesPerRow { get; }

    /// <summary>Whether all of the file is in the blocks so far.</summary>
    protected bool Ended { get; private set; }

    /// <summary>What is wrong behind the rows found so far.</summary>
    protected InvalidDataException? Fault { get; set; }

    /// <summary>The next block, of one row at least.</summary>
    /// <returns>Null behind the last row.</returns>
    /// <exception cref="InvalidDataException">What follows the rows so far is no row.</exception>
    public RowBlock? Next()
    {
        while (Fault is null)
        {
            if (Ended) return null;
            RowBlock block = Read();
            if (block.Rows.Count > 0) return block;
            block.Dispose();
        }
        throw Fault;
    }

    /// <summary>Reads a row. Several threads call this at once.</summary>
    /// <param name="row">Its bytes.</param>
    /// <param name="place">Where it is.</param>
    /// <param name="numbers">Receives its numbers.</param>
    /// <returns>Its word.</returns>
    /// <exception cref="InvalidDataException">The row is damaged.</exception>
    public abstract unsafe string Parse(ReadOnlySpan<byte> row, long place, float* numbers);

    /// <summary>Finds the rows in a piece of the file, up to the last whole one or to a <see cref="Fault"/>.</summary>
    /// <param name="bytes">It begins where the last piece was done. 8 bytes more are readable, the first of them a line feed.</param>
    /// <param name="rows">Receives the rows.</param>
    /// <returns>
    /// How many bytes are done. Where there are none, without a fault or the end, the next call has the same bytes and more. A piece
    /// longer than <see cref="VectorStream.LongestRow"/>, or a little longer, holds a row or a fault.
    /// </returns>
    protected abstract int Split(ReadOnlySpan<byte> bytes, List<Row> rows);

    private RowBlock Read()
    {
        byte[] bytes = Rent(_begun.Length + BlockSize);
        _begun.CopyTo(bytes, 0);
        int length = _begun.Length;
        while (true)
        {
            int read = file.Read(bytes.AsSpan(length, BlockSize));
            length += read;
            Ended = read < BlockSize;
            bytes[length] = (byte)'\n'; // so that no number runs into what was here before

            var block = new RowBlock(bytes);
            int done = Split(bytes.AsSpan(0, length), block.Rows);
            if (done > 0 || Ended || Fault is not null)
            {
                _begun = bytes.AsSpan(done, length - done).ToArray();
                return block;
            }

            byte[] larger = Rent(length + BlockSize);
            bytes.AsSpan(0, length).CopyTo(larger);
            block.Dispose();
            bytes = larger;
        }
    }

    private static byte[] Rent(int size) => ArrayPool<byte>.Shared.Rent(size + sizeof(ulong));
}
