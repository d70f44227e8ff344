using System.Numerics;
using System.Runtime.InteropServices;

namespace EmbeddingWrapper.Pretrained;

/// <summary>
/// word2vec's binary format: the header line, then for each word its text, a space and its numbers. Writers may or may not end a row
/// with a line feed.
/// </summary>
internal sealed unsafe class Word2VecBinary
{
    private const int LongestWord = 1 << 16;

    private readonly VectorFile _file;
    private readonly LoadControl _control;
    private readonly byte[] _buffer = new byte[1 << 20];
    private int _next, _end;  // what is not used yet
    private long _bufferStart; // where the buffer's first byte lies in the file

    private Word2VecBinary(VectorFile file, LoadControl control)
    {
        _file = file;
        _control = control;
    }

    public static WordVectors Read(VectorFile file, LoadControl control) => new Word2VecBinary(file, control).Read();

    private long Position => _bufferStart + _next;

    private ReadOnlySpan<byte> Unused => _buffer.AsSpan(_next, _end - _next);

    private WordVectors Read()
    {
        ReadOnlySpan<byte> line = TakeUntil((byte)'\n', "the header's end", words: 0);
        Word2VecHeader header = Word2VecHeader.Parse(_file.Path, line, sizeof(float));
        long rows = Math.Min(header.Words, _control.Limit ?? long.MaxValue);
        using var table = new WordTable((int)header.Width);
        for (long row = 0; row < rows; row++)
        {
            string word = TakeWord(row, table.WordCount);
            if (!table.HasRoomFor(row + 1)) table.Grow(row + 1, rows);
            TakeNumbers(new Span<float>(table.Row(row), table.Width), row);
            table.Add(word);
        }
        if (rows == header.Words)
        {
            if (Unused.Length < sizeof(ushort)) Refill();
            if (!Unused.TrimStart("\r\n"u8).IsEmpty) throw FileFault.AtByte(_file.Path, Position, $"there is more than the {rows} rows that the header announces.");
        }
        _control.Report(_file, table.WordCount);
        return table.ToWordVectors();
    }

    private string TakeWord(long row, int words)
    {
        long start = Position;
        ReadOnlySpan<byte> bytes = TakeUntil((byte)' ', $"the end of the word of row {row + 1}", words).TrimStart((byte)'\n');
        return VectorFile.Word(bytes) ?? throw FileFault.AtByte(_file.Path, start, $"the word of row {row + 1} is not valid UTF-8.");
    }

    private ReadOnlySpan<byte> TakeUntil(byte end, string wanted, int words)
    {
        int length = Unused.IndexOf(end);
        if (length < 0 && Unused.Length <= LongestWord)
        {
            Refill();
            _control.Report(_file, words);
            length = Unused.IndexOf(end);
        }
        if (length is < 0 or > LongestWord) throw FileFault.AtByte(_file.Path, Position, $"{wanted} is not found.");
        ReadOnlySpan<byte> taken = Unused[..length];
        _next += length + 1;
        return taken;
    }

    private void Refill()
    {
        int unused = Unused.Length;
        Unused.CopyTo(_buffer);
        _bufferStart += _next;
        _next = 0;
        _end = unused + _file.Read(_buffer.AsSpan(unused));
    }

    private void TakeNumbers(Span<float> numbers, long row)
    {
        long start = Position;
        Span<byte> bytes = MemoryMarshal.AsBytes(numbers);
        int length = Math.Min(bytes.Length, Unused.Length);
        Unused[..length].CopyTo(bytes);
        _next += length;
        if (length < bytes.Length)
        {
            int read = _file.Read(bytes[length..]);
            _bufferStart += read;
            length += read;
        }
        if (length < bytes.Length)
        {
            throw FileFault.AtByte(
                _file.Path, Position, $"the file ends within row {row + 1}: {length} bytes of its numbers are there, and they take {bytes.Length}.");
        }
        if (IndexOfNaN(numbers) is int nan and >= 0)
        {
            throw FileFault.AtByte(
                _file.Path, start + nan * sizeof(float), $"number {nan + 1} of row {row + 1} is nan, and word vectors are numbers.");
        }
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
