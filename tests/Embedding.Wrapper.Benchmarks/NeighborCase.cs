using System.Diagnostics;
using EmbeddingWrapper.Pretrained;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Benchmarks;

/// <summary>The ten words that are most similar to one word. Each round asks for another word.</summary>
internal sealed record NeighborCase(long Rows, long Width, int Rounds, int Threads) : ICase
{
    public string Kind => "neighbors";

    /// <summary>The fastest round in microseconds.</summary>
    public Dictionary<string, double> Measure()
    {
        set_num_threads(Threads);
        using Tensor table = randn(Rows, Width);
        using var vectors = new WordVectors(Enumerable.Range(0, (int)Rows).Select(i => $"word{i}"), table);
        double best = double.MaxValue;
        for (int i = 0; i < Rounds; i++)
        {
            long start = Stopwatch.GetTimestamp();
            vectors.MostSimilar($"word{i}");
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalMicroseconds);
        }
        return new() { ["here"] = best };
    }
}
