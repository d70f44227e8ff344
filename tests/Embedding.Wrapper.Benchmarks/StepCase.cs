using System.Diagnostics;
using EmbeddingWrapper.Optim;
using TorchSharp.Modules;
using static TorchSharp.torch;
using Adagrad = EmbeddingWrapper.Optim.Adagrad;

namespace EmbeddingWrapper.Benchmarks;

/// <summary>One training step on a sparse gradient: zero_grad, forward, backward, step. Each round looks other random rows up.</summary>
internal sealed record StepCase(string Optimizer, long Rows, long Width, long Batch, int Rounds, int Threads)
{
    private const int Batches = 20;

    public Timing Measure()
    {
        set_num_threads(Threads);
        using var embedding = new Embedding(Rows, Width, sparse: true);
        using OptimizerHelper optimizer = Make(embedding.parameters());
        Tensor[] batches = [.. Enumerable.Range(0, Batches).Select(_ => randint(0, Rows, [Batch]))];
        using Tensor upstream = randn(Batch, Width);
        var rounds = new List<double>();
        var steps = new List<double>();
        for (int i = 0; i < Rounds + Batches; i++)
        {
            long start = Stopwatch.GetTimestamp();
            optimizer.zero_grad();
            using (Tensor found = embedding.forward(batches[i % Batches])) found.backward([upstream]);
            long middle = Stopwatch.GetTimestamp();
            optimizer.step();
            long end = Stopwatch.GetTimestamp();
            if (i < Batches) continue; // warm-up
            rounds.Add(Stopwatch.GetElapsedTime(start, end).TotalMicroseconds);
            steps.Add(Stopwatch.GetElapsedTime(middle, end).TotalMicroseconds);
        }
        foreach (Tensor batch in batches) batch.Dispose();
        return new Timing(rounds.Min(), steps.Min());
    }

    private OptimizerHelper Make(IEnumerable<Parameter> parameters) => Optimizer switch
    {
        nameof(SparseAdam) => new SparseAdam(parameters),
        nameof(Adagrad) => new Adagrad(parameters),
        "SGD" => optim.SGD(parameters, 1e-3),
        _ => throw new InvalidOperationException($"No such optimizer here: {Optimizer}"),
    };
}

/// <summary>The fastest round and the fastest optimizer step, in microseconds.</summary>
internal readonly record struct Timing(double Round, double Step)
{
    public static Timing Best(Timing a, Timing b) => new(Math.Min(a.Round, b.Round), Math.Min(a.Step, b.Step));
}
