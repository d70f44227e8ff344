using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Page;

/// <summary>The two notes of the documentation page of torch.nn.functional.embedding.</summary>
public class FunctionalPageTests
{
    [Fact]
    public void TheGradientOfThePaddingRowIsZeroAndDiffersFromTheNumericalOne()
    {
        using Tensor input = tensor(new long[] { 1, 2, 1 }), weight = ones([3, 2], float64);
        weight.requires_grad = true;
        Functional.Embedding(input, weight, paddingIdx: 1).sum().backward();
        TensorAssert.Same(tensor(new double[,] { { 0, 0 }, { 0, 0 }, { 1, 1 } }), weight.grad!);

        // The sum grows by 2 for each 1 that is added to an element of row 1, which occurs twice.
        Assert.Equal(2, SumWith(added: 0.5) - SumWith(added: -0.5));

        double SumWith(double added)
        {
            using var grad = no_grad();
            using Tensor moved = weight.clone();
            moved[1, 0] += added;
            return Functional.Embedding(input, moved, paddingIdx: 1).sum().item<double>();
        }
    }

    [Fact]
    public void TheFunctionLeavesThePaddingRowAndTheLayerZeroesItOnConstruction()
    {
        using Tensor input = tensor(new long[] { 1 }), weight = ones(3, 2);
        TensorAssert.Same(ones(1, 2), Functional.Embedding(input, weight, paddingIdx: 1));
        TensorAssert.Same(ones(3, 2), weight);
        using var layer = new Embedding(3, 2, paddingIdx: 1);
        TensorAssert.Same(zeros(2), layer.Weight[1].detach());
    }
}
