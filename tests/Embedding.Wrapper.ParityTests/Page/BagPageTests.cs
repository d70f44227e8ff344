using System.Runtime.InteropServices;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Page;

/// <summary>What the documentation page of EmbeddingBag says in words, and its examples.</summary>
public class BagPageTests : PageTests
{
    [Fact]
    public void ABagMayHaveMoreRowsThanTheMemoryHolds()
    {
        const int length = 1 << 23; // so many rows of so many numbers take 256 TiB, which is more than a process can address
        Tensor table = ones(2, length), input = zeros([1, length], int64);
        input[0, 77] = 1;
        using EmbeddingBag bag = EmbeddingBag.FromPretrained(table, mode: EmbeddingBagMode.Sum, paddingIdx: 0); // one row to add
        TensorAssert.AllTrue(bag.call(input) == 1);

        using Embedding embedding = Embedding.FromPretrained(table);
        Assert.Throws<OutOfMemoryException>(() => embedding.call(input));
    }

    [Theory]
    [InlineData(EmbeddingBagMode.Sum)]
    [InlineData(EmbeddingBagMode.Mean)]
    [InlineData(EmbeddingBagMode.Max)]
    public void EqualBagsGiveWhatAnEmbeddingAndAReductionGive(EmbeddingBagMode mode)
    {
        Tensor table = randint(-99, 100, [20, 6]).to(float32), input = randint(0, 20, [5, 7], int64); // sums of whole numbers are exact
        using EmbeddingBag bag = EmbeddingBag.FromPretrained(table, mode: mode);
        using Embedding embedding = Embedding.FromPretrained(table);
        Tensor rows = embedding.call(input);
        Tensor reduced = mode switch
        {
            EmbeddingBagMode.Sum => rows.sum(1),
            EmbeddingBagMode.Mean => rows.mean([1]),
            _ => rows.max(1).values,
        };
        TensorAssert.Same(reduced, bag.call(input));
    }

    [Fact]
    public void TheTableHasAFixedNumberOfRowsOfAFixedSize()
    {
        using var bag = new EmbeddingBag(5, 2);
        Assert.Equal((5, 2), (bag.NumEmbeddings, bag.EmbeddingDim));
        Assert.Equal([5, 2], bag.Weight.shape);
        Assert.Equal([1, 2], bag.call(tensor(new long[,] { { 4 } })).shape);
        Assert.Throws<ArgumentOutOfRangeException>(() => bag.call(tensor(new long[,] { { 5 } })));
    }

    [Fact]
    public void TheWeightLearns()
    {
        using var bag = new EmbeddingBag(3, 2, mode: EmbeddingBagMode.Sum);
        Tensor before = bag.Weight.detach().clone();
        Learn(bag, 1);
        TensorAssert.Same(before[0], bag.Weight[0]);
        TensorAssert.Same(before[1] - 1, bag.Weight[1]);
    }

    [Fact]
    public void TheWeightStartsFromTheStandardNormalDistribution()
    {
        using var bag = new EmbeddingBag(1000, 100);
        Assert.InRange(bag.Weight.mean().ToDouble(), -0.02, 0.02);
        Assert.InRange(bag.Weight.std().ToDouble(), 0.98, 1.02);
    }

    [Fact]
    public void WeightsOfOneChangeNothing()
    {
        using var bag = new EmbeddingBag(10, 3, mode: EmbeddingBagMode.Sum);
        Tensor input = tensor(new long[] { 1, 2, 4, 5, 4 }), offsets = tensor(new long[] { 0, 3 });
        TensorAssert.Same(bag.call(input, offsets), bag.call(input, offsets, ones(5)));
        TensorAssert.Same(bag.call(input, offsets) * 2, bag.call(input, offsets, full([5], 2f))); // others do
    }

    // The examples. Their numbers come from a run without a seed, so these tests check only what does not depend on the numbers.

    [Fact]
    public void TheExampleOfTwoBags()
    {
        using var embedding_sum = new EmbeddingBag(10, 3, mode: EmbeddingBagMode.Sum); // ten rows of three
        Tensor input = tensor(new long[] { 1, 2, 4, 5, 4, 3, 2, 9 }), offsets = tensor(new long[] { 0, 4 }); // two bags of four
        Tensor output = embedding_sum.call(input, offsets), weight = embedding_sum.Weight;
        Assert.Equal([2, 3], output.shape);
        TensorAssert.Same(weight[1] + weight[2] + weight[4] + weight[5], output[0]);
        TensorAssert.Same(weight[4] + weight[3] + weight[2] + weight[9], output[1]);
    }

    [Fact]
    public void TheExampleWithPaddingIdx()
    {
        using var embedding_sum = new EmbeddingBag(10, 3, mode: EmbeddingBagMode.Sum, paddingIdx: 2);
        Tensor input = tensor(new long[] { 2, 2, 2, 2, 4, 3, 2, 9 }), offsets = tensor(new long[] { 0, 4 });
        Tensor output = embedding_sum.call(input, offsets), weight = embedding_sum.Weight;
        TensorAssert.AllZero(output[0]);
        TensorAssert.Same(weight[4] + weight[3] + weight[9], output[1]);
    }

    [Fact]
    public void TheExampleOfABagOverAnEmbedding()
    {
        using var embedding = new Embedding(10, 3, paddingIdx: 2);
        using EmbeddingBag embedding_sum = EmbeddingBag.FromPretrained(
            embedding.Weight, paddingIdx: embedding.PaddingIdx, mode: EmbeddingBagMode.Sum);
        Tensor input = tensor(new long[,] { { 4, 2, 9 } });
        TensorAssert.Same(embedding.Weight[4] + embedding.Weight[9], embedding_sum.call(input)[0]);
        using (no_grad()) embedding.Weight[4] = ones(3); // one memory
        TensorAssert.Same(embedding.Weight[9] + 1, embedding_sum.call(input)[0]);
    }

    [Fact]
    public void TheExampleOfFromPretrained()
    {
        Tensor weight = tensor(new float[,] { { 1, 2.3f, 3 }, { 4, 5.1f, 6.3f } });
        using EmbeddingBag embeddingbag = EmbeddingBag.FromPretrained(weight);
        Tensor output = embeddingbag.call(tensor(new long[,] { { 1, 0 } }));
        Assert.Equal("tensor([[2.5000, 3.7000, 4.6500]])", output.Repr());
    }

    // from_pretrained

    [Fact]
    public void FromPretrainedTakesTwoDimensionsTheFirstBeingTheRows()
    {
        using EmbeddingBag bag = EmbeddingBag.FromPretrained(zeros(5, 2));
        Assert.Equal((5, 2), (bag.NumEmbeddings, bag.EmbeddingDim));
        Assert.Throws<ArgumentException>(() => EmbeddingBag.FromPretrained(zeros(5)));
        Assert.Throws<ArgumentException>(() => EmbeddingBag.FromPretrained(zeros(5, 2, 1)));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void FreezeIsTheSameAsRequiresGradFalse(bool byArgument)
    {
        using EmbeddingBag bag = EmbeddingBag.FromPretrained(ones(3, 2), freeze: byArgument);
        if (!byArgument) bag.Weight.requires_grad = false;
        using var sgd = new Optim.SGD(bag.parameters(), lr: 1);

        Assert.False(bag.Weight.requires_grad);
        Tensor output = bag.call(tensor(new long[,] { { 1 } }));
        Assert.False(output.requires_grad);
        Assert.Throws<ExternalException>(() => output.sum().backward());
        sgd.step();
        TensorAssert.Same(ones(3, 2), bag.Weight);
    }

    [Fact]
    public void NotFrozenTheTableLearns()
    {
        Tensor table = ones(3, 2);
        using EmbeddingBag bag = EmbeddingBag.FromPretrained(table, freeze: false);
        Learn(bag, 1);
        TensorAssert.Same(tensor(new float[,] { { 1, 1 }, { 0, 0 }, { 1, 1 } }), table);
    }

    [Theory]
    [InlineData("max_norm")]
    [InlineData("norm_type")]
    [InlineData("scale_grad_by_freq")]
    [InlineData("sum")]
    [InlineData("max")]
    [InlineData("sparse")]
    [InlineData("include_last_offset")]
    [InlineData("padding_idx")]
    public void AnOptionOfFromPretrainedMeansWhatItMeansInTheConstructor(string option)
    {
        double? maxNorm = option is "max_norm" or "norm_type" ? 1.5 : null;
        double normType = option == "norm_type" ? 1 : 2;
        bool scaleGradByFreq = option == "scale_grad_by_freq", sparse = option == "sparse";
        bool includeLastOffset = option == "include_last_offset";
        EmbeddingBagMode mode = option == "sum" ? EmbeddingBagMode.Sum : option == "max" ? EmbeddingBagMode.Max : EmbeddingBagMode.Mean;
        long? paddingIdx = option == "padding_idx" ? 2 : null;
        Tensor table = randn(4, 3) * 3;
        using var made = new EmbeddingBag(4, 3, maxNorm, normType, scaleGradByFreq, mode, sparse, includeLastOffset, paddingIdx);
        made.Weight = new Parameter(table.clone());
        using EmbeddingBag given = EmbeddingBag.FromPretrained(
            table.clone(), false, maxNorm, normType, scaleGradByFreq, mode, sparse, includeLastOffset, paddingIdx);
        using EmbeddingBag without = EmbeddingBag.FromPretrained(table.clone(), false, option == "norm_type" ? maxNorm : null);

        Tensor[] expected = Results(made), actual = Results(given), plain = Results(without);
        foreach ((Tensor one, Tensor other) in expected.Zip(actual)) TensorAssert.Same(one, other);
        // the option does something
        Assert.Contains(actual.Zip(plain), pair => !pair.First.shape.SequenceEqual(pair.Second.shape) || !pair.First.allclose(pair.Second));

        static Tensor[] Results(EmbeddingBag bag)
        {
            Tensor output = bag.call(tensor(new long[] { 2, 1, 2, 0 }), tensor(new long[] { 0, 3, 4 }));
            output.square().sum().backward();
            Tensor gradient = bag.Weight.grad!;
            return [output, bag.Weight, tensor(gradient.is_sparse), gradient.to_dense()];
        }
    }

    // The functional page

    [Fact(Skip = Skipped.NoCuda, SkipType = typeof(Cuda), SkipUnless = nameof(Cuda.IsAvailable))]
    public void AGradientOnCudaIsThatOfTheCpuWhereNoSumIsRounded()
    {
        Tensor table = randint(-9, 10, [30, 4]).to(float32), input = randint(0, 30, [200, 8], int64);
        Tensor gradient = randint(-9, 10, [200, 4]).to(float32);
        TensorAssert.Same(GradientOn(CPU), GradientOn(CUDA).cpu());

        Tensor GradientOn(Device device)
        {
            Tensor weight = table.to(device).detach().requires_grad_();
            Functional.EmbeddingBag(input.to(device), weight, mode: EmbeddingBagMode.Sum).backward([gradient.to(device)]);
            return weight.grad!;
        }
    }

    /// <summary>One step of SGD that takes 1 off each element of a row.</summary>
    private static void Learn(EmbeddingBag bag, long row)
    {
        using var sgd = new Optim.SGD(bag.parameters(), lr: 1);
        bag.call(tensor(new[,] { { row } })).sum().backward();
        sgd.step();
    }
}
