using System.Buffers;

namespace EmbeddingWrapper.Pretrained;

/// <summary>Where a line lies in its block, without white space at its end, and its number in the file, from 1.</summary>
internal readonly record struct TextLine(int Start, int Length, long Number);

/// <summary>Some whole lines of a text file. Blank ones are not listed.</summary>
/// <param name="bytes">From the shared pool, with 8 readable bytes behind the last line.</param>
internal sealed class TextBlock(byte[] bytes) : IDisposable
{
    public List<TextLine> Lines { get; } = [];

    public ReadOnlySpan<byte> this[TextLine line] => bytes.AsSpan(line.Start, line.Length);

    public void Dispose() => ArrayPool<byte>.Shared.Return(bytes);
}

/// <summary>Cuts a text file into blocks of whole lines. Lines end with a line feed; the last one may do without.</summary>
internal sealed class TextBlocks(VectorFile file)
{
    private const int BlockSize = 1 << 20;

    private byte[] _begun = []; // a line whose end is not read yet
    private bool _ended;

    /// <summary>Lines read so far.</summary>
    public long LineCount { get; private set; }

    /// <summary>The next block that holds more than blank lines.</summary>
    /// <returns>Null at the end of the file.</returns>
    /// <exception cref="InvalidDataException">A line is longer than <see cref="VectorFile.LongestRow"/>.</exception>
    public TextBlock? Next()
    {
        while (!_ended)
        {
            TextBlock block = Read();
            if (block.Lines.Count > 0) return block;
            block.Dispose();
        }
        return null;
    }

    private TextBlock Read()
    {
        byte[] bytes = Rent(_begun.Length + BlockSize);
        _begun.CopyTo(bytes, 0);
        int length = _begun.Length, end = 0;
        while (true)
        {
            int read = file.Read(bytes.AsSpan(length, BlockSize));
            _ended = read < BlockSize;
            int lineFeed = bytes.AsSpan(length, read).LastIndexOf((byte)'\n');
            if (lineFeed >= 0) end = length + lineFeed + 1;
            length += read;
            if (_ended || end > 0) break;
            if (length > VectorFile.LongestRow) throw TooLong(LineCount + 1);

            byte[] larger = Rent(length + BlockSize);
            bytes.AsSpan(0, length).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(bytes);
            bytes = larger;
        }
        if (_ended)
        {
            end = length;
            bytes[length] = (byte)'\n'; // so that no number runs into what was here before
        }
        _begun = bytes.AsSpan(end, length - end).ToArray();

        var block = new TextBlock(bytes);
        int start = LineCount == 0 && bytes.AsSpan(0, end).StartsWith("\uFEFF"u8) ? 3 : 0;
        while (start < end)
        {
            ReadOnlySpan<byte> line = bytes.AsSpan(start, end - start);
            int lineFeed = line.IndexOf((byte)'\n');
            if (lineFeed >= 0) line = line[..lineFeed];
            LineCount++;
            if (line.Length > VectorFile.LongestRow) throw TooLong(LineCount);
            int written = line.TrimEnd(" \t\r\v\f"u8).Length;
            if (written > 0) block.Lines.Add(new TextLine(start, written, LineCount));
            start += line.Length + 1;
        }
        return block;
    }

    private static byte[] Rent(int size) => ArrayPool<byte>.Shared.Rent(size + sizeof(ulong));

    private InvalidDataException TooLong(long line) =>
        FileFault.AtLine(file.Path, line, $"the line is longer than {VectorFile.LongestRow} bytes.");
}
