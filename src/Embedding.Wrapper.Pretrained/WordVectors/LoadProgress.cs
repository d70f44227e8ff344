namespace EmbeddingWrapper.Pretrained;

/// <summary>The progress of <c>WordVectors.Load</c>.</summary>
/// <param name="BytesRead">The bytes read from the file so far. For a compressed file these are compressed bytes.</param>
/// <param name="TotalBytes">The size of the file in bytes, or 0 if it is unknown: for a pipe and for a stream that cannot seek.</param>
/// <param name="Words">The number of different words so far.</param>
public readonly record struct LoadProgress(long BytesRead, long TotalBytes, long Words);
