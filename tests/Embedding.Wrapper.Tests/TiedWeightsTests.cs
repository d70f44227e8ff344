using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests;

/// <summary>
/// TorchSharp's modules replace and dispose a parameter that they share with a layer. The layer keeps its numbers and works on. (Training
/// after such a move is compared with PyTorch in the parity tests.)
/// </summary>
public class TiedWeightsTests
{
    private abstract class Model(string name) : nn.Module<Tensor, Tensor>(name)
    {
        public abstract Linear Decoder { get; }

        public abstract Embedding Layer { get; }

        public override Tensor forward(Tensor input) => Decoder.forward(Layer.forward(input));
    }

    private sealed class LinearFirst : Model
    {
        private readonly Linear dec = nn.Linear(3, 4, hasBias: false);
        private readonly Embedding emb = Embedding.FromPretrained(Table(), freeze: false);

        public LinearFirst() : base(nameof(LinearFirst)) => RegisterComponents();

        public override Linear Decoder => dec;

        public override Embedding Layer => emb;
    }

    private sealed class LayerFirst : Model
    {
        private readonly Embedding emb = Embedding.FromPretrained(Table(), freeze: false);
        private readonly Linear dec = nn.Linear(3, 4, hasBias: false);

        public LayerFirst() : base(nameof(LayerFirst)) => RegisterComponents();

        public override Linear Decoder => dec;

        public override Embedding Layer => emb;
    }

    private abstract class WithLayer(string name) : Model(name)
    {
        private readonly Embedding emb = Embedding.FromPretrained(Table(), freeze: false);

        public override Embedding Layer => emb;
    }

    private sealed class LayerInBase : WithLayer
    {
        private readonly Linear dec = nn.Linear(3, 4, hasBias: false);

        public LayerInBase() : base(nameof(LayerInBase)) => RegisterComponents();

        public override Linear Decoder => dec;
    }

    private sealed class InLists : Model
    {
        private readonly ModuleList<Linear> decs = nn.ModuleList(nn.Linear(3, 4, hasBias: false));
        private readonly ModuleDict<Embedding> embs = new();

        public InLists() : base(nameof(InLists))
        {
            embs.Add("words", Embedding.FromPretrained(Table(), freeze: false));
            RegisterComponents();
        }

        public override Linear Decoder => decs[0];

        public override Embedding Layer => embs["words"];
    }

    private static readonly Dictionary<string, Func<Model>> Models = new()
    {
        [nameof(LinearFirst)] = () => new LinearFirst(),
        [nameof(LayerFirst)] = () => new LayerFirst(),
        [nameof(LayerInBase)] = () => new LayerInBase(),
    };

    private static readonly Dictionary<string, Action<Model>> Moves = new()
    {
        ["to(float64)"] = model => model.to(float64),
        ["to(bfloat16)"] = model => model.to(bfloat16),
        ["to(CPU, float64)"] = model => model.to(CPU, float64),
        ["to(CPU)"] = model => model.to(CPU),
        ["there and back"] = model => { model.to(float64); model.to(float32); },
        ["dec.to(float64)"] = model => model.Decoder.to(float64),
        ["dec.weight = other"] = model => model.Decoder.weight = new Parameter(zeros(4, 3)),
        ["dec.Dispose()"] = model => model.Decoder.Dispose(),
        ["Weight.Dispose()"] = model => model.Layer.Weight.Dispose(),
        ["twice"] = model =>
        {
            model.Decoder.weight = new Parameter(zeros(4, 3));
            model.Decoder.weight = model.Layer.Weight;
            model.Decoder.Dispose();
        },
    };

    public static IEnumerable<TheoryDataRow<string, bool, string>> Cases =>
        from model in Models.Keys
        from layerTakes in new[] { false, true }
        from move in Moves.Keys
        select new TheoryDataRow<string, bool, string>(model, layerTakes, move);

    [Theory]
    [MemberData(nameof(Cases))]
    public void TheLayerKeepsItsNumbersAndEveryMemberWorks(string model, bool layerTakes, string move)
    {
        Model moved = Models[model]();
        if (layerTakes) moved.Decoder.weight = new Parameter(Table());
        Tie(moved, layerTakes);

        Moves[move](moved);

        Embedding layer = moved.Layer;
        using Tensor input = Indices(1, 3);
        using Tensor rows = layer.forward(input);
        using Tensor expected = Table().index_select(0, input).to(rows.dtype);
        AssertSameBits(expected, rows);
        using Tensor looked = layer.Lookup(1, 3);
        AssertSameBits(expected, looked);
        AssertSameBits(expected, layer.Weight.index_select(0, input));
        Assert.Same(layer.Weight, layer.parameters().Single());
        Assert.Same(layer.Weight, layer.get_parameter("weight"));
        Assert.Same(layer.Weight, layer.state_dict()["weight"]);
        Assert.True(layer.Weight.requires_grad);
        if (rows.dtype == float32)
        {
            float[] destination = new float[6];
            layer.Lookup([1L, 3], destination.AsSpan());
            Assert.Equal(Floats(expected), destination);
        }
        layer.load_state_dict(new() { ["weight"] = Table() * 2 });
        Assert.Same(layer.Weight, layer.to(float64).parameters().Single());
        using Tensor last = layer.Lookup(3);
        Assert.Equal([18d, 20d, 22d], last.data<double>().ToArray());
    }

    /// <summary>As the documentation says: where the linear layer comes first, the tie is lost and one line ties again.</summary>
    [Theory]
    [InlineData(nameof(LayerFirst), false, true)]
    [InlineData(nameof(LayerFirst), true, true)]
    [InlineData(nameof(LinearFirst), false, false)]
    [InlineData(nameof(LinearFirst), true, false)]
    [InlineData(nameof(LayerInBase), false, false)]
    public void TheTieSurvivesToWhereTheLayerIsRegisteredFirst(string model, bool layerTakes, bool survives)
    {
        Model moved = Models[model]();
        Tie(moved, layerTakes);
        moved.to(float64);
        Assert.Equal(survives, ReferenceEquals(moved.Layer.Weight, moved.Decoder.weight));

        moved.Decoder.weight = moved.Layer.Weight;
        Assert.Single(moved.parameters());
        using Tensor input = Indices(1);
        using Tensor loss = moved.forward(input).sum();
        loss.backward();
        Assert.Same(moved.Layer.Weight, moved.Decoder.weight);
        Assert.Equal(float64, moved.Decoder.weight.grad!.dtype);
    }

    [Fact]
    public void AnOptimizerMadeBeforeTrainsTheLayerAfterALinearLayerInFrontHasMoved()
    {
        using var model = new LinearFirst();
        Tie(model, layerTakes: false);
        Parameter weight = model.Layer.Weight;
        using var sgd = optim.SGD(model.parameters(), 1.0);
        model.to(float64);
        model.Decoder.weight = model.Layer.Weight;
        using Tensor rows = model.Layer.Lookup(1);
        using Tensor loss = rows.sum();
        loss.backward();
        sgd.step();
        Assert.Same(weight, model.Layer.Weight);
        Assert.Equal([2d, 3d, 4d], model.Layer.Lookup(1).data<double>().ToArray());
    }

    [Fact]
    public void LayersInListsAndDictionariesKeepTheirNumbers()
    {
        var model = new InLists();
        model.Decoder.weight = model.Layer.Weight;
        model.Decoder.to(float64); // ModuleDict.to throws in TorchSharp
        model.Layer.to(float64);
        Assert.Equal([3d, 4d, 5d], model.Layer.Lookup(1).data<double>().ToArray());
        Assert.Contains(model.parameters(), each => ReferenceEquals(each, model.Layer.Weight));
    }

    [Fact]
    public void TwoTiedLayersStayTiedWhenTheirParameterIsDisposed()
    {
        using var first = Embedding.FromPretrained(Table(), freeze: false);
        using var second = new Embedding(4, 3);
        var shared = new Parameter(Table());
        first.Weight = shared;
        second.Weight = shared;
        shared.Dispose();

        Assert.Same(first.Weight, second.Weight);
        first.to(float64);
        Assert.Equal([9d, 10d, 11d], second.Lookup(3).data<double>().ToArray());
    }

    [Fact]
    public void ALayerOutlivesTheOneThatItSharesAWeightWith()
    {
        using var second = new Embedding(4, 3);
        using var third = new Embedding(4, 3);
        using (var first = Embedding.FromPretrained(Table(), freeze: false)) third.Weight = second.Weight = first.Weight;
        Assert.Same(second.Weight, third.Weight);
        second.Dispose();
        Assert.Equal(Floats(Table()), Floats(third.Weight));
    }

    [Fact]
    public void AGradientIsKeptToo()
    {
        var model = new LinearFirst();
        Tie(model, layerTakes: true);
        using (Tensor loss = model.forward(Indices(1)).sum()) loss.backward();
        byte[] gradient = Bits(model.Layer.Weight.grad!);
        model.Decoder.weight = new Parameter(zeros(4, 3));
        Assert.Equal(gradient, Bits(model.Layer.Weight.grad!));
    }

    [Fact]
    public void NothingIsLeftBehind()
    {
        long countedTwice = CountedTwice(), before = LiveTensors();
        for (int i = 0; i < 50; i++)
        {
            Isolated(() =>
            {
                var model = new LinearFirst();
                Tie(model, layerTakes: false);
                model.Decoder.weight = new Parameter(zeros(4, 3)); // "disposes" the layer's
                _ = model.Layer.Weight;
            });
        }
        LiveTensors();
        // The layer's, the linear layer's first one and the one that replaced it.
        Assert.Equal(before + (50 * 3 * countedTwice), LiveTensors());
    }

    /// <summary>What the pages on moving here say of names.</summary>
    [Fact]
    public void ACustomModuleListsATiedWeightOnceAmongItsParametersAndUnderBothNamesInItsState()
    {
        using var model = new LayerFirst();
        Tie(model, layerTakes: false);
        Assert.Equal(["emb.weight"], model.named_parameters().Select(each => each.name));
        Assert.Single(model.parameters());
        Assert.Equal(["emb.weight", "dec.weight"], model.state_dict().Keys);
    }

    [Fact]
    public void ASequentialListsATiedWeightOnceAlsoInItsState()
    {
        using var embedding = Embedding.FromPretrained(Table(), freeze: false);
        using var linear = nn.Linear(3, 4, hasBias: false);
        linear.weight = embedding.Weight;
        using var model = nn.Sequential(embedding, linear);
        Assert.Equal(["0.weight"], model.named_parameters().Select(each => each.name));
        Assert.Single(model.parameters());
        Assert.Equal(["0.weight"], model.state_dict().Keys);
    }

    private static void Tie(Model model, bool layerTakes)
    {
        if (layerTakes)
        {
            using (no_grad()) model.Decoder.weight.copy_(Table());
            model.Layer.Weight = model.Decoder.weight;
        }
        else model.Decoder.weight = model.Layer.Weight;
    }
}
