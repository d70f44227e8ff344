using EmbeddingWrapper.Optim;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using SGD = EmbeddingWrapper.Optim.SGD;

namespace EmbeddingWrapper.ParityTests.Upstream;

/// <summary>
/// PyTorch's own tests of SGD with sparse gradients, in test/test_optim.py, and of clipping by norm, in test/test_nn.py, restated under
/// their own names. The ones of clipping run on the gradient of an embedding, dense and sparse.
/// </summary>
public class OptimUpstreamTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Theory]
    [InlineData(ScalarType.Float64, 4.8e-3, false)]
    [InlineData(ScalarType.Float64, 4.8e-3, true)]
    public void test_rosenbrock_sparse(ScalarType dtype, double lr, bool withScheduler) => Rosenbrock(dtype, lr, withScheduler);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void test_sgd_sparse(bool withScheduler) => Rosenbrock(ScalarType.Float32, 4.8e-3, withScheduler);

    /// <summary>
    /// Minimizes (1 - x)^2 + 100 (y - x^2)^2 from (1.5, 1.5). Each step has the gradient of one variable alone, as two entries of a sparse
    /// tensor that is not coalesced. A second parameter gets the same gradients dense.
    /// </summary>
    private static void Rosenbrock(ScalarType dtype, double lr, bool withScheduler)
    {
        using var sparse = new Parameter(tensor([1.5, 1.5], dtype));
        using var dense = new Parameter(tensor([1.5, 1.5], dtype));
        using SGD ofSparse = new([sparse], lr), ofDense = new([dense], lr);
        optim.lr_scheduler.LRScheduler[] schedulers = withScheduler
            ? [.. new[] { ofSparse, ofDense }.Select(optimizer => optim.lr_scheduler.StepLR(optimizer, 300, gamma: 0.99999))] : [];
        for (int step = 0; step < 2000; step++)
        {
            using DisposeScope scope = NewDisposeScope();
            int variable = step % 2;
            double part = Gradient(Numbers(sparse))[variable];
            Tensor index = tensor(new long[,] { { variable, variable } }), values = tensor([part / 4, part - (part / 4)], dtype);
            sparse.grad = sparse_coo_tensor(index, values, [2]);
            double[] other = [0, 0];
            other[variable] = Gradient(Numbers(dense))[variable];
            dense.grad = tensor(other, dtype);
            ofSparse.step();
            ofDense.step();
            foreach (optim.lr_scheduler.LRScheduler scheduler in schedulers) scheduler.step();
            Assert.All(Numbers(sparse).Zip(Numbers(dense)), pair => Assert.Equal(pair.Second, pair.First, 5e-6 * (1 + Math.Abs(pair.Second))));
        }
        Assert.InRange(Distance(Numbers(sparse)), 0, Distance([1.5, 1.5]));

        static double[] Numbers(Parameter parameter)
        {
            using Tensor wide = parameter.detach().to(float64);
            return wide.data<double>().ToArray();
        }

        static double[] Gradient(double[] at) =>
            [(-400 * at[0] * (at[1] - (at[0] * at[0]))) - (2 * (1 - at[0])), 200 * (at[1] - (at[0] * at[0]))];

        static double Distance(double[] at) => Math.Sqrt(((at[0] - 1) * (at[0] - 1)) + ((at[1] - 1) * (at[1] - 1)));
    }

    [Theory]
    [InlineData(0.5, false)]
    [InlineData(0.5, true)]
    [InlineData(1.5, false)]
    [InlineData(1.5, true)]
    [InlineData(2.0, false)]
    [InlineData(2.0, true)]
    [InlineData(4.0, false)]
    [InlineData(4.0, true)]
    [InlineData(double.PositiveInfinity, false)]
    [InlineData(double.PositiveInfinity, true)]
    public void test_clip_grad_norm(double normType, bool sparse)
    {
        const double maxNorm = 2;
        using var embedding = new Embedding(10, 10, sparse: sparse);
        Tensor rows = arange(10), upstream = arange(1, 101).to(float32).view(10, 10);

        // A large gradient shrinks to the norm, each element by the same factor.
        embedding.forward(rows).backward([upstream]);
        double before = Norm();
        Assert.Equal(before, Gradients.ClipGradNorm(embedding.parameters(), maxNorm, normType).ToDouble(), before * 1e-5);
        Assert.InRange(Norm(), 0, maxNorm + 1e-5);
        Assert.Equal(maxNorm, Norm(), 1e-3);
        Tensor scale = Dense() / upstream;
        Assert.Equal(0, (scale.max() - scale.min()).ToDouble(), 1e-6);

        // A small gradient keeps its values.
        embedding.zero_grad();
        embedding.forward(rows).backward([upstream / 1e7]);
        Tensor small = Dense().clone();
        Assert.InRange(Gradients.ClipGradNorm(embedding.parameters(), maxNorm, normType).ToDouble(), 0, maxNorm);
        TensorAssert.Same(small, Dense());

        Tensor Dense() => sparse ? embedding.Weight.grad!.to_dense() : embedding.Weight.grad!;

        double Norm()
        {
            double[] numbers = [.. Dense().to(float64).data<double>().ToArray().Select(Math.Abs)];
            return double.IsInfinity(normType) ? numbers.Max() : Math.Pow(numbers.Sum(number => Math.Pow(number, normType)), 1 / normType);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void test_clip_grad_norm_error_if_nonfinite(bool sparse)
    {
        foreach (double normType in new[] { 0.5, 1.5, 2.0, 4.0, double.PositiveInfinity })
        {
            foreach (float bad in new[] { float.NaN, float.PositiveInfinity })
            {
                using var embedding = new Embedding(10, 10, sparse: sparse);
                embedding.forward(arange(10)).backward([full([10, 10], bad)]);
                Tensor before = Values(embedding).clone();
                var error = Assert.Throws<InvalidOperationException>(
                    () => Gradients.ClipGradNorm(embedding.parameters(), 1, normType, errorIfNonFinite: true));
                Assert.Contains("is non-finite, so it cannot be clipped", error.Message);
                Assert.True(before.allclose(Values(embedding), equal_nan: true));
                Gradients.ClipGradNorm(embedding.parameters(), 1, normType); // without the option there is no error
            }
            using var finite = new Embedding(10, 10, sparse: sparse);
            finite.forward(arange(10)).backward([ones(10, 10)]);
            Gradients.ClipGradNorm(finite.parameters(), 1, normType, errorIfNonFinite: true);
        }

        Tensor Values(Embedding embedding) => sparse ? embedding.Weight.grad!.SparseValues : embedding.Weight.grad!;
    }
}
