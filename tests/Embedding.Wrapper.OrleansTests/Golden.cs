using System.Globalization;
using System.Text.Json;
using EmbeddingWrapper.Optim;
using EmbeddingWrapper.Orleans;
using TorchSharp.Modules;

namespace EmbeddingWrapper.OrleansTests;

/// <summary>One table that PyTorch trained: parity-scripts/checks/sharded.py writes the file.</summary>
internal static class Golden
{
    private static readonly JsonElement Content =
        JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Sharded.verified.json"))).RootElement;

    public static readonly long Rows = Content.GetProperty("rows").GetInt64(), Seed = Content.GetProperty("seed").GetInt64();

    public static readonly int Width = Content.GetProperty("width").GetInt32();

    /// <summary>The rows of each step.</summary>
    public static readonly long[][] Batches = [.. Content.GetProperty("batches").EnumerateArray()
        .Select(batch => batch.GetString()!.Split(' ').Select(row => long.Parse(row, CultureInfo.InvariantCulture)).ToArray())];

    /// <summary>The optimizers of the script, with its options.</summary>
    public static readonly Dictionary<string, Func<IEnumerable<Parameter>, SparseOptimizer>> Optimizers = new()
    {
        ["sparse_adam"] = weights => new SparseAdam(weights, lr: 0.05, beta1: 0.8, beta2: 0.95, eps: 1e-6),
        ["adagrad"] = weights => new Optim.Adagrad(weights, lr: 0.1, lrDecay: 0.01, initialAccumulatorValue: 0.1),
        ["sgd"] = weights => new Optim.SGD(weights, lr: 0.05),
        ["sgd_momentum"] = weights => new Optim.SGD(weights, lr: 0.05, momentum: 0.9, dampening: 0.25),
    };

    /// <summary>The hash of all rows before the first step and after each.</summary>
    public static string[] Hashes(string optimizer) =>
        [.. Of(optimizer).GetProperty("hashes").EnumerateArray().Select(hash => hash.GetString()!)];

    /// <summary>The rows and the optimizer's tensors after the last step, by PyTorch's names, as bytes.</summary>
    public static Dictionary<string, byte[]> State(string optimizer) => Tensors(Of(optimizer).GetProperty("state"));

    /// <summary>The same after the two steps with zeros, by SGD with momentum.</summary>
    public static Dictionary<string, byte[]> Zeros => Tensors(Content.GetProperty("zeros"));

    private static Dictionary<string, byte[]> Tensors(JsonElement state) =>
        state.EnumerateObject().ToDictionary(tensor => tensor.Name, tensor =>
            tensor.Value.ValueKind == JsonValueKind.Array
                ? tensor.Value.EnumerateArray().SelectMany(row => BitConverter.GetBytes(row.GetInt64())).ToArray()
                : Convert.FromHexString(tensor.Value.GetString()!));

    public static EmbeddingTable Table(string optimizer, int shards, string? checkpoints = null) =>
        new(Rows, Width, shards) { Seed = Seed, Optimizer = Optimizers[optimizer], CheckpointFolder = checkpoints };

    private static JsonElement Of(string optimizer) => Content.GetProperty("optimizers").GetProperty(optimizer);
}
