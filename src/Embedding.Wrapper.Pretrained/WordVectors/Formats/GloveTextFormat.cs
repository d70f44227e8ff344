namespace EmbeddingWrapper.Pretrained;

/// <summary>GloVe's text format: rows without a header. The first row defines the number of dimensions.</summary>
internal sealed class GloveTextFormat(VectorStream file, WordFilter words) : TextFormat(file, words)
{
    protected override bool Begin(ReadOnlySpan<byte> line, long number)
    {
        Width = TextRow.CountNumbers(line);
        if (Width > 0) return true;
        throw FileFault.AtLine(File.Name, number, $"{FileFault.Quote(line)} is not a row: a word, then numbers, between spaces.");
    }
}
