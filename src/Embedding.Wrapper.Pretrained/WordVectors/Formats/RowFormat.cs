using System.Buffers;

namespace EmbeddingWrapper.Pretrained;

/// <summary>The position of a row in its block, and its place in the file: its line number, or the position of its first byte.</summary>
internal readonly record struct Row(int Start, int Length, long Place);

/// <summary>A piece of a file that holds complete rows.</summary>
/// <param name="bytes">An array of the shared pool. 8 bytes behind the last row are readable.</param>
internal sealed class RowBlock(byte[] bytes) : IDisposable
{
    public List<Row> Rows { get; } = [];

    public ReadOnlySpan<byte> this[Row row] => bytes.AsSpan(row.Start, row.Length);

    public void Dispose() => ArrayPool<byte>.Shared.Return(bytes);
}

/// <summary>A format that consists of rows: cuts a file into blocks of rows and parses a row.</summary>
internal abstract class RowFormat(VectorStream file)
{
    private const int BlockSize = (1 << 20) - (1 << 14); // with the start of an incomplete row, at most the pool's 1 MiB array

    private byte[] _begun = []; // the bytes after the last complete row

    public VectorStream File => file;

    /// <summary>The number of elements of a row. It is known after the first call of <see cref="Next"/>.</summary>
    public int Width { get; protected set; }

    /// <summary>The number of rows that the header announces, or <see cref="long.MaxValue"/> without a header.</summary>
    public long DeclaredRows { get; protected set; } = long.MaxValue;

    /// <summary>The smallest number of bytes of a row in the file.</summary>
    public abstract long BytesPerRow { get; }

    /// <summary>Whether the end of the file has been read.</summary>
    protected bool Ended { get; private set; }

    /// <summary>The fault that follows the rows found so far.</summary>
    protected InvalidDataException? Fault { get; set; }

    /// <summary>Reads the next block, which has at least one row.</summary>
    /// <returns>The block, or null after the last row.</returns>
    /// <exception cref="InvalidDataException">The rows so far are followed by something that is not a row.</exception>
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

    /// <summary>Parses a row. Several threads call this method at the same time.</summary>
    /// <param name="row">The bytes of the row.</param>
    /// <param name="place">Its place in the file.</param>
    /// <param name="numbers">Receives its numbers.</param>
    /// <returns>Its word.</returns>
    /// <exception cref="InvalidDataException">The row is damaged.</exception>
    public abstract unsafe string Parse(ReadOnlySpan<byte> row, long place, float* numbers);

    /// <summary>Finds the rows in a piece of the file, up to the last complete row or to a <see cref="Fault"/>.</summary>
    /// <param name="bytes">The piece. It begins where the previous call ended. 8 bytes behind it are readable, the first of which is a line feed.</param>
    /// <param name="rows">Receives the rows.</param>
    /// <returns>
    /// The number of bytes that are done. If it is 0 without a fault and before the end of the file, the next call gets the same bytes and more.
    /// A piece that is a little longer than <see cref="VectorStream.LongestRow"/> contains a row or a fault.
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
            bytes[length] = (byte)'\n'; // ends a number at the end of the piece

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
