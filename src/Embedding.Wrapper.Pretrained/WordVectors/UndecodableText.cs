namespace EmbeddingWrapper.Pretrained;

/// <summary>
/// How <see cref="WordVectors.Load(string, WordVectorsFormat, int?, IProgress{LoadProgress}?, CancellationToken, UndecodableText, IReadOnlySet{string}?)"/>
/// treats a word that is not valid UTF-8. word2vec writes such words when it cuts a long word within a character, and published fastText
/// files contain some.
/// </summary>
public enum UndecodableText
{
    /// <summary>The load ends with an <see cref="InvalidDataException"/>.</summary>
    Throw,

    /// <summary>
    /// Each invalid sequence becomes U+FFFD, as with <c>errors='replace'</c> in Python and <c>unicode_errors='replace'</c> in gensim. Words that
    /// become equal count as duplicates.
    /// </summary>
    Replace,

    /// <summary>The row is left out and counted in <see cref="WordVectors.SkippedCount"/>.</summary>
    Skip,
}
