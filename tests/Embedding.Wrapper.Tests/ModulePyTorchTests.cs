using System.Text.Json;
using TorchSharp.Modules;
using TorchSharp.PyBridge;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests;

/// <summary>The weights of modules with a layer go to PyTorch and come back, by TorchSharp.PyBridge, which dispatches on exact types.</summary>
public class ModulePyTorchTests
{
    private sealed class LayerFirst : nn.Module<Tensor, Tensor>
    {
        private readonly Embedding emb = Embedding.FromPretrained(Table(), freeze: false);
        private readonly Linear dec = nn.Linear(3, 4, hasBias: false);

        public LayerFirst(bool tied) : base(nameof(LayerFirst))
        {
            if (tied) dec.weight = emb.Weight;
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => dec.forward(emb.forward(input));
    }

    private sealed class LinearFirst : nn.Module<Tensor, Tensor>
    {
        private readonly Linear dec = nn.Linear(3, 4, hasBias: false);
        private readonly Embedding emb = Embedding.FromPretrained(Table(), freeze: false);

        public LinearFirst() : base(nameof(LinearFirst))
        {
            dec.weight = emb.Weight;
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => dec.forward(emb.forward(input));
    }

    private static readonly Dictionary<string, Func<nn.Module>> Models = new()
    {
        ["a layer"] = () => Embedding.FromPretrained(Table()),
        ["a new layer in bfloat16"] = () => new Embedding(4, 3, dtype: bfloat16),
        ["a layer that was converted"] = () => Embedding.FromPretrained(Table()).to(float64),
        ["bags"] = () => EmbeddingBag.FromPretrained(Table()),
        ["a weight that was assigned"] = () => new Embedding(4, 3) { Weight = new Parameter(Table()) },
        ["a model"] = () => new LayerFirst(tied: false),
        ["a sequence"] = () => nn.Sequential(Embedding.FromPretrained(Table()), nn.Linear(3, 2)),
        ["a tied model, the layer first"] = () => new LayerFirst(tied: true),
        ["a tied model, the linear layer first"] = () => new LinearFirst(),
        ["a tied model that was converted"] = () => new LayerFirst(tied: true).to(bfloat16),
    };

    public static TheoryData<string> Names => [.. Models.Keys];

    // TorchSharp.PyBridge 1.4.4 cannot read a tensor that is in the file under two names. PyTorch can.
    public static TheoryData<string> NamesOfUntied => [.. Models.Keys.Where(name => !name.Contains("tied"))];

    [Theory]
    [MemberData(nameof(NamesOfUntied))]
    public void LoadPyReadsWhatSavePyWrites(string name)
    {
        nn.Module model = Models[name](), other = Models[name]();
        using (no_grad())
            foreach (Tensor tensor in other.state_dict().Values) tensor.zero_();
        using var file = new MemoryStream();
        model.save_py(file, leaveOpen: true);
        file.Position = 0;
        other.load_py(file);
        Assert.Equal(Hex(model), Hex(other));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void PyTorchReadsWhatSavePyWrites(string name)
    {
        Assert.SkipUnless(OptimizerPyTorchTests.HasPyTorch, "python3-torch is not installed");
        nn.Module model = Models[name]();
        string file = Path.Combine(AppContext.BaseDirectory, $"{name}.pt"); // within the repository, which is all that some Pythons see
        model.save_py(file);
        (int exitCode, string output, string errors) = OptimizerPyTorchTests.Run("-c", """
            import json, sys, torch
            state = torch.load(sys.argv[1])
            print(json.dumps({name: tensor.contiguous().view(torch.uint8).numpy().tobytes().hex() for name, tensor in state.items()}))
            """, file);
        Assert.True(exitCode == 0, errors);
        Assert.Equal(Hex(model), JsonSerializer.Deserialize<Dictionary<string, string>>(output));
    }

    private static Dictionary<string, string> Hex(nn.Module model) =>
        model.state_dict().ToDictionary(entry => entry.Key, entry => Convert.ToHexStringLower(Bits(entry.Value)));
}
