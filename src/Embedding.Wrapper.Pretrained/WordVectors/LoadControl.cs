namespace EmbeddingWrapper.Pretrained;

/// <summary>What the caller of <see cref="WordVectors.Load"/> wants while a file is read.</summary>
/// <param name="Limit">The most rows to read, or null.</param>
/// <param name="Progress">Is told after each block.</param>
/// <param name="Cancellation">Is asked after each block.</param>
internal sealed record LoadControl(int? Limit, IProgress<LoadProgress>? Progress, CancellationToken Cancellation)
{
    public void Report(VectorStream file, int words)
    {
        Progress?.Report(new LoadProgress(file.BytesRead, file.TotalBytes, words));
        Cancellation.ThrowIfCancellationRequested();
    }
}
