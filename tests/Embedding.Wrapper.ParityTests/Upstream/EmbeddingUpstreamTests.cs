using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Upstream;

/// <summary>
/// PyTorch's own tests of nn.Embedding and F.embedding, in test/nn/test_embedding.py, restated under their own names. The rest of
/// that file is about EmbeddingBag.
/// </summary>
public class EmbeddingUpstreamTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    // A seed is needed, and PyTorch's tests have one: rounding leaves about 2 rows in 100 a last bit above max_norm.
    public EmbeddingUpstreamTests() => manual_seed(1234);

    public void Dispose() => _scope.Dispose();

    [Fact]
    public void test_embedding_sparse_basic()
    {
        using var embedding = new Embedding(10, 20, sparse: true);
        embedding.call(tensor(new long[,] { { 0, 2, 4, 5 }, { 4, 3, 0, 9 } })).sum().backward();
        AssertSparseGradient(embedding);
    }

    [Fact]
    public void test_embedding_sparse_empty_tensor()
    {
        using var empty = new Embedding(0, 0, sparse: true);
        empty.call(tensor(Array.Empty<long>())).sum().backward();
        AssertSparseGradient(empty);

        using var withoutColumns = new Embedding(10, 0, sparse: true);
        withoutColumns.call(tensor(new long[,] { { 0, 2, 4, 5 }, { 4, 3, 0, 9 } })).sum().backward();
        AssertSparseGradient(withoutColumns);
    }

    [Fact]
    public void test_move_sparse_half_embedding()
    {
        using var embedding = new Embedding(10, 3, sparse: true);
        Assert.Equal(DeviceType.CPU, embedding.Weight.device_type);
        Assert.Equal(get_default_dtype(), embedding.Weight.dtype);
        embedding.to(float16);
        Assert.Equal(float16, embedding.Weight.dtype);
        Assert.Equal((10, 3), (embedding.NumEmbeddings, embedding.EmbeddingDim));
        if (!Cuda.IsAvailable) return;
        embedding.to(CUDA);
        Assert.Equal(DeviceType.CUDA, embedding.Weight.device_type);
        embedding.to(CPU);
        Assert.Equal(DeviceType.CPU, embedding.Weight.device_type);
    }

    [Fact]
    public void test_embedding_max_norm() => MaxNorm(CPU, float32);

    [Theory]
    [InlineData(ScalarType.Byte)]
    [InlineData(ScalarType.Int8)]
    [InlineData(ScalarType.Int16)]
    [InlineData(ScalarType.Int32)]
    [InlineData(ScalarType.Int64)]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void test_embedding_from_pretrained(ScalarType dtype)
    {
        Tensor table = OneToSix(dtype);
        using var embedding = Embedding.FromPretrained(table);
        TensorAssert.Same(table, embedding.Weight);
        TensorAssert.Same(table, embedding.call(tensor(new long[] { 0, 1 })));
    }

    [Fact]
    public void test_embedding_from_pretrained_padding_idx()
    {
        Tensor sevens = ones(3) * 7;
        Tensor table = rand(4, 3, requires_grad: true);
        using (no_grad()) table[2] = sevens;
        using var embedding = Embedding.FromPretrained(table, paddingIdx: 2);
        TensorAssert.Same(sevens, embedding.Weight[2]);
    }

    [Fact]
    public void test_embedding_from_pretrained_options()
    {
        using var dtype = new DefaultDtype(float64);
        Tensor table = OneToSix(float64);
        using var embedding = Embedding.FromPretrained(
            table, maxNorm: 2.0, normType: 0.5, scaleGradByFreq: false, sparse: true);
        Tensor output = embedding.call(tensor(new long[] { 0, 1 }));
        TensorAssert.Same(table, output);
        TensorAssert.AllTrue(table.ne(OneToSix(float64)));
        TensorAssert.AllTrue(output.detach().norm(1, p: 0.5f) <= 2.0);
    }

    [Fact]
    public void test_embedding_functional()
    {
        Tensor input = tensor(new long[,] { { 1, 3, 2 }, { 0, 2, 1 } });
        Tensor table = rand(4, 3, requires_grad: true);
        using var embedding = new Embedding(4, 3) { Weight = new Parameter(table.detach()) };
        TensorAssert.Same(table, embedding.Weight);
        TensorAssert.Same(embedding.call(input), Functional.Embedding(input, table));

        using var padded = Embedding.FromPretrained(table, paddingIdx: 2);
        TensorAssert.Same(padded.call(input), Functional.Embedding(input, table, paddingIdx: 2));
    }

    [Fact]
    public void test_embedding_dense_grad()
    {
        using var dtype = new DefaultDtype(float64);
        using var embedding = new Embedding(20, 20);
        Tensor input = tensor(new long[,] { { 0, 1, 1, 2 }, { 3, 5, 7, 11 } });
        GradientCheck.FirstAndSecond(weight => Functional.Embedding(input, weight), embedding.Weight);
    }

    [Fact]
    public void test_embedding_scalar_weight_error()
    {
        Tensor input = zeros([2, 2], int64);
        foreach (Tensor weight in new[] { tensor(1.0f), tensor(1.0f).reshape(1, 1, 1) })
        {
            var error = Assert.Throws<InvalidOperationException>(() => Functional.Embedding(input, weight));
            Assert.Contains("'weight' must be 2-D", error.Message);
        }
    }

    [Fact]
    public void test_embedding_backward()
    {
        using var embedding = new Embedding(10, 3, sparse: true);
        embedding.to(float64);
        Tensor input = tensor(new long[,] { { 7, 1, 3 } });

        Backward();
        AssertEntries(7, 1, 3);

        embedding.zero_grad();
        Backward();
        Backward();
        AssertEntries(7, 1, 3, 7, 1, 3);

        embedding.zero_grad();
        Backward();
        input[0, 0] = tensor(8L);
        Backward();
        AssertEntries(7, 1, 3, 8, 1, 3);

        void Backward() => embedding.call(input[0]).sum().backward();

        void AssertEntries(params long[] rows)
        {
            Tensor gradient = embedding.Weight.grad!;
            TensorAssert.Same(tensor(rows).unsqueeze(0), gradient.SparseIndices);
            TensorAssert.Same(ones([rows.Length, 3], float64), gradient.SparseValues);
        }
    }

    [Fact]
    public void test_embedding_max_norm_backward()
    {
        Tensor weight = (randn(4, 4) * 2).requires_grad_();
        Functional.Embedding(tensor(new long[] { 0, 1, 2, 2 }), weight, maxNorm: 1.0).sum().backward();
        TensorAssert.Same(tensor(new float[] { 1, 1, 2, 0 }).unsqueeze(1).expand(4, 4), weight.grad!);
    }

    [Fact(Skip = Skipped.NoForwardMode)]
    public void test_embedding_max_norm_fwd_AD()
    {
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void test_embedding_padding_idx(bool sparse)
    {
        // padded entries give zeros, wherever the padding row is counted from
        Tensor input = tensor(new long[,] { { 0, 2, 4, 5 }, { 4, 3, 0, 9 } });
        using var first = new Embedding(10, 20, paddingIdx: 0, sparse: sparse);
        Tensor output = first.call(input);
        TensorAssert.AllZero(output[0, 0].sum());
        TensorAssert.AllZero(output[1, 2].sum());

        input = tensor(new long[,] { { 0, 2, 8, 5 }, { 4, 8, 0, 9 } });
        using var last = new Embedding(10, 20, paddingIdx: -2, sparse: sparse);
        output = last.call(input);
        TensorAssert.AllZero(output[0, 2].sum());
        TensorAssert.AllZero(output[1, 1].sum());

        // a padding row that was written is returned as it is
        using (no_grad()) last.Weight[8] = ones(20);
        TensorAssert.Same(ones(20), last.call(tensor(new long[] { 8, 8 }))[1]);

        // outside the table
        Assert.Throws<ArgumentOutOfRangeException>(() => new Embedding(10, 20, paddingIdx: 25, sparse: sparse));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Embedding(10, 20, paddingIdx: -25, sparse: sparse));

        // the padding row does not learn, however often it is looked up
        foreach (int padded in new[] { 1, 2, 1000 })
        {
            using var embedding = new Embedding(100, 5, paddingIdx: 0, sparse: sparse);
            Tensor padding = embedding.Weight[0].detach().clone();
            Tensor many = cat([zeros([padded], int64), randint(1, 100, [150], int64)])[randperm(padded + 150)];
            embedding.call(many).sum().backward();
            TensorAssert.Same(padding, embedding.Weight.add(embedding.Weight.grad!.to_dense())[0]);

            // ... nor through a second derivative
            embedding.zero_grad();
            Tensor looked = embedding.call(many).square().sum();
            Tensor gradient = autograd.grad([looked], [embedding.Weight], create_graph: true, retain_graph: true).Single();
            (looked + gradient.to_dense().square().sum()).backward();
            TensorAssert.Same(padding, embedding.Weight.add(embedding.Weight.grad!.to_dense())[0]);
        }
    }

    [Fact(Skip = Skipped.NoCuda, SkipType = typeof(Cuda), SkipUnless = nameof(Cuda.IsAvailable))]
    public void test_embedding_max_norm_unsorted_repeating_indices()
    {
        Tensor input = arange(2, dtype: int64).repeat(2000);
        using Embedding near = Seeded(), far = Seeded();
        far.to(CUDA);
        // CUDA may sum a norm in another order.
        Assert.True(near.call(input).allclose(far.call(input.cuda()).cpu()));

        static Embedding Seeded()
        {
            manual_seed(0);
            return new Embedding(20, 64, maxNorm: 1.0);
        }
    }

    [Theory(Skip = Skipped.NoCuda, SkipType = typeof(Cuda), SkipUnless = nameof(Cuda.IsAvailable))]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.Float16)]
    public void test_embedding_max_norm_device(ScalarType dtype) => MaxNorm(CUDA, dtype);

    [Fact(Skip = Skipped.NoCuda, SkipType = typeof(Cuda), SkipUnless = nameof(Cuda.IsAvailable))]
    public void test_large_tensors() // takes 10 GB of the GPU's memory
    {
        Tensor input = randint(0, 16032, [131072], int64, CUDA);
        Tensor weight = randn(16032, 16384, device: CUDA);
        Tensor output = Functional.Embedding(input, weight);
        Assert.Equal(2, output.dim());
        Assert.Equal(2147483648, output.numel());
    }

    private static void MaxNorm(Device device, ScalarType dtype)
    {
        using var embedding = new Embedding(22, 5, maxNorm: 1.0, device: device, dtype: dtype);
        Tensor output = embedding.call(tensor(new long[] { 2, 8, 8, 6 }, device: device));
        TensorAssert.Same(output[1], output[2]);
        TensorAssert.AllTrue(output.detach().norm(1) <= 1);
    }

    private static void AssertSparseGradient(Embedding embedding)
    {
        Tensor gradient = embedding.Weight.grad!;
        Assert.True(gradient.is_sparse);
        Assert.Equal(embedding.Weight.shape, gradient.shape);
    }

    private static Tensor OneToSix(ScalarType dtype) => arange(1, 7, dtype: dtype).reshape(2, 3);
}
