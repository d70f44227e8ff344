using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Upstream;

/// <summary>
/// PyTorch's own tests of nn.EmbeddingBag and F.embedding_bag, in test/nn/test_embedding.py, restated under their own names. PyTorch
/// compares random numbers with a tolerance. Where a sum could be rounded, the numbers here are small whole numbers, whose sums are
/// exact in every order, and the comparison is exact.
/// </summary>
public partial class EmbeddingBagUpstreamTests : IDisposable
{
    private static readonly EmbeddingBagMode[] Modes = Enum.GetValues<EmbeddingBagMode>();

    private static readonly ScalarType[] IndexTypes = [ScalarType.Int32, ScalarType.Int64];

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
        TensorAssert.AllTrue(a.norm(1, p: 0.5f) <= 2.0);
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

    private static Tensor Long(params long[] numbers) => tensor(numbers);

    private static void AssertRefused(string text, Func<Tensor> call) => Assert.Contains(text, Assert.Throws<ArgumentException>(call).Message);
}
