namespace EmbeddingWrapper.Pretrained;

/// <summary>A file format for word vectors.</summary>
public enum WordVectorsFormat
{
    /// <summary>The format is detected from the first bytes of the file. The name of the file does not matter.</summary>
    Auto,

    /// <summary>Text without a header. Each line is a word and its numbers, separated by spaces.</summary>
    GloveText,

    /// <summary>
    /// The same lines after a header line of two numbers: the number of words and the number of dimensions. fastText's <c>.vec</c> files have
    /// this format.
    /// </summary>
    Word2VecText,

    /// <summary>
    /// The same header line, then for each word its text, a space, and its numbers as little-endian float32. A line feed may follow each row.
    /// </summary>
    Word2VecBinary,

    /// <summary>A safetensors file, as <see cref="WordVectors.Save"/> writes it.</summary>
    SafeTensors,
}
