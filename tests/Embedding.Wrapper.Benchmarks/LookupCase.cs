using System.Diagnostics;
using System.Runtime.Intrinsics.X86;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Benchmarks;

/// <summary>Looks up other random rows each time, because a repeated batch would come from the processor's cache.</summary>
internal sealed record LookupCase(long Rows, long Width, long Batch, int Rounds, int Threads) : ICase
{
    private const int Batches = 20;

    public string Kind => "lookup";

    /// <summary>Microseconds: our forward and span Lookup, TorchSharp's module, and a plain loop that copies the rows.</summary>
    public Dictionary<string, double> Measure()
    {
        set_num_threads(Threads);
        using var grad = no_grad();
        using var ours = new Embedding(Rows, Width);
        using var theirs = nn.Embedding_from_pretrained(ours.Weight.detach());
        var random = new Random(1);
        long[][] batches = [.. Enumerable.Range(0, Batches).Select(_ => NewBatch())];
        Tensor[] inputs = [.. batches.Select(batch => tensor(batch))];
        var rows = new float[Batch * Width];
        var results = new Dictionary<string, double>
        {
            ["forward"] = Fastest(i => ours.forward(inputs[i]).Dispose()),
            ["torchsharp"] = Fastest(i => theirs.forward(inputs[i]).Dispose()),
            ["lookup"] = Fastest(i => ours.Lookup(batches[i].AsSpan(), rows.AsSpan())),
            ["limit"] = Fastest(i => CopyRows(ours.Weight, batches[i], rows)),
        };
        foreach (Tensor input in inputs) input.Dispose();
        return results;

        long[] NewBatch()
        {
            var batch = new long[Batch];
            for (int i = 0; i < batch.Length; i++) batch[i] = random.NextInt64(Rows);
            return batch;
        }
    }

    private double Fastest(Action<int> look)
    {
        // A short look-up is timed in runs, so that the cost of reading the clock does not matter.
        int run = Batch < 1000 ? 1000 / (int)Batch + Batches : Batches;
        double best = double.MaxValue;
        for (int round = 0; round < Rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < run; i++) look(i % Batches);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalMicroseconds / run);
        }
        return best;
    }

    /// <summary>The fastest that the memory allows: no checks, rows are prefetched, each row is copied once.</summary>
    private unsafe void CopyRows(Tensor table, long[] indices, float[] rows)
    {
        long bytes = Width * sizeof(float);
        fixed (byte* from = table.bytes)
        fixed (float* to = rows)
        {
            for (int i = 0; i < indices.Length; i++)
            {
                if (Sse.IsSupported && i + 16 < indices.Length)
                    for (long line = 0; line < bytes; line += 64) Sse.Prefetch0(from + (indices[i + 16] * bytes) + line);
                Buffer.MemoryCopy(from + (indices[i] * bytes), (byte*)to + (i * bytes), bytes, bytes);
            }
        }
    }
}
