namespace EmbeddingWrapper.Pretrained;

/// <summary>How far <see cref="WordVectors.Load"/> has come.</summary>
/// <param name="BytesRead">Bytes of the file that were read; of a <c>.gz</c> file, compressed ones.</param>
/// <param name="TotalBytes">The size of the file.</param>
/// <param name="Words">Words so far, each counted once.</param>
public readonly record struct LoadProgress(long BytesRead, long TotalBytes, long Words);
