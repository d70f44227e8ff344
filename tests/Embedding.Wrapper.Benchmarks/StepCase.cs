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

    private static readonly Lazy<jit.CompilationUnit> Script =
        new(() => jit.compile("def coalesce(tensor: Tensor):\n    return tensor.coalesce()\n"));

    public string Kind => "step";

    /// <summary>
    /// The fastest round, each part of it, and the coalescing of a gradient by itself, in microseconds. TorchSharp's come with a prefix.
    /// </summary>
    public Dictionary<string, double> Measure()
    {
        Dictionary<string, double> best = [];
        using (var embedding = new Embedding(Rows, Width, sparse: true))
        using (OptimizerHelper optimizer = Make(embedding.parameters()))
            Train(embedding, embedding.Weight, optimizer, best, "");
        if (Optimizer == nameof(SGD)) // TorchSharp has no SparseAdam, and its Adagrad refuses sparse gradients
        {
            using var embedding = nn.Embedding(Rows, Width, sparse: true);
            using var optimizer = optim.SGD(embedding.parameters(), 1e-3);
            Train(embedding, embedding.weight!, optimizer, best, "torchsharp ");
        }
        using (var limit = new PlainStep(Optimizer, Rows, (int)Width, (int)Batch)) limit.Measure(Rounds, best);
        return best;
    }

    private void Train(nn.Module<Tensor, Tensor> embedding, Parameter weight, OptimizerHelper optimizer, Dictionary<string, double> best, string prefix)
    {
        Tensor[] batches = [.. Enumerable.Range(0, Batches).Select(_ => randint(0, Rows, [Batch]))];
        using Tensor upstream = randn(Batch, Width);
        for (int i = 0; i < 2 * Rounds; i++)
        {
            long start = Stopwatch.GetTimestamp();
            optimizer.zero_grad();
            long zeroed = Stopwatch.GetTimestamp();
            Tensor found = embedding.forward(batches[i % Batches]);
            long forward = Stopwatch.GetTimestamp();
            found.backward([upstream]);
            found.Dispose();
            long backward = Stopwatch.GetTimestamp();
            optimizer.step();
            long stepped = Stopwatch.GetTimestamp();
            using Tensor gradient = weight.grad!;
            long before = Stopwatch.GetTimestamp();
            ((Tensor)Script.Value.invoke("coalesce", gradient)).Dispose();
            long coalesced = Stopwatch.GetTimestamp();
            if (i < Rounds) continue; // warm-up: the runtime compiles hot methods again
            Keep("zero_grad", start, zeroed);
            Keep("forward", zeroed, forward);
            Keep("backward", forward, backward);
            Keep("step", backward, stepped);
            Keep("round", start, stepped);
            Keep("coalesce", before, coalesced);
        }
        foreach (Tensor batch in batches) batch.Dispose();

        void Keep(string part, long from, long to) => best.KeepFastest(prefix + part, Stopwatch.GetElapsedTime(from, to).TotalMicroseconds);
    }

    private OptimizerHelper Make(IEnumerable<Parameter> parameters) => Optimizer switch
    {
        nameof(SparseAdam) => new SparseAdam(parameters),
        nameof(Adagrad) => new Adagrad(parameters),
        nameof(SGD) => new SGD(parameters),
        _ => throw new InvalidOperationException($"No such optimizer here: {Optimizer}"),
    };
}
