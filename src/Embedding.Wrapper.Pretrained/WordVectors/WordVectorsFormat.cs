namespace EmbeddingWrapper.Pretrained;

/// <summary>The formats in which word vectors are passed on.</summary>
public enum WordVectorsFormat
{
    /// <summary>Found by looking at the file. Its name does not matter.</summary>
    Auto,

    /// <summary>One word a line, followed by its numbers; no header.</summary>
    GloveText,

    /// <summary>The same under a header line of two numbers, how many words and how many numbers each. fastText's <c>.vec</c> is this.</summary>
    Word2VecText,

    /// <summary>That header, then for each word: its text, a space, its numbers as little-endian float32, perhaps a line feed.</summary>
    Word2VecBinary,
}
