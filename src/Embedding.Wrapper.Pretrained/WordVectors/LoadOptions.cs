namespace EmbeddingWrapper.Pretrained;

/// <summary>What the caller of <see cref="WordVectors.Load"/> asked for.</summary>
/// <param name="Limit">The largest number of rows to read, or null.</param>
/// <param name="Progress">Is called after each block.</param>
/// <param name="Cancellation">Is checked after each block.</param>
internal sealed record LoadOptions(int? Limit, IProgress<LoadProgress>? Progress, CancellationToken Cancellation)
{
    /// <summary>Reports progress.</summary>
    /// <exception cref="OperationCanceledException">The load was cancelled.</exception>
    public void Report(VectorStream file, int words)
    {
        Progress?.Report(new LoadProgress(file.BytesRead, file.TotalBytes, words));
        Cancellation.ThrowIfCancellationRequested();
    }
}
