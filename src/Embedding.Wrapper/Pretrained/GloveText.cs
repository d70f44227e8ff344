namespace EmbeddingWrapper.Pretrained;

/// <summary>GloVe's text format: rows and nothing else. The first one says how wide they are.</summary>
internal static class GloveText
{
    public static WordVectors Read(VectorFile file, LoadControl control)
    {
        var blocks = new TextBlocks(file);
        TextBlock first = blocks.Next() ?? throw FileFault.AtLine(file.Path, 1, "the file is empty.");
        int width = TextRow.CountNumbers(first[first.Lines[0]]);
        if (width == 0)
        {
            long line = first.Lines[0].Number;
            string shown = FileFault.Quote(first[first.Lines[0]]);
            first.Dispose();
            throw FileFault.AtLine(file.Path, line, $"{shown} is not a row: a word, then numbers, between spaces.");
        }
        return new TextRows(file, blocks, width, control).Read(first, announced: null);
    }
}
