using System.Diagnostics;
using EmbeddingWrapper.Optim;
using TorchSharp.Modules;
using static TorchSharp.torch;
using Adagrad = EmbeddingWrapper.Optim.Adagrad;
using SGD = EmbeddingWrapper.Optim.SGD;

namespace EmbeddingWrapper.Benchmarks;

/// <summary>One training round on a sparse gradient: zero_grad, forward, backward, step. Each round looks up other random rows.</summary>
internal sealed record StepCase(string Optimizer, long Rows, long Width, long Batch, int Rounds, int Threads) : ICase
{
    private const int Batches = 20;

    public string Kind => "step";

    /// <summary>The fastest round and the fastest step alone, in microseconds.</summary>
    public Dictionary<string, double> Measure()
    {
        set_num_threads(Threads);
        using var embedding = new Embedding(Rows, Width, sparse: true);
        using OptimizerHelper optimizer = Make(embedding.parameters());
        Tensor[] batches = [.. Enumerable.Range(0, Batches).Select(_ => randint(0, Rows, [Batch]))];
        using Tensor upstream = randn(Batch, Width);
        double bestRound = double.MaxValue, bestStep = double.MaxValue;
        for (int i = 0; i < Rounds + Batches; i++)
        {
            long start = Stopwatch.GetTimestamp();
            optimizer.zero_grad();
            using (Tensor found = embedding.forward(batches[i % Batches])) found.backward([upstream]);
            long middle = Stopwatch.GetTimestamp();
            optimizer.step();
            long end = Stopwatch.GetTimestamp();
            if (i < Batches) continue; // warm-up
            bestRound = Math.Min(bestRound, Stopwatch.GetElapsedTime(start, end).TotalMicroseconds);
            bestStep = Math.Min(bestStep, Stopwatch.GetElapsedTime(middle, end).TotalMicroseconds);
        }
        foreach (Tensor batch in batches) batch.Dispose();
        return new() { ["round"] = bestRound, ["step"] = bestStep };
    }

    private OptimizerHelper Make(IEnumerable<Parameter> parameters) => Optimizer switch
    {
        nameof(SparseAdam) => new SparseAdam(parameters),
        nameof(Adagrad) => new Adagrad(parameters),
        nameof(SGD) => new SGD(parameters),
        _ => throw new InvalidOperationException($"No such optimizer here: {Optimizer}"),
    };
}
