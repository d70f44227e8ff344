namespace EmbeddingWrapper.Pretrained;

/// <summary>GloVe's text format: rows without a header. The first row defines the number of dimensions.</summary>
internal sealed class GloveTextFormat(VectorStream file) : TextFormat(file)
{
    protected override bool Begin(ReadOnlySpan<byte> line, long number)
    {
        Width = TextRow.CountNumbers(line);
        if (Width > 0) return true;
        throw FileFault.AtLine(File.Path, number, $"{FileFault.Quote(line)} is not a row: a word, then numbers, between spaces.");
    }
}
