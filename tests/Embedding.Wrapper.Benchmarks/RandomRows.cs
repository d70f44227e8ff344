using System.Diagnostics;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Benchmarks;

/// <summary>
/// Times look-ups of random rows. "Fresh" asks for other rows in each call. "Repeated" asks for the same rows again and again, so they come
/// from the processor's cache.
/// </summary>
internal static class RandomRows
{
    private const int Batches = 20;

    /// <summary>
    /// How long a way is used before it is timed: the threads that the way before it has woken fall asleep, and its own wake up.
    /// </summary>
    private static readonly TimeSpan WarmUp = TimeSpan.FromMilliseconds(20);

    /// <summary>Microseconds for each way to look up <paramref name="count"/> rows, by "fresh NAME" and "repeated NAME".</summary>
    public static Dictionary<string, double> Time(long rows, long count, int rounds, Dictionary<string, Action<long[], Tensor>> ways)
    {
        var random = new Random(1);
        Dictionary<string, double> best = [];
        for (int round = 0; round < rounds; round++)
        {
            int first = round % ways.Count; // what a way finds in the heap and in the caches depends on the one before it
            foreach ((string name, Action<long[], Tensor> look) in ways.Skip(first).Concat(ways.Take(first)))
            {
                long[] batch = NewBatch();
                best.KeepFastest($"fresh {name}", Run(look, batch, [.. Enumerable.Range(0, Batches).Select(_ => NewBatch())]));
                best.KeepFastest($"repeated {name}", Run(look, batch, [batch]));
            }
        }
        return best;

        double Run(Action<long[], Tensor> look, long[] warmUp, long[][] batches)
        {
            Tensor[] inputs = [.. batches.Select(batch => tensor(batch))];
            using Tensor warmUpInput = tensor(warmUp);
            long calls = count < 1000 ? (1000 / count) + Batches : Batches; // a short look-up is timed in runs
            long start = Stopwatch.GetTimestamp();
            do look(warmUp, warmUpInput);
            while (Stopwatch.GetElapsedTime(start) < WarmUp);
            start = Stopwatch.GetTimestamp();
            for (int i = 0; i < calls; i++) look(batches[i % batches.Length], inputs[i % batches.Length]);
            double time = Stopwatch.GetElapsedTime(start).TotalMicroseconds / calls;
            foreach (Tensor input in inputs) input.Dispose();
            return time;
        }

        long[] NewBatch()
        {
            var batch = new long[count];
            for (int i = 0; i < batch.Length; i++) batch[i] = random.NextInt64(rows);
            return batch;
        }
    }
}
