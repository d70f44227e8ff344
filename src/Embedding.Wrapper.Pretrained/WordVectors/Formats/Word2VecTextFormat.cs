namespace EmbeddingWrapper.Pretrained;

/// <summary>The text format of word2vec and fastText: a header line, then rows.</summary>
internal sealed class Word2VecTextFormat(VectorStream file, WordFilter words) : TextFormat(file, words)
{
    protected override bool Begin(ReadOnlySpan<byte> line, long number)
    {
        Word2VecHeader header = Word2VecHeader.Parse(File.Name, line, bytesPerNumber: 2);
        Width = (int)header.Width;
        DeclaredRows = header.Words;
        return false;
    }
}
