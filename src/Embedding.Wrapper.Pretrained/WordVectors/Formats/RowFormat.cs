using System.Buffers;

namespace EmbeddingWrapper.Pretrained;

/// <summary>The position of a row in its block, and its place in the file: its line number, or the position of its first byte.</summary>
internal readonly record struct Row(int Start, int Length, long Place);

/// <summary>A piece of a file that holds complete rows.</summary>
/// <param name="bytes">An array of the shared pool. 8 bytes behind the last row are readable.</param>
internal sealed class RowBlock(byte[] bytes) : IDisposable
{
    /// <summary>The rows that are kept.</summary>
    public List<Row> Rows { get; } = [];

    public ReadOnlySpan<byte> this[Row row] => bytes.AsSpan(row.Start, row.Length);

    public void Dispose() => ArrayPool<byte>.Shared.Return(bytes);
}

/// <summary>A format that consists of rows: cuts a file into blocks of rows and parses a row.</summary>
/// <param name="file">The file.</param>
/// <param name="words">Decides which rows are kept.</param>
internal abstract class RowFormat(VectorStream file, WordFilter words)
{
    private const int BlockSize = (1 << 20) - (1 << 14); // with the start of an incomplete row, at most the pool's 1 MiB array

    private byte[] _begun = []; // the bytes after the last complete row
    private long _blank, _written; // bytes

    public VectorStream File => file;

    public WordFilter Words => words;

    /// <summary>The number of elements of a row. It is known when there is a row, and at the end of the file.</summary>
    public int Width { get; protected set; }

    /// <summary>The number of rows that the header announces, or <see cref="long.MaxValue"/> without a header.</summary>
    public long DeclaredRows { get; protected set; } = long.MaxValue;

    /// <summary>The smallest number of bytes of a row in the file.</summary>
    public abstract long BytesPerRow { get; }

    /// <summary>Whether the end of the file has been read.</summary>
    protected bool Ended { get; private set; }

    /// <summary>The fault that follows the rows found so far.</summary>
    protected InvalidDataException? Fault { get; set; }

    /// <summary>Reads the next block. It may have no rows.</summary>
    /// <returns>The block, or null after the last row.</returns>
    /// <exception cref="InvalidDataException">The rows so far are followed by something that is not a row.</exception>
    public RowBlock? Next()
    {
        if (Fault is not null) throw Fault;
        return Ended ? null : Read();
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
    /// <param name="rows">Receives the rows that are kept.</param>
    /// <returns>
    /// The number of bytes that are done. If it is 0 without a fault and before the end of the file, the next call gets the same bytes and more.
    /// A piece that is a little longer than <see cref="VectorStream.LongestRow"/> contains a row or a fault.
    /// </returns>
    protected abstract int Split(ReadOnlySpan<byte> bytes, List<Row> rows);

    /// <summary>Counts the bytes of a row.</summary>
    protected void CountRow(long bytes) => _written += bytes;

    /// <summary>
    /// Counts blank lines. A small compressed file can hold gigabytes of them, which would take minutes to read. A file is therefore refused if
    /// it has four times as many bytes in blank lines as in rows, and 16 MiB more.
    /// </summary>
    /// <returns>Whether the file is to be refused.</returns>
    protected bool IsMostlyBlank(long bytes)
    {
        _blank += bytes;
        return _blank > VectorStream.LongestRow + 4 * _written;
    }

    private RowBlock Read()
    {
        byte[] bytes = Rent(_begun.Length + BlockSize);
        _begun.CopyTo(bytes, 0);
        int length = _begun.Length;
        while (true)
        {
            length += Fill(bytes.AsSpan(length, BlockSize));
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

    /// <summary>Reads a block. Bytes from a pipe are passed on at once, because the writer may wait before it writes more.</summary>
    private int Fill(Span<byte> block)
    {
        int length = 0;
        while (length < block.Length && !Ended)
        {
            int read = file.Read(block[length..]);
            Ended = read == 0;
            length += read;
            if (file.TotalBytes == 0) break;
        }
        return length;
    }

    private static byte[] Rent(int size) => ArrayPool<byte>.Shared.Rent(size + sizeof(ulong));
}
