using TorchSharp;
using static EmbeddingWrapper.ParityTests.Upstream.BagReference;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Upstream;

// The tests that PyTorch runs for each device and each type.
public partial class EmbeddingBagUpstreamTests
{
    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void test_embedding_bag_1D_padding_idx(ScalarType dtype)
    {
        const int rows = 10, width = 5, bags = 6, longest = 7;
        var random = new Random(1);
        foreach ((EmbeddingBagMode mode, bool sparse) in SparseOrNot)
        foreach (bool includeLastOffset in new[] { false, true })
        for (long padding = 0; padding < rows; padding++)
        {
            int[] lengths = [.. Enumerable.Range(0, bags).Select(i => i == 0 ? 0 : i == 1 ? longest : random.Next(longest + 1))];
            long[][] bag = [.. lengths.Select(n => Enumerable.Range(0, n).Select(_ => random.NextInt64(rows)).ToArray())];
            long[] filled = [.. bag.SelectMany(row => row.Concat(Enumerable.Repeat(padding, longest - row.Length)))];
            long[] starts = [.. lengths.Select((_, i) => (long)lengths.Take(i).Sum())];
            if (includeLastOffset) starts = [.. starts, lengths.Sum()];
            Tensor table = Table(mode, [rows, width], dtype), same = Copy(table), gradient = Whole([bags, width], dtype, Divisible);

            Tensor output = Functional.EmbeddingBag(Long([.. bag.SelectMany(row => row)]), table, Long(starts), mode: mode, sparse: sparse,
                includeLastOffset: includeLastOffset, paddingIdx: padding);
            Tensor expected = Functional.EmbeddingBag(tensor(filled).reshape(bags, longest), same, mode: mode, sparse: sparse,
                paddingIdx: padding);
            AssertSameWithGradients(expected, output, gradient, (same, table));
        }
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void test_embedding_bag_2D_padding_idx(ScalarType dtype)
    {
        const int rows = 10, width = 3, length = 10;
        foreach ((EmbeddingBagMode mode, bool sparse) in SparseOrNot)
        foreach (bool onlyPadding in new[] { false, true })
        foreach (int bags in new[] { 1, 10 })
        {
            Tensor input = onlyPadding ? ones([bags, length], int64) : randint(0, rows, [bags, length], int64);
            if (bags > 1) input[3] = tensor(input[3, 0].ToInt64()); // a bag of one index, which is nothing but padding for one of the paddings
            foreach (long padding in input.data<long>().Distinct())
            {
                Tensor table = Table(mode, [rows, width], dtype), same = Copy(table), gradient = Whole([bags, width], dtype, Divisible);
                Tensor output = Functional.EmbeddingBag(input, table, mode: mode, sparse: sparse, paddingIdx: padding);
                Tensor found = Functional.Embedding(input, same, paddingIdx: padding, sparse: sparse);
                AssertSameWithGradients(WithoutPadding(found, input.ne(padding), mode), output, gradient, (same, table));
            }
        }
    }

    [Fact]
    public void test_embedding_bag_empty_input()
    {
        foreach (bool sparse in new[] { false, true })
        foreach (ScalarType ofIndices in IndexTypes)
        foreach (ScalarType ofOffsets in IndexTypes)
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
        foreach (ScalarType type in IndexTypes)
        foreach (long bad in new long[] { -1, 11 })
        foreach (bool weighted in mode == EmbeddingBagMode.Sum ? new[] { false, true } : [false])
        {
            Tensor table = randn(10, 2, dtype), input = tensor(new[,] { { 1, bad } }).to(type);
            var error = Assert.Throws<ArgumentOutOfRangeException>(() => Functional.EmbeddingBag(input, table, mode: mode,
                perSampleWeights: weighted ? ones(1, 2, dtype) : null, paddingIdx: 0));
            Assert.StartsWith($"embedding_bag: Expected idx >= 0 && idx < num_embeddings but found idx to be {bad}", error.Message);
        }
    }

    // PyTorch's test also calls three operators that have no name in .NET.
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

    [Theory]
    [MemberData(nameof(Floats), MemberType = typeof(BagReference))]
    public void test_EmbeddingBag_empty_per_sample_weights_and_offsets(ScalarType dtype)
    {
        foreach (bool trains in new[] { false, true })
        foreach (ScalarType ofIndices in IndexTypes)
        foreach (ScalarType ofOffsets in IndexTypes)
        {
            using EmbeddingBag bag = OneToTen(dtype, EmbeddingBagMode.Sum);
            Tensor factors = zeros(0, dtype, requires_grad: trains);
            Tensor output = bag.call(zeros(0, ofIndices), zeros(5, ofOffsets), factors);
            TensorAssert.Same(zeros(5, 2, dtype), output.detach());
            output.backward([Whole([5, 2], dtype)]);
            TensorAssert.Same(zeros(5, 2, dtype), bag.Weight.grad!);
            if (trains) TensorAssert.Same(zeros(0, dtype), factors.grad!);
        }
    }

    [Theory]
    [MemberData(nameof(Floats), MemberType = typeof(BagReference))]
    public void test_EmbeddingBag_per_sample_weights_and_offsets(ScalarType dtype)
    {
        foreach (bool trains in new[] { false, true })
            CompareSixIndices(dtype, EmbeddingBagMode.Sum, weighted: true, trains, includeLastOffset: false);
    }

    [Theory]
    [MemberData(nameof(Floats), MemberType = typeof(BagReference))]
    public void test_EmbeddingBag_per_sample_weights_and_new_offsets(ScalarType dtype)
    {
        foreach (bool includeLastOffset in new[] { false, true })
        foreach (bool trains in new[] { false, true })
        {
            CompareSixIndices(dtype, EmbeddingBagMode.Sum, weighted: true, trains, includeLastOffset);
            foreach (EmbeddingBagMode mode in Modes) CompareSixIndices(dtype, mode, weighted: false, trains, includeLastOffset);
        }
    }

    private static void CompareSixIndices(ScalarType dtype, EmbeddingBagMode mode, bool weighted, bool trains, bool includeLastOffset)
    {
        long[] index = [3, 1, 1, 1, 4, 0], starts = [0, 0, 3, 3, 6];
        foreach (ScalarType ofIndices in IndexTypes)
        foreach (ScalarType ofOffsets in IndexTypes)
        {
            using EmbeddingBag bag = OneToTen(dtype, mode, includeLastOffset: includeLastOffset);
            Tensor table = Copy(bag.Weight), input = tensor(index).to(ofIndices);
            Tensor? factors = weighted ? Whole([6], dtype, unit: 0.5).requires_grad_(trains) : null;
            Tensor? same = factors is null ? null : Copy(factors);
            Tensor output = bag.call(input, Long(includeLastOffset ? [.. starts, 6] : starts).to(ofOffsets), factors);
            Tensor expected = ByBags(input, starts, table, mode, same);
            (Tensor, Tensor)[] learn = [(table, bag.Weight), .. trains && weighted ? new[] { (same!, factors!) } : []];
            AssertSameWithGradients(expected, output, Whole([5, 2], dtype, unit: 3), learn);
        }
    }

    [Fact]
    public void test_EmbeddingBag_per_sample_weights_and_no_offsets()
    {
        foreach (ScalarType dtype in new[] { ScalarType.Float32, ScalarType.Float64 })
        foreach (bool sparse in new[] { false, true })
        foreach (bool trains in new[] { false, true })
        foreach ((int bags, int length) in new[] { (1, 1), (2, 1), (1, 2), (2, 2), (31, 17) })
        {
            CompareWithEmbedding(20, 3, bags, length, dtype, EmbeddingBagMode.Sum, sparse,
                factors: Whole([bags, length], dtype, unit: 0.25).requires_grad_(trains));
        }
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.Float16)]
    public void test_embedding_bag_device(ScalarType dtype)
    {
        foreach ((EmbeddingBagMode mode, bool sparse) in SparseOrNot)
        foreach (ScalarType ofIndices in IndexTypes)
        foreach (ScalarType ofOffsets in IndexTypes)
            CompareAll(dtype, mode, sparse, ofIndices, ofOffsets);
    }

    [Fact]
    public void test_embedding_bag_bfloat16() => CompareSparse(ScalarType.BFloat16);

    [Fact]
    public void test_embedding_bag_half() => CompareSparse(ScalarType.Float16);

    private static void CompareSparse(ScalarType dtype)
    {
        foreach (EmbeddingBagMode mode in new[] { EmbeddingBagMode.Sum, EmbeddingBagMode.Mean })
        foreach (ScalarType ofIndices in IndexTypes)
        foreach (ScalarType ofOffsets in IndexTypes)
            CompareAll(dtype, mode, sparse: true, ofIndices, ofOffsets);
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
}
