using static TorchSharp.torch;

namespace EmbeddingWrapper.Native;

/// <summary>Work on many rows, shared between as many threads as libtorch may use.</summary>
internal static class ParallelRows
{
    /// <summary>Less than this is not worth another thread: waking one takes as long as copying it.</summary>
    private const long BytesPerThread = 256 * 1024;

    /// <summary>How many threads work on so many bytes should be shared between: 1 when asking would cost more than it gains.</summary>
    public static int Threads(long bytes) => bytes < 2 * BytesPerThread ? 1 : (int)Math.Min(get_num_threads(), bytes / BytesPerThread);

    /// <summary>Calls <paramref name="work"/> with the first row and the row after the last of each share.</summary>
    public static void Run(int threads, long rows, Action<long, long> work)
    {
        long share = (rows + threads - 1) / threads;
        Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads }, thread =>
        {
            long start = thread * share, end = Math.Min(start + share, rows);
            if (start < end) work(start, end);
        });
    }
}
