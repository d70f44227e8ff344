namespace EmbeddingWrapper.Pretrained;

/// <summary>A word that <c>WordVectors.MostSimilar</c> has found.</summary>
/// <param name="Word">The word.</param>
/// <param name="Similarity">The cosine of the two vectors, from -1 to 1.</param>
public readonly record struct Neighbor(string Word, float Similarity)
{
    /// <summary>The text of both, the same in every culture: <c>(river, 0.75)</c>.</summary>
    /// <returns>The text.</returns>
    public override string ToString() => FormattableString.Invariant($"({Word}, {Similarity})");
}
