namespace EmbeddingWrapper.Pretrained;

/// <summary>word2vec's text format, and fastText's: a header, then rows.</summary>
internal static class Word2VecText
{
    private const int BytesPerNumber = 2; // a space and a digit

    public static WordVectors Read(VectorFile file, LoadControl control)
    {
        var blocks = new TextBlocks(file);
        TextBlock first = blocks.Next() ?? throw FileFault.AtLine(file.Path, 1, "the file is empty.");
        Word2VecHeader header;
        try
        {
            header = Word2VecHeader.Parse(file.Path, first[first.Lines[0]], BytesPerNumber);
        }
        catch
        {
            first.Dispose();
            throw;
        }
        first.Lines.RemoveAt(0);
        return new TextRows(file, blocks, (int)header.Width, control).Read(first, header.Words);
    }
}
