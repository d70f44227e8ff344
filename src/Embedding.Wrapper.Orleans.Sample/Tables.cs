using EmbeddingWrapper.Optim;
using TorchSharp.Modules;

namespace EmbeddingWrapper.Orleans.Sample;

/// <summary>The tables of all modes. Every silo is told the same.</summary>
internal static class Tables
{
    public const int Users = 2_000, Items = 1_000, Factors = 16, ProofRows = 1_003, ProofWidth = 17, ProofShards = 7;
    public const int BenchmarkRows = 200_000, BenchmarkWidth = 128, BenchmarkShards = 3;

    /// <summary>The optimizers of the proof.</summary>
    public static readonly Dictionary<string, Func<IEnumerable<Parameter>, SparseOptimizer>> Optimizers = new()
    {
        ["SparseAdam"] = weights => new SparseAdam(weights, lr: 0.05),
        ["Adagrad"] = weights => new Optim.Adagrad(weights, lr: 0.1, lrDecay: 0.01),
        ["SGD"] = weights => new Optim.SGD(weights, lr: 0.05),
        ["SGD with momentum"] = weights => new Optim.SGD(weights, lr: 0.05, momentum: 0.9),
    };

    public static void Add(IDictionary<string, EmbeddingTable> tables, string folder)
    {
        Add("users", new(Users, Factors, shards: 6) { Seed = 1, Optimizer = weights => new SparseAdam(weights, lr: 0.05) });
        Add("items", new(Items, Factors, shards: 6) { Seed = 2, Optimizer = weights => new SparseAdam(weights, lr: 0.05) });
        foreach ((string name, var optimizer) in Optimizers)
            foreach (string run in KillProof.Runs)
                Add(KillProof.Name(name, run), new(ProofRows, ProofWidth, ProofShards) { Seed = 3, Optimizer = optimizer });
        Add("benchmark", new(BenchmarkRows, BenchmarkWidth, BenchmarkShards) { Seed = 4 });

        void Add(string name, EmbeddingTable table) => tables[name] = new(table.Rows, table.Width, table.Shards)
        {
            Seed = table.Seed,
            Optimizer = table.Optimizer,
            CheckpointFolder = Path.Combine(folder, name),
        };
    }
}
