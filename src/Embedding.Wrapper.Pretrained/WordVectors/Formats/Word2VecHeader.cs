using System.Buffers.Text;

namespace EmbeddingWrapper.Pretrained;

/// <summary>The first line of both word2vec formats: the number of words and the number of dimensions.</summary>
internal readonly record struct Word2VecHeader(long Words, long Width)
{
    /// <summary>Parses a line that consists of two numbers without a sign.</summary>
    public static bool TryParse(ReadOnlySpan<byte> line, out Word2VecHeader header)
    {
        header = default;
        line = line.Trim(" \t\r"u8);
        int separator = line.IndexOfAny((byte)' ', (byte)'\t');
        if (separator < 0) return false;
        ReadOnlySpan<byte> width = line[separator..].TrimStart(" \t"u8);
        if (!TryParse(line[..separator], out long words) || !TryParse(width, out long numbers)) return false;
        header = new Word2VecHeader(words, numbers);
        return true;
    }

    /// <summary>Parses the header at the start of a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="line">Its first line.</param>
    /// <param name="bytesPerNumber">The smallest number of bytes that a number takes.</param>
    /// <exception cref="InvalidDataException">The line is not a header, or it announces more words or dimensions than are supported.</exception>
    public static Word2VecHeader Parse(string path, ReadOnlySpan<byte> line, int bytesPerNumber)
    {
        if (!TryParse(line, out Word2VecHeader header))
            throw FileFault.AtLine(path, 1, $"{FileFault.Quote(line)} is not a header: a number of words, a space, a number of dimensions.");
        if (header.Width == 0 || header.Width > VectorStream.LongestRow / bytesPerNumber)
        {
            throw FileFault.AtLine(
                path, 1, $"the header asks for rows of {header.Width} numbers, and they have 1 to {VectorStream.LongestRow / bytesPerNumber}.");
        }
        if (header.Words > Array.MaxLength)
            throw FileFault.AtLine(path, 1, $"the header asks for {header.Words} words, and there can be {Array.MaxLength}.");
        return header;
    }

    private static bool TryParse(ReadOnlySpan<byte> text, out long number)
    {
        number = 0;
        return text.Length > 0 && !text.ContainsAnyExceptInRange((byte)'0', (byte)'9')
            && Utf8Parser.TryParse(text, out number, out int length) && length == text.Length;
    }
}
