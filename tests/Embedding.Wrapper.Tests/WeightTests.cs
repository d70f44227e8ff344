using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests;

public class WeightTests
{
    [Fact]
    public void EveryReadGivesTheSameObject()
    {
        using var embedding = new Embedding(4, 3);
        Assert.Same(embedding.Weight, embedding.Weight);
        Assert.Same(embedding.Weight, embedding.parameters().Single());
        Assert.Same(embedding.Weight, embedding.get_parameter("weight"));
    }

    [Fact]
    public void StateDictHasExactlyTheKeyWeight()
    {
        using var embedding = new Embedding(4, 3);
        Assert.Equal(["weight"], embedding.state_dict().Keys);
        Assert.Empty(embedding.buffers());
        Assert.Empty(embedding.children());
    }

    [Fact]
    public void InSequentialTheWeightIsListedOnceUnderItsPrefix()
    {
        using var model = nn.Sequential(("words", new Embedding(4, 3)), ("out", nn.Linear(3, 2, hasBias: false)));
        Assert.Equal(["words.weight", "out.weight"], model.named_parameters().Select(p => p.name));
        Assert.Equal(["words.weight", "out.weight"], model.state_dict().Keys);
    }

    private sealed class Classifier : nn.Module<Tensor, Tensor>
    {
        public readonly Embedding words = new(4, 3);
        private readonly Linear output = nn.Linear(3, 2, hasBias: false);

        public Classifier() : base(nameof(Classifier)) => RegisterComponents();

        public override Tensor forward(Tensor input) => output.forward(words.forward(input).mean([1]));
    }

    [Fact]
    public void AModelFindsTheLayerInItsFields()
    {
        using var model = new Classifier();
        Assert.Equal(["words.weight", "output.weight"], model.named_parameters().Select(p => p.name));
        Assert.Equal(["words", "output"], model.named_modules().Select(m => m.name));
    }

    private sealed class WithBias : Embedding
    {
        private readonly Parameter bias = new(zeros(2));

        public WithBias() : base(4, 2) => RegisterComponents();

        public override Tensor forward(Tensor input) => base.forward(input) + bias;
    }

    [Fact]
    public void ASubclassMayHaveParametersOfItsOwnAndToConvertsThemAll()
    {
        using var table = new WithBias();
        var weight = table.Weight;

        table.to(float64);

        Assert.Equal(["bias", "weight"], table.named_parameters().Select(p => p.name).Order());
        Assert.All(table.parameters(), p => Assert.Equal(float64, p.dtype));
        Assert.Same(weight, table.Weight);
        using Tensor index = Indices(1, 2);
        using Tensor rows = table.call(index);
        Assert.Equal(float64, rows.dtype);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void AnOptimizerMadeBeforeToStillTrainsTheLayer(bool sparse)
    {
        using Tensor source = Table();
        using var embedding = Embedding.FromPretrained(source, freeze: false, sparse: sparse);
        using var sgd = optim.SGD(embedding.parameters(), 1.0);
        using Tensor index = Indices(1);
        var weight = embedding.Weight;
        using (Tensor loss = embedding.forward(index).sum()) loss.backward();

        embedding.to(float64);
        sgd.step();

        Assert.Same(weight, embedding.Weight);
        using Tensor row = embedding.forward(index);
        Assert.Equal([2d, 3d, 4d], row.data<double>().ToArray());
        Assert.Equal(3f, source[1, 0].ToSingle()); // a table of another dtype has other memory
    }

    [Fact]
    public void TiedWeightsAreOneParameter()
    {
        using var embedding = Embedding.FromPretrained(Table(), freeze: false);
        using var linear = nn.Linear(3, 4, hasBias: false);
        linear.weight = embedding.Weight;
        using Tensor index = Indices(1);
        using Tensor loss = linear.forward(embedding.forward(index)).sum();
        loss.backward();

        Assert.Same(embedding.Weight, linear.weight);
        Assert.Equal([3f, 4f, 5f, 21f, 26f, 31f, 3f, 4f, 5f, 3f, 4f, 5f], Floats(embedding.Weight.grad!));
    }

    [Fact]
    public void AnAssignedWeightIsUsedAndStaysTheCallers()
    {
        using var mine = new Parameter(Table(9, 5));
        using (var embedding = new Embedding(4, 3))
        {
            embedding.Weight = mine;
            using Tensor index = Indices(8);
            using Tensor row = embedding.forward(index);
            Assert.Equal([40f, 41f, 42f, 43f, 44f], Floats(row));
            Assert.Same(mine, embedding.parameters().Single());
            Assert.Equal("Embedding(4, 3)", embedding.ToString());
        }
        Assert.Equal(44f, mine[8, 4].ToSingle());
    }

    [Fact]
    public void AssigningTheWeightThatIsThereLeavesItTheLayers()
    {
        Parameter weight;
        using (var embedding = new Embedding(4, 3)) embedding.Weight = weight = embedding.Weight;
        Assert.True(weight.IsInvalid);
    }

    [Fact]
    public void TheOldWeightOutlivesItsReplacement()
    {
        using var embedding = new Embedding(4, 3);
        using var old = embedding.Weight;
        using var mine = new Parameter(Table());
        embedding.Weight = mine;
        Assert.False(old.IsInvalid);
    }

    [Fact]
    public void SavedWeightsComeBackBitForBit()
    {
        using var saved = new Embedding(5, 3, paddingIdx: 0);
        using var loaded = new Embedding(5, 3, paddingIdx: 0);
        using var stream = new MemoryStream();
        using (var writer = new BinaryWriter(stream, System.Text.Encoding.UTF8, leaveOpen: true)) saved.save(writer);
        stream.Position = 0;
        loaded.load(stream);

        AssertSameBits(saved.Weight, loaded.Weight);
    }

    [Fact]
    public void AFailedLoadChangesNothing()
    {
        using var embedding = new Embedding(4, 3);
        byte[] before = Bits(embedding.Weight);
        using Tensor oneRow = zeros(1, 3);
        using Tensor right = zeros(4, 3);

        var shape = Assert.Throws<InvalidOperationException>(() => embedding.load_state_dict(new() { ["weight"] = oneRow }, strict: false));
        var names = Assert.Throws<InvalidOperationException>(() => embedding.load_state_dict(new() { ["weight"] = right, ["bias"] = right }));

        Assert.Contains("size mismatch for weight: copying a param with shape torch.Size([1, 3]) from checkpoint", shape.Message);
        Assert.Contains("Unexpected key(s) in state_dict: \"bias\". ", names.Message);
        Assert.Equal(before, Bits(embedding.Weight));
    }

    [Fact]
    public void SkippedNamesAreLeftAlone()
    {
        using var embedding = new Embedding(4, 3);
        byte[] before = Bits(embedding.Weight);
        using Tensor other = zeros(9, 9);

        embedding.load_state_dict(new() { ["weight"] = other, ["bias"] = other }, skip: ["weight", "bias"]);

        Assert.Equal(before, Bits(embedding.Weight));
    }
}
