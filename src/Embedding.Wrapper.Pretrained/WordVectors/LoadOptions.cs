namespace EmbeddingWrapper.Pretrained;

/// <summary>The options of a call of <c>WordVectors.Load</c>.</summary>
/// <param name="Limit">The largest number of rows to keep, or null.</param>
/// <param name="Progress">Is called after each block.</param>
/// <param name="Cancellation">Is checked at each read and after each block.</param>
/// <param name="Words">Decides which rows are kept.</param>
internal sealed record LoadOptions(int? Limit, IProgress<LoadProgress>? Progress, CancellationToken Cancellation, WordFilter Words)
{
    /// <summary>Reports progress.</summary>
    /// <exception cref="OperationCanceledException">The load was cancelled.</exception>
    public void Report(VectorStream file, int words)
    {
        Progress?.Report(new LoadProgress(file.BytesRead, file.TotalBytes, words));
        Cancellation.ThrowIfCancellationRequested();
    }
}
