using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text.Unicode;

namespace EmbeddingWrapper.Pretrained;

/// <summary>
/// A text format with one row per line. Lines end with a line feed or with a carriage return and a line feed; in a file that has no line feed,
/// with a carriage return. The last line may lack it. Blank lines are skipped.
/// </summary>
internal abstract class TextFormat(VectorStream file, WordFilter words) : RowFormat(file, words)
{
    private static readonly SearchValues<byte> WhiteSpace = SearchValues.Create(" \t\r\n\v\f"u8);

    private readonly byte _lineEnd = LineEnd(file.Start);
    private long _lines;
    private long _rows;
    private bool _begun;
    private bool _hasUnknown;
    private float[]? _ignored;

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
        if (length < 0) throw FileFault.AtLine(File.Name, place, TextRow.Fault(row, Width));
        return Words.Decode(row[..length]) ?? throw FileFault.AtLine(File.Name, place, WordFilter.Undecodable);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // a file is read once, so tiered compilation would come too late
    protected override int Split(ReadOnlySpan<byte> bytes, List<Row> rows)
    {
        int end = Ended ? bytes.Length : bytes.LastIndexOf(_lineEnd) + 1;
        int start = _lines == 0 && bytes[..end].StartsWith("\uFEFF"u8) ? 3 : 0;
        while (start < end && Fault is null && !(_begun && Words.IsComplete))
        {
            ReadOnlySpan<byte> line = bytes[start..end];
            if (line[0] <= ' ' && SkipBlank(line) is int blank and > 0)
            {
                start += blank;
                continue;
            }
            int lineEnd = line.IndexOf(_lineEnd);
            if (lineEnd >= 0) line = line[..lineEnd];
            int written = line.TrimEnd(" \t\r\n\v\f"u8).Length;
            if (line.Length > VectorStream.LongestRow) Fault = TooLong();
            else if (written > 0) Add(line[..written], start, rows);
            _lines++;
            CountRow(written);
            start += line.Length + 1;
        }
        if (end == 0 && bytes.Length > VectorStream.LongestRow) Fault = TooLong();
        if (Ended && !_begun) Fault ??= FileFault.AtLine(File.Name, 1, "the file is empty.");
        if (Ended && _rows < DeclaredRows && DeclaredRows < long.MaxValue && !Words.IsComplete)
            Fault ??= FileFault.AtLine(File.Name, _lines + 1, $"the file ends after {_rows} rows, and the header says {DeclaredRows}.");
        return end;
    }

    private static byte LineEnd(ReadOnlySpan<byte> start)
    {
        int carriageReturn = start.IndexOf((byte)'\r');
        bool hasLineFeed = start.Contains((byte)'\n') || carriageReturn == start.Length - 1;
        return (byte)(carriageReturn >= 0 && !hasLineFeed ? '\r' : '\n');
    }

    /// <summary>Skips blank lines.</summary>
    /// <returns>Their length in bytes.</returns>
    private int SkipBlank(ReadOnlySpan<byte> bytes)
    {
        int white = bytes.IndexOfAnyExcept(WhiteSpace);
        int length = bytes[..(white < 0 ? bytes.Length : white)].LastIndexOf(_lineEnd) + 1;
        _lines += bytes[..length].Count(_lineEnd);
        if (IsMostlyBlank(length)) Fault = FileFault.AtLine(File.Name, _lines, "the file consists mostly of blank lines.");
        return length;
    }

    private InvalidDataException TooLong() =>
        FileFault.AtLine(File.Name, _lines + 1, $"the line is longer than {VectorStream.LongestRow} bytes.");

    private void Add(ReadOnlySpan<byte> line, int start, List<Row> rows)
    {
        long number = _lines + 1;
        if (line.Contains((byte)(_lineEnd == '\n' ? '\r' : '\n')))
        {
            Fault = FileFault.AtLine(File.Name, number, "the line holds a carriage return and a line feed, and only one of them ends lines here.");
            return;
        }
        if (!_begun)
        {
            _begun = true;
            if (!Begin(line, number)) return;
        }

        // A line that is too short for its numbers gets no room in the table; the table could become far larger than the file.
        if (_rows >= DeclaredRows && !IsUnknown(line))
        {
            Fault = FileFault.AtLine(
                File.Name, number, $"a row too many: the header says {DeclaredRows}. With limit: {DeclaredRows} these rows are read.");
        }
        else if (line.Length < BytesPerRow) Fault = FileFault.AtLine(File.Name, number, TextRow.Fault(line, Width));
        else
        {
            if (Keeps(line, number)) rows.Add(new Row(start, line.Length, number));
            _rows++;
        }
    }

    /// <summary>Whether this is the row of GloVe's <c>&lt;unk&gt;</c>, which comes last and which its header (<c>-write-header 1</c>) does not count.</summary>
    private bool IsUnknown(ReadOnlySpan<byte> line)
    {
        bool isFirst = !_hasUnknown;
        _hasUnknown = true;
        return isFirst && line.StartsWith("<unk> "u8);
    }

    private bool Keeps(ReadOnlySpan<byte> line, long number)
    {
        if (Words.KeepsAll || (Words.KeepsAllValid && Utf8.IsValid(line))) return true;
        int length = WordLength(line);
        if (length < 0) Fault = FileFault.AtLine(File.Name, number, TextRow.Fault(line, Width));
        return length >= 0 && Words.Keeps(line[..length]);
    }

    /// <summary>The length of the word. If there are as many separators as numbers, the numbers are not parsed.</summary>
    private unsafe int WordLength(ReadOnlySpan<byte> line)
    {
        if (line.Count((byte)' ') + line.Count((byte)'\t') == Width) return line.IndexOfAny((byte)' ', (byte)'\t');
        _ignored ??= new float[Width];
        fixed (float* ignored = _ignored) return TextRow.TryRead(line, ignored, Width);
    }
}
