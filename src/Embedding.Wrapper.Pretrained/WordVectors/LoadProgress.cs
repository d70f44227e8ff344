namespace EmbeddingWrapper.Pretrained;

/// <summary>The progress of <see cref="WordVectors.Load"/>.</summary>
/// <param name="BytesRead">The bytes read from the file so far. For a <c>.gz</c> file these are compressed bytes.</param>
/// <param name="TotalBytes">The size of the file in bytes.</param>
/// <param name="Words">The number of different words so far.</param>
public readonly record struct LoadProgress(long BytesRead, long TotalBytes, long Words);
