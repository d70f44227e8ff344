using System.Runtime.CompilerServices;

namespace EmbeddingWrapper.Pretrained;

/// <summary>A text format with one row per line. Lines end with a line feed, which the last line may lack. Blank lines are skipped.</summary>
internal abstract class TextFormat(VectorStream file) : RowFormat(file)
{
    private long _lines;
    private long _rows;
    private bool _begun;

    public override long BytesPerRow => 2L * Width; // a number takes at least a space and a digit

    /// <summary>Reads the number of dimensions from the first line.</summary>
    /// <param name="line">The line.</param>
    /// <param name="number">Its number in the file.</param>
    /// <returns>Whether the line is a row.</returns>
    /// <exception cref="InvalidDataException">The format does not begin with such a line.</exception>
    protected abstract bool Begin(ReadOnlySpan<byte> line, long number);

    public override unsafe string Parse(ReadOnlySpan<byte> row, long place, float* numbers)
    {
        int length = TextRow.TryRead(row, numbers, Width);
        if (length < 0) throw FileFault.AtLine(File.Path, place, TextRow.Fault(row, Width));
        return VectorStream.Word(row[..length]) ?? throw FileFault.AtLine(File.Path, place, "the word is not valid UTF-8.");
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // a file is read once, so tiered compilation would come too late
    protected override int Split(ReadOnlySpan<byte> bytes, List<Row> rows)
    {
        int end = Ended ? bytes.Length : bytes.LastIndexOf((byte)'\n') + 1;
        int start = _lines == 0 && bytes[..end].StartsWith("\uFEFF"u8) ? 3 : 0;
        while (start < end && Fault is null)
        {
            ReadOnlySpan<byte> line = bytes[start..end];
            int lineFeed = line.IndexOf((byte)'\n');
            if (lineFeed >= 0) line = line[..lineFeed];
            int written = line.TrimEnd(" \t\r\v\f"u8).Length;
            if (line.Length > VectorStream.LongestRow) Fault = TooLong();
            else if (written > 0) Add(line[..written], start, rows);
            _lines++;
            start += line.Length + 1;
        }
        if (end == 0 && bytes.Length > VectorStream.LongestRow) Fault = TooLong();
        if (Ended && !_begun) Fault ??= FileFault.AtLine(File.Path, 1, "the file is empty.");
        if (Ended && _rows < DeclaredRows && DeclaredRows < long.MaxValue)
            Fault ??= FileFault.AtLine(File.Path, _lines + 1, $"the file ends after {_rows} rows, and the header says {DeclaredRows}.");
        return end;
    }

    private InvalidDataException TooLong() =>
        FileFault.AtLine(File.Path, _lines + 1, $"the line is longer than {VectorStream.LongestRow} bytes.");

    private void Add(ReadOnlySpan<byte> line, int start, List<Row> rows)
    {
        long number = _lines + 1;
        if (!_begun)
        {
            _begun = true;
            if (!Begin(line, number)) return;
        }

        // A line that is too short for its numbers gets no room in the table; the table could become far larger than the file.
        if (_rows == DeclaredRows) Fault = FileFault.AtLine(File.Path, number, $"a row too many: the header says {DeclaredRows}.");
        else if (line.Length < BytesPerRow) Fault = FileFault.AtLine(File.Path, number, TextRow.Fault(line, Width));
        else
        {
            rows.Add(new Row(start, line.Length, number));
            _rows++;
        }
    }
}
