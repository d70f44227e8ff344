using System.Text.Unicode;

namespace EmbeddingWrapper.Pretrained;

/// <summary>Which format a file is in, by its first bytes.</summary>
internal static class FormatDetection
{
    /// <summary>
    /// A first line of two whole numbers is word2vec's header. Text follows it if the next line is a row, or at least consists of
    /// characters; numbers in binary hardly ever do.
    /// </summary>
    /// <param name="start">The start of the file, with the 8 readable bytes behind it that <see cref="NumberText"/> asks for.</param>
    public static WordVectorsFormat Of(ReadOnlySpan<byte> start)
    {
        if (start.StartsWith("\uFEFF"u8)) start = start[3..];
        int headerEnd = start.IndexOf((byte)'\n');
        ReadOnlySpan<byte> line = headerEnd < 0 ? start : start[..headerEnd];
        if (!Word2VecHeader.TryParse(line, out Word2VecHeader header)) return WordVectorsFormat.GloveText;

        ReadOnlySpan<byte> rows = start[(headerEnd + 1)..]; // without a line feed the header itself, which is text
        int rowEnd = rows.IndexOf((byte)'\n');
        if (rowEnd > 0 && TextRow.CountNumbers(rows[..rowEnd].TrimEnd(" \t\r\v\f"u8)) >= header.Width) return WordVectorsFormat.Word2VecText;
        return IsText(rows) ? WordVectorsFormat.Word2VecText : WordVectorsFormat.Word2VecBinary;
    }

    private static bool IsText(ReadOnlySpan<byte> bytes)
    {
        const byte lastControl = 0x1F;
        int end = bytes.LastIndexOfAnyInRange((byte)0, (byte)0x7F) + 1; // the last character may be cut
        foreach (byte value in bytes[..end])
        {
            if (value <= lastControl && value is not ((byte)'\t' or (byte)'\n' or (byte)'\v' or (byte)'\f' or (byte)'\r')) return false;
        }
        return Utf8.IsValid(bytes[..end]);
    }
}
