using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace EmbeddingWrapper.Pretrained;

/// <summary>
/// word2vec's binary format: a header line, then for each word its text, a space and its numbers. Some programs end each row with a line
/// feed.
/// </summary>
internal sealed class Word2VecBinaryFormat(VectorStream file, WordFilter words) : RowFormat(file, words)
{
    /// <summary>The longest word in bytes, with the space behind it.</summary>
    public const int LongestWord = 1 << 16;

    private long _position; // of the next piece in the file
    private long _rows;

    public override long BytesPerRow => sizeof(float) * (long)Width + 1;

    public override unsafe string Parse(ReadOnlySpan<byte> row, long place, float* numbers)
    {
        int length = row.Length - (int)BytesPerRow;
        row[(length + 1)..].CopyTo(MemoryMarshal.AsBytes(new Span<float>(numbers, Width)));
        return Words.Decode(row[..length]) ?? throw FileFault.AtByte(File.Name, place, WordFilter.Undecodable);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // a file is read once, so tiered compilation would come too late
    protected override int Split(ReadOnlySpan<byte> bytes, List<Row> rows)
    {
        int done = Width == 0 ? SplitHeader(bytes) : 0;
        while (Width > 0 && Fault is null && _rows < DeclaredRows && !Words.IsComplete)
        {
            int start = SkipBlank(bytes, done, "\n"u8);
            done = start;
            if (start == bytes.Length && !Ended) break;
            int length = bytes[start..Math.Min(bytes.Length, start + LongestWord)].IndexOf((byte)' ');
            long end = start + length + BytesPerRow;
            if (length < 0 && (Ended || bytes.Length >= start + LongestWord))
                Fault = At(start, $"the end of the word of row {_rows + 1} is not found.");
            else if (length == 0)
                Fault = At(start, $"the word of row {_rows + 1} is empty or begins with a space, which the format cannot hold.");
            else if (Ended && end > bytes.Length)
                Fault = At(bytes.Length, $"the file ends within row {_rows + 1}, {end - bytes.Length} bytes early.");
            if (length <= 0 || end > bytes.Length) break;

            if (Words.KeepsAll || Words.Keeps(bytes.Slice(start, length))) rows.Add(new Row(start, (int)end - start, _position + start));
            _rows++;
            CountRow(end - start);
            done = (int)end;
        }
        if (_rows == DeclaredRows)
        {
            done = SkipBlank(bytes, done, "\r\n"u8);
            if (done < bytes.Length)
                Fault ??= At(done, $"there is more than the {_rows} rows that the header says. With limit: {_rows} these rows are read.");
        }
        _position += done;
        return done;
    }

    /// <summary>Skips line ends.</summary>
    /// <returns>The position behind them.</returns>
    private int SkipBlank(ReadOnlySpan<byte> bytes, int start, ReadOnlySpan<byte> blank)
    {
        int length = bytes[start..].IndexOfAnyExcept(blank);
        if (length < 0) length = bytes.Length - start;
        if (IsMostlyBlank(length)) Fault = At(start, "the file consists mostly of line feeds.");
        return start + length;
    }

    private InvalidDataException At(int place, string fault) => FileFault.AtByte(File.Name, _position + place, fault);

    private int SplitHeader(ReadOnlySpan<byte> bytes)
    {
        int length = bytes[..Math.Min(bytes.Length, LongestWord)].IndexOf((byte)'\n');
        if (length < 0 && !Ended && bytes.Length < LongestWord) return 0;
        if (length < 0) throw FileFault.AtByte(File.Name, 0, "the end of the header is not found.");
        Word2VecHeader header = Word2VecHeader.Parse(File.Name, bytes[..length], sizeof(float));
        Width = (int)header.Width;
        DeclaredRows = header.Words;
        return length + 1;
    }
}
