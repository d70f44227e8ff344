using System.Diagnostics;
using System.Numerics;
using EmbeddingWrapper.Pretrained;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Benchmarks;

/// <summary>The ten words that are most similar to one word. Each round asks for another word.</summary>
internal sealed record NeighborCase(long Rows, long Width, int Rounds, int Threads) : ICase
{
    public string Kind => "neighbors";

    /// <summary>The fastest and the median round in microseconds, and the fastest time in which one thread multiplies each row.</summary>
    public Dictionary<string, double> Measure()
    {
        using Tensor table = randn(Rows, Width);
        using var vectors = new WordVectors(Enumerable.Range(0, (int)Rows).Select(i => $"word{i}"), table);
        double[] times = [.. Enumerable.Range(0, Rounds).Select(i => Time(() => vectors.MostSimilar($"word{i}"))).Order()];
        return new()
        {
            ["fastest"] = times[0],
            ["median"] = times[Rounds / 2],
            ["limit"] = Enumerable.Range(0, Rounds).Min(_ => Time(() => Multiply(table))),
        };

        static double Time(Action work)
        {
            long start = Stopwatch.GetTimestamp();
            work();
            return Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        }
    }

    private unsafe float Multiply(Tensor table)
    {
        float largest = float.MinValue;
        fixed (byte* memory = table.bytes)
        {
            float* query = (float*)memory;
            for (float* row = query, end = query + (Rows * Width); row < end; row += Width)
            {
                Vector<float> sum = default;
                long i = 0;
                for (; i <= Width - Vector<float>.Count; i += Vector<float>.Count)
                    sum = Vector.FusedMultiplyAdd(Vector.Load(row + i), Vector.Load(query + i), sum);
                float product = Vector.Sum(sum);
                for (; i < Width; i++) product += row[i] * query[i];
                largest = Math.Max(largest, product);
            }
        }
        return largest;
    }
}
