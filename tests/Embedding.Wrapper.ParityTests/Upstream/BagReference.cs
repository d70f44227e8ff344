using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Upstream;

/// <summary>What PyTorch's tests compare bags with: rows that are looked up first and reduced afterwards.</summary>
internal static class BagReference
{
    /// <summary>
    /// The unit of a gradient that every count from 1 to 10 divides without rounding. A product with the rounded 1 / count is exact too.
    /// </summary>
    public const double Divisible = 7560;

    public static TheoryData<ScalarType> Floats { get; } =
        [ScalarType.Float32, ScalarType.Float64, ScalarType.Float16, ScalarType.BFloat16];

    /// <summary>The modes, each with dense and, where it allows them, with sparse gradients.</summary>
    public static (EmbeddingBagMode Mode, bool Sparse)[] SparseOrNot { get; } =
    [
        (EmbeddingBagMode.Sum, false), (EmbeddingBagMode.Mean, false), (EmbeddingBagMode.Max, false),
        (EmbeddingBagMode.Sum, true), (EmbeddingBagMode.Mean, true),
    ];

    /// <summary>Random whole numbers from -2 to 2, times <paramref name="unit"/>: every type adds a hundred exactly.</summary>
    public static Tensor Whole(long[] shape, ScalarType dtype, double unit = 1) =>
        randint(-2, 3, shape, ScalarType.Float64).mul(unit).to(dtype);

    /// <summary>
    /// A table that learns: whole numbers, or for maxima any numbers, because the reference divides the gradient of equal ones otherwise.
    /// </summary>
    public static Tensor Table(EmbeddingBagMode mode, long[] shape, ScalarType dtype) =>
        (mode == EmbeddingBagMode.Max ? randn(shape, dtype) : Whole(shape, dtype)).requires_grad_();

    public static Tensor Copy(Tensor tensor) => tensor.detach().clone().requires_grad_(tensor.requires_grad);

    /// <summary>PyTorch's table of five rows: 1, 2, 3, ...</summary>
    public static EmbeddingBag OneToTen(ScalarType dtype, EmbeddingBagMode mode, bool sparse = false, bool includeLastOffset = false) =>
        EmbeddingBag.FromPretrained(arange(1, 11, dtype: dtype).reshape(5, 2), freeze: false, mode: mode, sparse: sparse,
            includeLastOffset: includeLastOffset);

    /// <summary>Bag by bag: the rows, times their factors, reduced.</summary>
    public static Tensor ByBags(Tensor input, long[] starts, Tensor table, EmbeddingBagMode mode, Tensor? factors)
    {
        return stack(starts.Select((start, bag) =>
        {
            long length = (bag + 1 < starts.Length ? starts[bag + 1] : input.numel()) - start;
            if (length == 0) return zeros(table.size(1), table.dtype);
            Tensor rows = table.index_select(0, input.narrow(0, start, length));
            if (factors is not null) rows = rows * factors.narrow(0, start, length).unsqueeze(1);
            return Reduced(rows, 0, mode);
        }));
    }

    /// <summary>The bags of found rows, [bags, length, width], where padding is left out. A bag of nothing but padding is zeros.</summary>
    public static Tensor WithoutPadding(Tensor found, Tensor counts, EmbeddingBagMode mode)
    {
        Tensor mask = counts.unsqueeze(2), none = counts.logical_not().all(1).unsqueeze(1);
        if (mode == EmbeddingBagMode.Max)
            return found.masked_fill(mask.logical_not(), double.NegativeInfinity).max(1).values.masked_fill(none, 0);
        Tensor sum = (found * mask.to(found.dtype)).sum(1);
        return mode == EmbeddingBagMode.Sum ? sum : (sum / mask.sum(1).to(found.dtype)).masked_fill(none, 0);
    }

    /// <summary>A bag against an Embedding of the same table whose rows are reduced, values and gradients.</summary>
    public static void CompareWithEmbedding(long rows, long width, long bags, long length, ScalarType dtype, EmbeddingBagMode mode,
        bool sparse, ScalarType ofIndices = ScalarType.Int64, double? maxNorm = null, Tensor? factors = null)
    {
        Tensor table = maxNorm is null ? Table(mode, [rows, width], dtype) : (randn(rows, width, dtype) * 3).requires_grad_();
        Tensor input = randint(0, rows, [bags, length], ofIndices), offsets = arange(bags, ofIndices).mul_(length);
        using EmbeddingBag bag = EmbeddingBag.FromPretrained(table.detach(), freeze: false, maxNorm, mode: mode, sparse: sparse);
        using Embedding embedding = Embedding.FromPretrained(table.detach().clone(), freeze: false, maxNorm: maxNorm);
        Tensor? same = factors is null ? null : Copy(factors);

        Tensor output = bag.call(input.reshape(-1), offsets, factors?.reshape(-1)), found = embedding.call(input);
        Tensor expected = Reduced(same is null ? found : found * same.unsqueeze(2), 1, mode);
        (Tensor, Tensor)[] learn = [(embedding.Weight, bag.Weight), .. same is { requires_grad: true } ? new[] { (same, factors!) } : []];
        AssertSameWithGradients(expected, output, Whole([bags, width], dtype, unit: length), learn);
        TensorAssert.Same(embedding.Weight.detach(), bag.Weight.detach()); // scaled alike by max_norm
    }

    /// <summary>PyTorch's known example, 1-D and 2-D, empty bags, bags against an Embedding, and wrong combinations.</summary>
    public static void CompareAll(ScalarType dtype, EmbeddingBagMode mode, bool sparse, ScalarType ofIndices, ScalarType ofOffsets)
    {
        double count = mode == EmbeddingBagMode.Mean ? 3 : 1;
        float[,] sums = { { 13, 16 }, { 13, 16 } }, maxima = { { 7, 8 }, { 9, 10 } };
        float[,] added = { { 3, 4 }, { 5, 8 }, { 0, 0 }, { 1, 2 }, { 3, 4 } };
        float[,] ofMaxima = { { 0, 0 }, { 0, 0 }, { 0, 0 }, { 1, 2 }, { 3, 4 } };
        Tensor expected = tensor(mode == EmbeddingBagMode.Max ? maxima : sums, dtype) / count;
        Tensor gradients = tensor(mode == EmbeddingBagMode.Max ? ofMaxima : added, dtype); // of gradients that a mean divides by 3
        Tensor gradient = tensor(new[,] { { 1f, 2f }, { 3f, 4f } }, dtype) * count, nothing = zeros(2, dtype);
        Tensor input = tensor(new long[] { 3, 1, 1, 1, 4, 0 }).to(ofIndices), offsets = tensor(new long[] { 0, 0, 3, 3, 6 }).to(ofOffsets);
        using EmbeddingBag bag = OneToTen(dtype, mode, sparse);

        Tensor output = bag.call(input, offsets), unused = full([2], 99, dtype);
        TensorAssert.Same(stack([nothing, expected[0], nothing, expected[1], nothing]), output.detach());
        output.backward([stack([unused, gradient[0], unused, gradient[1], unused])]);
        TensorAssert.Same(gradients, Dense(bag.Weight.grad!));

        bag.zero_grad();
        output = bag.call(input.reshape(2, 3));
        TensorAssert.Same(expected, output.detach());
        output.backward([gradient]);
        TensorAssert.Same(gradients, Dense(bag.Weight.grad!));

        bag.zero_grad();
        bag.call(zeros(0, ofIndices), zeros(4, ofOffsets)).sum().backward();
        TensorAssert.Same(zeros(5, 2, dtype), Dense(bag.Weight.grad!));

        // The lengths are powers of two, because 16 bits hold no fraction of another length exactly.
        CompareWithEmbedding(Size(100), Size(100), Size(16), 1 << (int)Size(3), dtype, mode, sparse, ofIndices);
        foreach (double? maxNorm in new double?[] { null, 3 })
        foreach (int sizes in Enumerable.Range(0, 16))
        {
            using DisposeScope scope = NewDisposeScope();
            CompareWithEmbedding(1 + (sizes & 1), 1 + (sizes >> 1 & 1), 1 + (sizes >> 2 & 1), 1 + (sizes >> 3), dtype, mode, sparse,
                ofIndices, maxNorm);
        }

        input = ones(3, 4, ofIndices);
        Assert.Throws<ArgumentException>(() => bag.call(input, arange(3, ofOffsets)));
        Assert.Throws<ArgumentException>(() => bag.call(input.reshape(-1)));
        Assert.Throws<ArgumentException>(() => bag.call(input.reshape(-1), tensor(new long[] { 1, 1, 2 }).to(ofOffsets)));
        Assert.Throws<ArgumentException>(() => bag.call(input.reshape(-1), tensor(new long[] { 0, 1, 100 }).to(ofOffsets)));
    }

    /// <summary>Asserts that two results are equal and give equal gradients. A zero may have either sign.</summary>
    public static void AssertSameWithGradients(
        Tensor expected, Tensor actual, Tensor gradient, params (Tensor Expected, Tensor Actual)[] learn)
    {
        AssertEqual(expected, actual);
        expected.backward([gradient]);
        actual.backward([gradient]);
        foreach ((Tensor one, Tensor other) in learn) AssertEqual(Dense(one.grad!), Dense(other.grad!));
    }

    private static void AssertEqual(Tensor expected, Tensor actual)
    {
        Assert.Equal(expected.dtype, actual.dtype);
        Assert.Equal(expected.shape, actual.shape);
        TensorAssert.AllTrue(expected.eq(actual));
    }

    private static Tensor Reduced(Tensor rows, long dimension, EmbeddingBagMode mode) => mode switch
    {
        EmbeddingBagMode.Sum => rows.sum(dimension),
        EmbeddingBagMode.Mean => rows.mean([dimension]),
        _ => rows.max(dimension).values,
    };

    private static Tensor Dense(Tensor gradient) => gradient.is_sparse ? gradient.to_dense() : gradient;

    private static long Size(long most) => randint(1, most + 1, [1], int64).ToInt64();
}
