using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests;

public class FunctionalTests
{
    [Fact]
    public void ItEqualsTheLayerAndLeavesTheWeightAlone()
    {
        using Tensor weight = Table().requires_grad_();
        using Tensor input = tensor(new long[,] { { 1, 2 }, { 3, 1 } });
        using var embedding = Embedding.FromPretrained(weight);

        using Tensor functional = Functional.Embedding(input, weight);
        using Tensor module = embedding.forward(input);

        AssertSameBits(module, functional);
        Assert.True(functional.requires_grad);
        Assert.False(weight.IsInvalid);
    }

    [Fact]
    public void GradientsReachAWeightThatIsComputed()
    {
        using Tensor source = Table().requires_grad_();
        using Tensor weight = source * 2;
        using Tensor input = Indices(1, 1);
        using Tensor loss = Functional.Embedding(input, weight, paddingIdx: 0).sum();
        loss.backward();

        Assert.Equal([0f, 0f, 0f, 4f, 4f, 4f, 0f, 0f, 0f, 0f, 0f, 0f], Floats(source.grad!));
    }

    [Fact]
    public void DoubleBackwardWorksCallAfterCall()
    {
        // TorchScript optimizes a function after its first runs; the results must not change.
        for (int call = 0; call < 5; call++)
        {
            using var scope = NewDisposeScope();
            Tensor weight = Table(dtype: ScalarType.Float64).requires_grad_();
            Tensor loss = Functional.Embedding(Indices(1, 1, 2), weight).square().sum();
            Tensor gradient = autograd.grad([loss], [weight], retain_graph: true, create_graph: true)[0];
            gradient.square().sum().backward();
            Assert.Equal([0d, 0, 0, 96, 128, 160, 48, 56, 64, 0, 0, 0], weight.grad!.data<double>().ToArray());
        }
    }

    [Fact]
    public void EightThreadsGetRightAnswers()
    {
        using Tensor weight = Table(100, 3);
        Parallel.For(0, 8, thread =>
        {
            for (int i = 0; i < 200; i++)
            {
                long row = (thread * 31 + i) % 100;
                using Tensor input = Indices(row);
                using Tensor found = Functional.Embedding(input, weight);
                Assert.Equal(row * 3f, found[0, 0].ToSingle());
            }
        });
    }
}
