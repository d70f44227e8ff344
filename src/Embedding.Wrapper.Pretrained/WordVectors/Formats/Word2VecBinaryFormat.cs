using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace EmbeddingWrapper.Pretrained;

/// <summary>
/// word2vec's binary format: a header line, then for each word its text, a space and its numbers. Some programs end each row with a line
/// feed.
/// </summary>
internal sealed class Word2VecBinaryFormat(VectorStream file) : RowFormat(file)
{
    private const int LongestWord = 1 << 16;

    private long _position; // of the next piece in the file
    private long _rows;

    public override long BytesPerRow => sizeof(float) * (long)Width + 1;

    public override unsafe string Parse(ReadOnlySpan<byte> row, long place, float* numbers)
    {
        int length = row.Length - (int)BytesPerRow;
        var target = new Span<float>(numbers, Width);
        row[(length + 1)..].CopyTo(MemoryMarshal.AsBytes(target));
        if (IndexOfNaN(target) is int nan and >= 0)
        {
            throw FileFault.AtByte(
                File.Path, place + length + 1 + nan * sizeof(float), $"number {nan + 1} of {Width} is nan, and word vectors are numbers.");
        }
        return VectorStream.Word(row[..length]) ?? throw FileFault.AtByte(File.Path, place, "the word is not valid UTF-8.");
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // a file is read once, so tiered compilation would come too late
    protected override int Split(ReadOnlySpan<byte> bytes, List<Row> rows)
    {
        int done = Width == 0 ? SplitHeader(bytes) : 0;
        while (Width > 0 && Fault is null && _rows < DeclaredRows)
        {
            int start = done;
            while (start < bytes.Length && bytes[start] == '\n') start++;
            int length = bytes[start..Math.Min(bytes.Length, start + LongestWord)].IndexOf((byte)' ');
            long end = start + length + BytesPerRow;
            if (length < 0 && (Ended || bytes.Length >= start + LongestWord))
                Fault = At(start, $"the end of the word of row {_rows + 1} is not found.");
            else if (Ended && end > bytes.Length)
                Fault = At(bytes.Length, $"the file ends within row {_rows + 1}, {end - bytes.Length} bytes early.");
            if (length < 0 || end > bytes.Length) break;

            rows.Add(new Row(start, (int)end - start, _position + start));
            _rows++;
            done = (int)end;
        }
        if (_rows == DeclaredRows)
        {
            done = bytes.Length - bytes[done..].TrimStart("\r\n"u8).Length;
            if (done < bytes.Length) Fault = At(done, $"there is more than the {_rows} rows that the header says.");
        }
        _position += done;
        return done;
    }

    private InvalidDataException At(int place, string fault) => FileFault.AtByte(File.Path, _position + place, fault);

    private int SplitHeader(ReadOnlySpan<byte> bytes)
    {
        int length = bytes[..Math.Min(bytes.Length, LongestWord)].IndexOf((byte)'\n');
        if (length < 0) throw FileFault.AtByte(File.Path, 0, "the end of the header is not found.");
        Word2VecHeader header = Word2VecHeader.Parse(File.Path, bytes[..length], sizeof(float));
        Width = (int)header.Width;
        DeclaredRows = header.Words;
        return length + 1;
    }

    private static int IndexOfNaN(ReadOnlySpan<float> numbers)
    {
        int i = 0;
        for (; i <= numbers.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            var some = new Vector<float>(numbers[i..]);
            if (!Vector.EqualsAll(some, some)) break;
        }
        for (; i < numbers.Length; i++)
        {
            if (float.IsNaN(numbers[i])) return i;
        }
        return -1;
    }
}
