using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.OptimizerTests;
using static EmbeddingWrapper.Tests.Shared;
using SGD = EmbeddingWrapper.Optim.SGD;

namespace EmbeddingWrapper.Tests;

/// <summary>Sparse gradients that a caller has made or changed.</summary>
public class OptimizerOddGradientTests
{
    [Theory]
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
    [InlineData(Kind.SGD)]
    public void AnIndexThatWasChangedInACoalescedGradientIsRefused(Kind kind)
    {
        var parameter = new Parameter(ones(10));
        using OptimizerHelper optimizer = Make(kind, [parameter]);
        foreach (long bad in new[] { 10, -1, 5_000_000_000_000 })
        {
            parameter.grad = ones(10).to_sparse();
            using (no_grad()) parameter.grad!.SparseIndices[0, 4] = tensor(bad);
            var error = Assert.Throws<InvalidOperationException>(() => optimizer.step());
            Assert.Equal($"The gradient has an entry at index {bad} of dimension 0, of size 10.", error.Message);
            Assert.All(Floats(parameter), value => Assert.Equal(1f, value));
        }
    }

    /// <summary>libtorch adds single numbers with two roundings where it adds rows with one.</summary>
    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void SingleNumbersAreRoundedAsLibtorchRoundsThem(ScalarType dtype)
    {
        const double rate = 0.8154402615622098;
        foreach ((bool coalesced, long[] shape) in new[] { (true, new long[] { 4096 }), (true, [64, 64]), (false, [4096]), (false, [64, 64]) })
        {
            Tensor start = randn(shape, dtype), gradient = randn(shape, dtype).to_sparse();
            if (!coalesced) gradient = sparse_coo_tensor(gradient.SparseIndices, gradient.SparseValues, shape);
            var parameter = new Parameter(start.clone()) { grad = gradient };
            using var optimizer = new SGD([parameter], rate);
            optimizer.step();
            using Scalar factor = -rate;
            AssertSameBits(start.add_(gradient, factor), parameter);
        }
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void NesterovMomentumTakesAGradientWhoseElementsOverlap(ScalarType dtype)
    {
        byte[][] results = [.. new[] { true, false }.Select(overlap =>
        {
            var parameter = new Parameter(ones([4, 4], dtype));
            using var optimizer = new SGD([parameter], 0.1, momentum: 0.9, nesterov: true);
            for (int i = 0; i < 3; i++)
            {
                Tensor gradient = arange(7, dtype: dtype).as_strided([4, 4], [1, 1], 0);
                parameter.grad = overlap ? gradient : gradient.clone();
                optimizer.step();
            }
            return Bits(parameter);
        })];
        Assert.Equal(results[1], results[0]);
    }

    /// <summary>libtorch's vector kernels round sums of half numbers in another way if the elements lie next to each other.</summary>
    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    public void NesterovMomentumTakesAGradientWithGaps(ScalarType dtype)
    {
        using Scalar momentum = 0.9, one = 1, minusRate = -0.1;
        Tensor expected = randn([16, 8], dtype), memory = randn([16, 16], dtype), gradient = memory.as_strided([16, 8], [16, 2], 0);
        Tensor buffer = gradient.clone();
        var parameter = new Parameter(expected.clone()) { grad = gradient };
        using var optimizer = new SGD([parameter], 0.1, momentum: 0.9, nesterov: true);
        for (int i = 0; i < 3; i++)
        {
            if (i > 0) buffer = buffer.mul(momentum).add_(gradient, one);
            expected.add_(gradient.add(buffer, momentum), minusRate);
            optimizer.step();
            AssertSameBits(expected, parameter);
        }
    }

    /// <summary>libtorch takes the stride of a single entry for the length of its row, and would write 400 numbers.</summary>
    [Theory]
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
    [InlineData(Kind.SGD)]
    public void TheValuesOfASingleEntryMayBeASliceOfLongerRows(Kind kind)
    {
        foreach (ScalarType dtype in new[] { float32, bfloat16 })
        {
            byte[][] results = [.. new[] { true, false }.Select(isSlice =>
            {
                Tensor memory = Table(200, 4, dtype), slice = arange(1, 401, dtype: dtype).reshape(1, 400)[.., ..4];
                var parameter = new Parameter(memory[..100]);
                parameter.grad = sparse_coo_tensor(tensor(new long[,] { { 99 } }), isSlice ? slice : slice.reshape(4).clone().view(1, 4), [100, 4]);
                using OptimizerHelper optimizer = Make(kind, [parameter]);
                for (int i = 0; i < 2; i++) optimizer.step();
                return Bits(memory);
            })];
            Assert.Equal(results[1], results[0]);
            using Tensor untouched = Table(200, 4, dtype);
            Assert.Equal(Bits(untouched)[(results[0].Length / 2)..], results[0][(results[0].Length / 2)..]);
        }
    }

    /// <summary>libtorch would add the place of the view in its storage twice.</summary>
    [Theory]
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
    [InlineData(Kind.SGD)]
    public void AParameterOfOneDimensionMayBeAView(Kind kind)
    {
        foreach (ScalarType dtype in new[] { float32, bfloat16 })
        {
            Tensor memory = ones(10, dtype);
            var parameter = new Parameter(memory[3..6]);
            parameter.grad = sparse_coo_tensor(tensor(new long[,] { { 1 } }), ones(1, dtype), [3]);
            using OptimizerHelper optimizer = Make(kind, [parameter]);
            for (int i = 0; i < 2; i++) optimizer.step();
            bool[] changed = [.. Floats(memory.to(float32)).Select(value => value != 1)];
            Assert.Equal(4, Assert.Single(changed.Index(), each => each.Item).Index);
        }
    }
}
