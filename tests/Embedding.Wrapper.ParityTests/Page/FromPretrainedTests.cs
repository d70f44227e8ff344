using System.Runtime.InteropServices;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Page;

/// <summary>What the documentation page says about from_pretrained, and its example.</summary>
public class FromPretrainedTests : PageTests
{
    [Fact]
    public void TheExampleOfFromPretrained()
    {
        // FloatTensor containing pretrained weights
        Tensor weight = tensor(new float[,] { { 1, 2.3f, 3 }, { 4, 5.1f, 6.3f } });
        using var embedding = Embedding.FromPretrained(weight);
        // Get embeddings for index 1
        TensorAssert.Same(tensor(new float[,] { { 4, 5.1f, 6.3f } }), embedding.call(tensor(new long[] { 1 })));
    }

    [Fact]
    public void FromPretrainedTakesTwoDimensionsTheFirstBeingTheRows()
    {
        using var embedding = Embedding.FromPretrained(zeros(5, 2));
        Assert.Equal((5, 2), (embedding.NumEmbeddings, embedding.EmbeddingDim));
        Assert.Throws<ArgumentException>(() => Embedding.FromPretrained(zeros(5)));
        Assert.Throws<ArgumentException>(() => Embedding.FromPretrained(zeros(5, 2, 1)));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void FreezeIsTheSameAsRequiresGradFalse(bool byArgument)
    {
        using var embedding = Embedding.FromPretrained(ones(3, 2), freeze: byArgument);
        if (!byArgument) embedding.Weight.requires_grad = false;
        using var sgd = optim.SGD(embedding.parameters(), 1.0);

        Assert.False(embedding.Weight.requires_grad);
        Tensor output = embedding.call(tensor(new long[] { 1 }));
        Assert.False(output.requires_grad);
        Assert.Throws<ExternalException>(() => output.sum().backward());
        sgd.step();
        TensorAssert.Same(ones(3, 2), embedding.Weight);
    }

    [Fact]
    public void NotFrozenTheTableLearns()
    {
        Tensor table = ones(3, 2);
        using var embedding = Embedding.FromPretrained(table, freeze: false);
        Learn(embedding, 1);
        TensorAssert.Same(tensor(new float[,] { { 1, 1 }, { 0, 0 }, { 1, 1 } }), table);
    }

    [Theory]
    [InlineData("padding_idx")]
    [InlineData("max_norm")]
    [InlineData("norm_type")]
    [InlineData("scale_grad_by_freq")]
    [InlineData("sparse")]
    public void AnOptionOfFromPretrainedMeansWhatItMeansInTheConstructor(string option)
    {
        long? paddingIdx = option == "padding_idx" ? 2 : null;
        double? maxNorm = option is "max_norm" or "norm_type" ? 1.5 : null;
        double normType = option == "norm_type" ? 1 : 2;
        bool scaleGradByFreq = option == "scale_grad_by_freq", sparse = option == "sparse";
        Tensor table = randn(4, 3) * 3;
        using var made = new Embedding(4, 3, paddingIdx, maxNorm, normType, scaleGradByFreq, sparse);
        made.Weight = new Parameter(table.clone());
        using var given = Embedding.FromPretrained(
            table.clone(), false, paddingIdx, maxNorm, normType, scaleGradByFreq, sparse);
        using var plain = Embedding.FromPretrained(table.clone(), freeze: false);

        Tensor[] Results(Embedding embedding)
        {
            Tensor output = embedding.call(tensor(new long[] { 2, 1, 2, 0 }));
            output.square().sum().backward();
            Tensor gradient = embedding.Weight.grad!;
            return [output, embedding.Weight, tensor(gradient.is_sparse), gradient.to_dense()];
        }
        Tensor[] expected = Results(made), actual = Results(given), without = Results(plain);
        foreach ((Tensor one, Tensor other) in expected.Zip(actual)) TensorAssert.Same(one, other);
        Assert.Contains(actual.Zip(without), pair => !pair.First.allclose(pair.Second)); // the option does something
    }
}
