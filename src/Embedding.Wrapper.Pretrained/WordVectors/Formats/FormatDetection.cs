using System.Text.Unicode;

namespace EmbeddingWrapper.Pretrained;

/// <summary>Detects the format of a file from its first bytes.</summary>
internal static class FormatDetection
{
    public static WordVectorsFormat Of(VectorStream file) =>
        WordVectorsContainer.Is(file) ? WordVectorsFormat.SafeTensors : OfRows(file.Start);

    /// <summary>
    /// A first line of two whole numbers is the header of word2vec. The rest is text if the next line is a row or if it consists of printable
    /// characters. Binary numbers rarely do.
    /// </summary>
    /// <param name="start">The start of the file. 8 bytes behind it must be readable: see <see cref="NumberText"/>.</param>
    private static WordVectorsFormat OfRows(ReadOnlySpan<byte> start)
    {
        if (start.StartsWith("\uFEFF"u8)) start = start[3..];
        int headerEnd = start.IndexOfAny((byte)'\r', (byte)'\n');
        ReadOnlySpan<byte> line = headerEnd < 0 ? start : start[..headerEnd];
        if (!Word2VecHeader.TryParse(line, out Word2VecHeader header)) return WordVectorsFormat.GloveText;

        ReadOnlySpan<byte> rows = start[(headerEnd + 1)..]; // if there is no line end, this is the header itself, which is text
        if (rows.StartsWith("\n"u8)) rows = rows[1..];
        int rowEnd = rows.IndexOfAny((byte)'\r', (byte)'\n');
        if (rowEnd > 0 && TextRow.CountNumbers(rows[..rowEnd].TrimEnd(" \t\v\f"u8)) >= header.Width) return WordVectorsFormat.Word2VecText;
        return IsText(rows) ? WordVectorsFormat.Word2VecText : WordVectorsFormat.Word2VecBinary;
    }

    private static bool IsText(ReadOnlySpan<byte> bytes)
    {
        const byte lastControl = 0x1F;
        int end = bytes.LastIndexOfAnyInRange((byte)0, (byte)0x7F) + 1; // the last character may be incomplete
        foreach (byte value in bytes[..end])
        {
            if (value <= lastControl && value is not ((byte)'\t' or (byte)'\n' or (byte)'\v' or (byte)'\f' or (byte)'\r')) return false;
        }
        return Utf8.IsValid(bytes[..end]);
    }
}
