using System.Runtime.InteropServices;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Page;

/// <summary>What the documentation page says about look-ups, padding_idx and max_norm, and its examples of them.</summary>
public class LayerTests : PageTests
{
    // The look-up

    [Fact]
    public void TheTableHasAFixedNumberOfRowsOfAFixedSize()
    {
        using var embedding = new Embedding(5, 2);
        Assert.Equal([5, 2], embedding.Weight.shape);
        Assert.Equal([1, 2], embedding.call(tensor(new long[] { 4 })).shape);
        Assert.Throws<ArgumentOutOfRangeException>(() => embedding.call(tensor(new long[] { 5 })));
    }

    [Fact]
    public void WordEmbeddingsAreStoredAndRetrievedByIndex()
    {
        string[] words = ["the", "cat", "sat"];
        using var embedding = Embedding.FromPretrained(new float[,] { { 0.1f, 0.2f }, { 0.3f, 0.4f }, { 0.5f, 0.6f } });
        long[] sentence = [.. new[] { "the", "cat", "sat", "the" }.Select(word => Array.IndexOf(words, word))];
        Tensor expected = tensor(new float[,] { { 0.1f, 0.2f }, { 0.3f, 0.4f }, { 0.5f, 0.6f }, { 0.1f, 0.2f } });
        TensorAssert.Same(expected, embedding.call(tensor(sentence)));
    }

    [Fact]
    public void TheWeightLearns()
    {
        using var embedding = new Embedding(3, 2);
        Tensor before = embedding.Weight.detach().clone();
        Learn(embedding, 1);
        TensorAssert.Same(before[0], embedding.Weight[0]);
        TensorAssert.Same(before[1] - 1, embedding.Weight[1]);
    }

    [Fact]
    public void TheWeightStartsFromTheStandardNormalDistribution()
    {
        using var embedding = new Embedding(1000, 100);
        double mean = embedding.Weight.mean().ToDouble(), deviation = embedding.Weight.std().ToDouble();
        Assert.InRange(mean, -0.02, 0.02);
        Assert.InRange(deviation, 0.98, 1.02);
    }

    [Theory]
    [InlineData(new long[0])]
    [InlineData(new long[] { 0 })]
    [InlineData(new long[] { 7 })]
    [InlineData(new long[] { 2, 3, 4, 5, 6 })]
    public void AnyShapeOfIntOrLongIndicesGivesThatShapeAndTheLengthOfARow(long[] shape)
    {
        using var embedding = new Embedding(4, 3);
        foreach (ScalarType dtype in new[] { int32, int64 })
            Assert.Equal([.. shape, 3], embedding.call(randint(0, 4, shape, dtype)).shape);
    }

    // padding_idx

    [Fact]
    public void ThePaddingRowStartsAsZerosAndCanBeFilledAfterwards()
    {
        using var embedding = new Embedding(4, 3, paddingIdx: 1);
        Tensor padding = tensor(new long[] { 1 });
        TensorAssert.AllZero(embedding.call(padding));

        using (no_grad()) nn.init.constant_(embedding.Weight, 5);
        TensorAssert.Same(full([1, 3], 5f), embedding.call(padding));

        embedding.call(tensor(new long[] { 1, 2 })).sum().backward();
        TensorAssert.AllZero(embedding.Weight.grad![1]);
    }

    // max_norm

    [Fact]
    public void ForwardWithMaxNormModifiesTheWeightInPlace()
    {
        using var embedding = Embedding.FromPretrained(new float[,] { { 3, 4 }, { 30, 40 } }, maxNorm: 5);
        Parameter weight = embedding.Weight;
        embedding.call(tensor(new long[] { 0, 1 }));
        Assert.Same(weight, embedding.Weight);
        TensorAssert.Same(tensor(new float[] { 3, 4 }), weight[0]);
        Assert.Equal(5, weight[1].norm().ToDouble(), 1e-5);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void ThePagesExampleNeedsItsClone(bool clones)
    {
        const int n = 3, d = 5, m = 7;
        using var embedding = new Embedding(n, d, maxNorm: 1.0); // Python's True
        Tensor W = randn([m, d], requires_grad: true);
        Tensor idx = tensor(new long[] { 1, 2 });
        Tensor weight = clones ? embedding.Weight.clone() : embedding.Weight;
        Tensor a = weight.matmul(W.t()); // weight must be cloned for this to be differentiable
        Tensor b = embedding.call(idx).matmul(W.t()); // modifies weight in-place
        Tensor @out = a.unsqueeze(0) + b.unsqueeze(1);
        Tensor loss = @out.sigmoid().prod();

        if (clones)
        {
            loss.backward();
            Assert.Equal([n, d], embedding.Weight.grad!.shape);
            Assert.Equal([m, d], W.grad!.shape);
        }
        else
        {
            var error = Assert.Throws<ExternalException>(() => loss.backward());
            Assert.Contains("modified by an inplace operation", error.Message);
        }
    }

    // The examples. Their numbers come from a run without a seed, so these tests check only what does not depend on the numbers.

    [Fact]
    public void TheExampleOfTwoSamplesOfFourIndices()
    {
        using var embedding = new Embedding(10, 3); // an Embedding module containing 10 tensors of size 3
        Tensor input = tensor(new long[,] { { 1, 2, 4, 5 }, { 4, 3, 2, 9 } }); // a batch of 2 samples of 4 indices each
        Tensor output = embedding.call(input);
        Assert.Equal([2, 4, 3], output.shape);
        Assert.Equal(float32, output.dtype);
        TensorAssert.Same(output[0, 2], output[1, 0]); // 4 in both samples, as on the page
        TensorAssert.Same(output[0, 1], output[1, 2]); // 2 in both
        TensorAssert.Same(embedding.Weight[9], output[1, 3]);
    }

    [Fact]
    public void TheExampleWithPaddingIdx()
    {
        using var embedding = new Embedding(10, 3, paddingIdx: 0);
        Tensor output = embedding.call(tensor(new long[,] { { 0, 2, 0, 5 } }));
        Assert.Equal([1, 4, 3], output.shape);
        TensorAssert.AllZero(output[0, 0]);
        TensorAssert.AllZero(output[0, 2]);
        TensorAssert.AllTrue(output[0, 1] != 0);
        TensorAssert.AllTrue(output[0, 3] != 0);
    }
}
