using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests;

/// <summary>The layer of bags as a TorchSharp module: other modules, tied weights, scopes, disposal, and no tensor left behind.</summary>
public class EmbeddingBagTests
{
    private sealed class Bags : nn.Module<Tensor, Tensor>
    {
        private readonly EmbeddingBag _bag;

        public Bags(EmbeddingBag bag) : base("Bags")
        {
            _bag = bag;
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => _bag.call(input);
    }

    private sealed class WithAField : EmbeddingBag
    {
        private readonly Parameter weight;

        public WithAField(Parameter own) : base(4, 3)
        {
            weight = own;
            RegisterComponents();
        }

        public Parameter Own => weight;
    }

    [Fact]
    public void ASmallModuleMakesItFitIntoSequential()
    {
        using var bag = EmbeddingBag.FromPretrained(Table(), freeze: false, mode: EmbeddingBagMode.Sum);
        using var model = nn.Sequential(new Bags(bag), nn.Identity());
        using Tensor input = tensor(new long[,] { { 0, 1 }, { 3, 3 } }), output = model.call(input);
        Assert.Equal([3f, 5f, 7f, 18f, 20f, 22f], Floats(output));
        Assert.Same(bag.Weight, model.parameters().Single());
    }

    [Fact]
    public void AFieldNamedWeightOfADerivedClassIsTheWeight()
    {
        using var own = new Parameter(Table());
        using var bag = new WithAField(own);
        Assert.Same(bag.Own, bag.Weight);
    }

    [Fact]
    public void ALookUpAndABagTrainOneTable()
    {
        using var embedding = Embedding.FromPretrained(Table(), freeze: false);
        using var bag = new EmbeddingBag(4, 3, mode: EmbeddingBagMode.Sum) { Weight = embedding.Weight };
        using Tensor input = Indices(1), offsets = Indices(0);
        using (Tensor sum = bag.call(input, offsets).sum()) sum.backward();
        using (Tensor sum = embedding.call(input).sum()) sum.backward();
        using Tensor gradient = embedding.Weight.grad!;
        Assert.Equal([0f, 0f, 0f, 2f, 2f, 2f], Floats(gradient)[..6]);
        bag.to(float64);
        Assert.Equal(float64, embedding.Weight.dtype);
    }

    [Fact]
    public void DisposingTheBagLeavesAnAssignedWeightAlive()
    {
        using var own = new Parameter(Table());
        using (var bag = new EmbeddingBag(4, 3) { Weight = own }) Assert.Same(own, bag.Weight);
        Assert.False(own.IsInvalid);
    }

    [Fact]
    public void ACheckedBadIndexIsFoundBeforeLibtorchSeesIt()
    {
        using var bag = new EmbeddingBag(4, 3) { CheckIndices = true };
        using Tensor input = Indices(0, 1, 4), offsets = Indices(0, 2);
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => bag.call(input, offsets));
        Assert.Equal(4L, error.ActualValue);
        Assert.Null(error.InnerException);
        Assert.Contains("at position [2], in bag 1", error.Message);
    }

    [Theory]
    [InlineData(ScalarType.Float32, EmbeddingBagMode.Sum)]
    [InlineData(ScalarType.Float32, EmbeddingBagMode.Mean)]
    [InlineData(ScalarType.Float64, EmbeddingBagMode.Mean)]
    public void ATableWithoutColumnsHasASparseGradientToo(ScalarType dtype, EmbeddingBagMode mode)
    {
        using var bag = new EmbeddingBag(4, 0, mode: mode, sparse: true, dtype: dtype);
        using Tensor input = Indices(1, 3), offsets = Indices(0), output = bag.call(input, offsets), sum = output.sum();
        sum.backward();
        using Tensor gradient = bag.Weight.grad!, indices = gradient.SparseIndices, values = gradient.SparseValues;
        Assert.Equal([1, 0], output.shape);
        Assert.Equal([1, 0], indices.shape); // as in PyTorch
        Assert.Equal([0, 0], values.shape);
    }

    [Fact]
    public void TheResultBelongsToTheCallersScope()
    {
        using var bag = new EmbeddingBag(4, 3);
        using Tensor input = Indices(0, 1), offsets = Indices(0);
        Tensor inside;
        using (NewDisposeScope()) inside = bag.call(input, offsets);
        Assert.True(inside.IsInvalid);
    }

    [Fact]
    public void BagsThatNobodyDisposedAreCollected()
    {
        long countedTwice = CountedTwice(), before = LiveTensors();
        Isolated(() =>
        {
            for (int i = 0; i < 50; i++) _ = new EmbeddingBag(4, 3);
        });
        Assert.Equal(before + 50 * countedTwice, LiveTensors());
    }

    /// <summary>Every way of computing: libtorch's two kernels, the weighted sum in place of the frequencies, and writes to the table.</summary>
    /// <summary>The layer uses the module of libtorch's C++ interface where it can, and the function uses TorchScript.</summary>
    [Theory]
    [InlineData(EmbeddingBagMode.Sum, null)]
    [InlineData(EmbeddingBagMode.Sum, 2L)]
    [InlineData(EmbeddingBagMode.Mean, null)]
    [InlineData(EmbeddingBagMode.Max, 2L)]
    public void TheLayerAnswersAsTheFunctionDoes(EmbeddingBagMode mode, long? paddingIdx)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor table = Table();
        using var layer = EmbeddingBag.FromPretrained(table, mode: mode, paddingIdx: paddingIdx);
        Tensor whole = Indices(1, 2, 3), bags = Indices(0, 2), none = Indices();
        Tensor[] inputs = [.. Odd(whole), none, Indices(1, 9, 3), table];
        Tensor[] offsets = [.. Odd(bags), none, Indices(0, 9), bags.unsqueeze(0)];
        Tensor?[] factors = [null, tensor(new[] { 1f, 2f, 3f }), tensor(new[] { 1.0, 2.0, 3.0 })];
        foreach (Tensor input in inputs)
        {
            foreach (Tensor start in offsets)
            {
                foreach (Tensor? factor in factors)
                {
                    Assert.Equal(
                        Answer(() => Functional.EmbeddingBag(input, table, start, mode: mode, perSampleWeights: factor, paddingIdx: paddingIdx)),
                        Answer(() => layer.forward(input, start, factor)));
                }
            }
        }

        static IEnumerable<Tensor> Odd(Tensor it) =>
            [it, it.to(int32), it.to(int16), it.to(float32), it.to(META), it.to_sparse(), stack([it, it], 1).select(1, 0)];

        static string Answer(Func<Tensor> look)
        {
            try
            {
                using Tensor found = look();
                return found.is_meta ? found.ToString() : string.Join(' ', Floats(found));
            }
            catch (Exception error)
            {
                return $"{error.GetType()}: {error.Message}";
            }
        }
    }

    [Theory]
    [InlineData(ScalarType.Float32, EmbeddingBagMode.Sum, false, true, null)]
    [InlineData(ScalarType.Float32, EmbeddingBagMode.Sum, true, true, null)]
    [InlineData(ScalarType.Float64, EmbeddingBagMode.Mean, true, false, 0.5)]
    [InlineData(ScalarType.BFloat16, EmbeddingBagMode.Mean, false, false, null)]
    [InlineData(ScalarType.BFloat16, EmbeddingBagMode.Mean, true, false, 0.5)]
    [InlineData(ScalarType.Float32, EmbeddingBagMode.Max, false, false, null)]
    public void TrainingLeavesNoTensorBehind(ScalarType dtype, EmbeddingBagMode mode, bool scaleGradByFreq, bool weighted, double? maxNorm)
    {
        Isolated(Train); // the first time compiles the script
        long countedTwice = CountedTwice(), before = LiveTensors();
        Isolated(Train);
        Assert.Equal(before + countedTwice, LiveTensors());

        void Train()
        {
            using var bag = new EmbeddingBag(4, 3, maxNorm, scaleGradByFreq: scaleGradByFreq, mode: mode, dtype: dtype);
            using Tensor input = Indices(1, 3, 3, 0), offsets = Indices(0, 1);
            using Tensor? factors = weighted ? ones(4, dtype, requires_grad: true) : null;
            using Tensor output = bag.call(input, offsets, factors), sum = output.sum();
            sum.backward();
            using Tensor? gradient = bag.Weight.grad, ofFactors = factors?.grad;
        }
    }
}
