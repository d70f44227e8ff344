using System.Runtime.InteropServices;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Page;

/// <summary>The optimizers that take a sparse gradient, as the documentation page lists them, and one that does not.</summary>
public class SparseGradientTests : PageTests
{
    [Fact]
    public void SgdTakesASparseGradient() => TrainsSparsely(CPU);

    [Fact(Skip = Skipped.NoCuda, SkipType = typeof(Cuda), SkipUnless = nameof(Cuda.IsAvailable))]
    public void SgdTakesASparseGradientOnCuda() => TrainsSparsely(CUDA);

    [Fact]
    public void SparseAdamTakesASparseGradient() => LearnsSparsely(CPU, parameters => new Optim.SparseAdam(parameters, lr: 0.01));

    [Fact(Skip = Skipped.NoCuda, SkipType = typeof(Cuda), SkipUnless = nameof(Cuda.IsAvailable))]
    public void SparseAdamTakesASparseGradientOnCuda() =>
        LearnsSparsely(CUDA, parameters => new Optim.SparseAdam(parameters, lr: 0.01));

    [Fact]
    public void AdagradTakesASparseGradient() => LearnsSparsely(CPU, parameters => new Optim.Adagrad(parameters));

    [Fact]
    public void AdamRefusesASparseGradient()
    {
        using var embedding = new Embedding(4, 3, sparse: true);
        using var adam = optim.Adam(embedding.parameters());
        embedding.call(tensor(new long[] { 1 })).sum().backward();
        Assert.Throws<ExternalException>(() => adam.step());
    }

    private static void TrainsSparsely(Device device)
    {
        using var embedding = new Embedding(4, 3, sparse: true, device: device);
        Tensor before = embedding.Weight.detach().clone();
        Learn(embedding, 1, 1);
        Assert.True(embedding.Weight.grad!.is_sparse);
        TensorAssert.Same(before[0], embedding.Weight[0]);
        TensorAssert.Same(before[1] - 1 - 1, embedding.Weight[1]);
    }

    /// <summary>Asserts that the loss falls and that only the rows of the batch change.</summary>
    private static void LearnsSparsely(Device device, Func<IEnumerable<Parameter>, OptimizerHelper> make)
    {
        using var embedding = new Embedding(4, 3, sparse: true, device: device);
        using OptimizerHelper optimizer = make(embedding.parameters());
        Tensor before = embedding.Weight.detach().clone(), batch = tensor(new long[] { 1, 3, 1 }, device: device);
        var losses = new List<double>();
        for (int step = 0; step < 10; step++)
        {
            optimizer.zero_grad();
            Tensor loss = embedding.call(batch).square().sum();
            loss.backward();
            Assert.True(embedding.Weight.grad!.is_sparse);
            optimizer.step();
            losses.Add(loss.ToDouble());
        }
        Assert.Equal(losses.OrderDescending(), losses);
        TensorAssert.AllTrue(before[batch] != embedding.Weight[batch]);
        foreach (int unseen in new[] { 0, 2 }) TensorAssert.Same(before[unseen], embedding.Weight[unseen]);
    }
}
