using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Upstream;

/// <summary>PyTorch's own tests of nn.EmbeddingBag and F.embedding_bag, in test/nn/test_embedding.py, restated under their own names.</summary>
public class EmbeddingBagUpstreamTests : IDisposable
{
    private static readonly EmbeddingBagMode[] Modes = Enum.GetValues<EmbeddingBagMode>();

    private readonly DisposeScope _scope = NewDisposeScope();

    public EmbeddingBagUpstreamTests() => manual_seed(1234);

    public void Dispose() => _scope.Dispose();

    [Fact]
    public void test_embedding_bag_from_pretrained()
    {
        Tensor a = tensor(new[,] { { 1f, 2f, 3f }, { 4f, 5f, 6f } });
        using EmbeddingBag bag = EmbeddingBag.FromPretrained(a);
        TensorAssert.Same(a, bag.Weight.detach());
        TensorAssert.Same(a, bag.call(Long(0, 1), Long(0, 1)));
    }

    [Fact]
    public void test_embedding_bag_from_pretrained_padding_idx()
    {
        Tensor vectors = randn(4, 3, requires_grad: true), copy = vectors.detach().clone();
        using EmbeddingBag bag = EmbeddingBag.FromPretrained(vectors, paddingIdx: 2);
        TensorAssert.Same(copy, bag.Weight.detach());
    }

    [Fact]
    public void test_embedding_bag_functional()
    {
        Tensor table = randn(4, 3), index = tensor(new long[,] { { 1, 3, 2 }, { 0, 2, 1 } });
        using var bag = new EmbeddingBag(4, 3) { Weight = new Parameter(table.detach()) };
        TensorAssert.Same(bag.call(index).detach(), Functional.EmbeddingBag(index, table));
        using EmbeddingBag padded = EmbeddingBag.FromPretrained(table, paddingIdx: 2);
        TensorAssert.Same(padded.call(index), Functional.EmbeddingBag(index, table, paddingIdx: 2));
    }

    [Fact]
    public void test_embedding_bag_padding_idx_error()
    {
        Tensor table = randn(4, 3), index = tensor(new long[,] { { 0, 1 }, { 3, 2 } });
        for (long padding = -6; padding < 6; padding++)
        {
            if (padding is >= -4 and < 4)
            {
                Functional.EmbeddingBag(index, table, paddingIdx: padding);
                new EmbeddingBag(4, 3, paddingIdx: padding).Dispose();
                continue;
            }
            var ofFunction = Assert.Throws<ArgumentOutOfRangeException>(() => Functional.EmbeddingBag(index, table, paddingIdx: padding));
            Assert.StartsWith("padding_idx must be within the number of embeddings", ofFunction.Message);
            var ofLayer = Assert.Throws<ArgumentOutOfRangeException>(() => new EmbeddingBag(4, 3, paddingIdx: padding));
            Assert.StartsWith("padding_idx must be within num_embeddings", ofLayer.Message);
        }
    }

    [Fact]
    public void test_embeddingbag_from_pretrained()
    {
        Tensor a = tensor(new[,] { { 1f, 2f, 3f }, { 4f, 5f, 6f } });
        using EmbeddingBag bag = EmbeddingBag.FromPretrained(a);
        TensorAssert.Same(a.mean([0], keepdim: true), bag.call(tensor(new long[,] { { 0, 1 } })));
    }

    [Fact]
    public void test_embeddingbag_from_pretrained_options()
    {
        Tensor a = tensor(new[,] { { 1.0, 2.0, 3.0 }, { 4.0, 5.0, 6.0 } }), before = a.clone();
        using EmbeddingBag bag = EmbeddingBag.FromPretrained(a, maxNorm: 2, normType: 0.5, mode: EmbeddingBagMode.Max);
        Tensor output = bag.call(tensor(new long[,] { { 0, 1 } }));
        TensorAssert.Same(a.amax([0], keepdim: true), output);
        TensorAssert.AllTrue(a.ne(before));
        TensorAssert.AllTrue(a.abs().sqrt().sum(1).square() <= 2.0000001);
    }

    [Fact]
    public void test_embeddingbag_include_last_offset()
    {
        using var bag = new EmbeddingBag(100, 3, includeLastOffset: true, paddingIdx: 61);
        Tensor index = Long(0, 1, 2, 3), weight = bag.Weight.detach();
        Tensor expected = stack([weight[..3].mean([0]), weight[3]]);
        TensorAssert.Same(expected, bag.call(index, Long(0, 3, 3)).detach());
        TensorAssert.Same(expected, bag.call(index, Long(0, 3, 4)).detach());
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void test_embedding_bag_1D_padding_idx(ScalarType dtype)
    {
        const int rows = 10, width = 5, bags = 6, longest = 7;
        var random = new Random(1);
        foreach (EmbeddingBagMode mode in Modes)
        foreach (bool sparse in new[] { false, true })
        foreach (bool includeLastOffset in new[] { false, true })
        for (long padding = 0; padding < rows; padding++)
        {
            if (sparse && mode == EmbeddingBagMode.Max) continue;
            int[] lengths = [.. Enumerable.Range(0, bags).Select(i => i == 0 ? 0 : i == 1 ? longest : random.Next(longest + 1))];
            long[][] bag = [.. lengths.Select(n => Enumerable.Range(0, n).Select(_ => random.NextInt64(rows)).ToArray())];
            long[] filled = [.. bag.SelectMany(row => row.Concat(Enumerable.Repeat(padding, longest - row.Length)))];
            long[] starts = [.. lengths.Select((_, i) => (long)lengths.Take(i).Sum())];
            if (includeLastOffset) starts = [.. starts, lengths.Sum()];
            Tensor table = randn(rows, width, dtype, requires_grad: true), same = table.detach().clone().requires_grad_();
            Tensor gradient = randn(bags, width, dtype);

            Tensor output = Functional.EmbeddingBag(Long([.. bag.SelectMany(row => row)]), table, Long(starts), mode: mode, sparse: sparse,
                includeLastOffset: includeLastOffset, paddingIdx: padding);
            Tensor expected = Functional.EmbeddingBag(tensor(filled).reshape(bags, longest), same, mode: mode, sparse: sparse,
                paddingIdx: padding);
            TensorAssert.Same(expected.detach(), output.detach());
            output.backward([gradient]);
            expected.backward([gradient]);
            AssertClose(Dense(same.grad!), Dense(table.grad!));
        }
    }

    [Fact]
    public void test_embedding_bag_empty_input()
    {
        ScalarType[] types = [ScalarType.Int32, ScalarType.Int64];
        foreach (bool sparse in new[] { false, true })
        foreach (ScalarType ofIndices in types)
        foreach (ScalarType ofOffsets in types)
        {
            using var bag = new EmbeddingBag(4, 3, sparse: sparse);
            foreach (long[] starts in new long[][] { [0], [0, 0] })
            {
                Tensor output = bag.call(zeros(0, ofIndices), tensor(starts).to(ofOffsets));
                TensorAssert.Same(zeros(starts.Length, 3), output.detach());
            }
        }
    }

    [Fact]
    public void test_embedding_bag_out_of_bounds_idx()
    {
        foreach (EmbeddingBagMode mode in Modes)
        foreach (ScalarType dtype in new[] { ScalarType.Float32, ScalarType.Float64 })
        foreach (ScalarType type in new[] { ScalarType.Int32, ScalarType.Int64 })
        foreach (long bad in new long[] { -1, 11 })
        foreach (bool weighted in mode == EmbeddingBagMode.Sum ? new[] { false, true } : [false])
        {
            Tensor table = randn(10, 2, dtype), input = tensor(new[,] { { 1, bad } }).to(type);
            var error = Assert.Throws<ArgumentOutOfRangeException>(() => Functional.EmbeddingBag(input, table, mode: mode,
                perSampleWeights: weighted ? ones(1, 2, dtype) : null, paddingIdx: 0));
            Assert.StartsWith($"embedding_bag: Expected idx >= 0 && idx < num_embeddings but found idx to be {bad}", error.Message);
        }
    }

    [Fact]
    public void test_embedding_bag_dimension_errors()
    {
        Tensor table = randn(4, 3), five = zeros([1, 1, 1, 1, 1], int64), index = Long(0, 1);
        AssertRefused("input has to be 1D or 2D Tensor", () => Functional.EmbeddingBag(five, table, Long(0)));
        AssertRefused("offsets has to be a 1D Tensor", () => Functional.EmbeddingBag(index, table, five));
        AssertRefused("weight has to be a 2D Tensor", () => Functional.EmbeddingBag(index, randn(4, 3, 2), Long(0)));
    }

    [Fact]
    public void test_EmbeddingBag_per_sample_weights_failures()
    {
        using var sums = new EmbeddingBag(10, 5, mode: EmbeddingBagMode.Sum);
        Tensor index = Long(3, 1, 1), offsets = Long(0, 1);
        AssertRefused("have the same type as", () => sums.call(index, offsets, ones(3, float64)));
        AssertRefused("have the same shape as the input", () => sums.call(index, offsets, ones(4)));
        AssertRefused("have the same shape as the input", () => sums.call(index.reshape(1, 3), null, ones(3)));
        foreach (EmbeddingBagMode mode in new[] { EmbeddingBagMode.Mean, EmbeddingBagMode.Max })
        {
            using var others = new EmbeddingBag(10, 5, mode: mode);
            AssertRefused("only supported for mode='sum'", () => others.call(index, offsets, ones(3)));
        }
    }

    [Fact]
    public void test_EmbeddingBag_per_sample_weights_and_no_offsets()
    {
        foreach (bool sparse in new[] { false, true })
        foreach (int length in new[] { 1, 2, 7 })
        {
            Tensor index = randint(0, 20, [5, length], int64), factors = randn(5, length).softmax(1).detach().requires_grad_();
            Tensor same = factors.detach().clone().requires_grad_();
            using var bag = new EmbeddingBag(20, 3, mode: EmbeddingBagMode.Sum, sparse: sparse);
            using Embedding rows = Embedding.FromPretrained(bag.Weight.detach(), freeze: false);
            Tensor output = bag.call(index, null, factors), expected = (rows.call(index) * same.unsqueeze(2)).sum(1);
            AssertClose(expected, output);
            Tensor gradient = randn(5, 3);
            output.backward([gradient]);
            expected.backward([gradient]);
            AssertClose(rows.Weight.grad!, Dense(bag.Weight.grad!));
            AssertClose(same.grad!, factors.grad!);
        }
    }

    [Fact]
    public void test_embedding_bag_non_contiguous_weight()
    {
        Tensor table = randn(3, 4), narrow = table.narrow(1, 0, 3), index = Long(0, 1, 2), offsets = Long(0, 2);
        foreach (EmbeddingBagMode mode in Modes)
        {
            TensorAssert.Same(Functional.EmbeddingBag(index, narrow.contiguous(), offsets, mode: mode),
                Functional.EmbeddingBag(index, narrow, offsets, mode: mode));
        }
    }

    [Fact]
    public void test_embedding_bag_per_sample_weights_grad()
    {
        foreach (bool trainsTable in new[] { false, true })
        foreach (bool trainsFactors in new[] { false, true })
        {
            Tensor table = randn(10, 20, requires_grad: trainsTable), index = arange(10, int64).expand(5, 10);
            Tensor factors = randn(5, 10).softmax(1).detach().requires_grad_(trainsFactors);
            Tensor output = Functional.EmbeddingBag(index, table, mode: EmbeddingBagMode.Sum, perSampleWeights: factors);
            Assert.Equal(trainsTable || trainsFactors, output.requires_grad);
        }
    }

    private static Tensor Long(params long[] numbers) => tensor(numbers);

    private static Tensor Dense(Tensor gradient) => gradient.is_sparse ? gradient.to_dense() : gradient;

    // Embedding's reduction may add in another order, and so may two layouts of the same bags.
    private static void AssertClose(Tensor expected, Tensor actual) => Assert.True(expected.allclose(actual, 1e-5, 1e-6));

    private static void AssertRefused(string text, Func<Tensor> call) => Assert.Contains(text, Assert.Throws<ArgumentException>(call).Message);
}
