using System.Diagnostics;
using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.OptimizerTests;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests;

/// <summary>The row kernels give the bits of the tensor operations, for every layout, dtype and number of threads.</summary>
public class OptimizerKernelTests
{
    [Theory]
    [InlineData(Kind.SparseAdam, ScalarType.Float32)]
    [InlineData(Kind.SparseAdam, ScalarType.Float64)]
    [InlineData(Kind.Adagrad, ScalarType.Float32)]
    [InlineData(Kind.Adagrad, ScalarType.Float64)]
    [InlineData(Kind.SGD, ScalarType.Float32)]
    [InlineData(Kind.SGD, ScalarType.Float64)]
    public void ALargeBatchGivesTheBitsOfItsPartsOnAnyNumberOfThreads(Kind kind, ScalarType dtype)
    {
        const int rows = 6000, part = 7, width = 37; // a part is too small for a second thread
        using Tensor table = randn(rows, width, dtype), direction = randn(rows, width, dtype);
        using Tensor whole = table.clone(), parts = table.clone();
        int threads = get_num_threads();
        try
        {
            set_num_threads(4);
            TrainAll(kind, whole, direction);
            for (int row = 0; row < rows; row += part)
            {
                int length = Math.Min(part, rows - row);
                using Tensor some = parts.narrow(0, row, length), its = direction.narrow(0, row, length);
                TrainAll(kind, some, its);
            }
        }
        finally
        {
            set_num_threads(threads);
        }
        AssertSameBits(whole, parts);
    }

    [Theory]
    [InlineData(Kind.SparseAdam, ScalarType.Float32)]
    [InlineData(Kind.SparseAdam, ScalarType.Float64)]
    [InlineData(Kind.Adagrad, ScalarType.Float32)]
    [InlineData(Kind.Adagrad, ScalarType.Float64)]
    [InlineData(Kind.SGD, ScalarType.Float32)]
    [InlineData(Kind.SGD, ScalarType.Float64)]
    public void ATableOfAnotherLayoutGetsTheSameBits(Kind kind, ScalarType dtype)
    {
        using Tensor table = randn(40, 37, dtype), direction = randn(40, 37, dtype);
        using Tensor rowMajor = table.clone(), columns = table.t().contiguous(), columnMajor = columns.t();
        TrainAll(kind, rowMajor, direction);
        TrainAll(kind, columnMajor, direction);
        AssertSameBits(rowMajor, columnMajor);
    }

    [Fact]
    public void ItIsSoWithTheVectorKernelsOfLibtorchToo()
    {
        Assert.SkipUnless(System.Runtime.Intrinsics.X86.Avx2.IsSupported && !OperatingSystem.IsWindows(), "no AVX2, or no way to choose kernels");

        // This process has the plain kernels, which round a scaled sum twice; those of AVX2 round it once. libtorch chooses at its start.
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "Embedding.Wrapper.Tests"))
        {
            ArgumentList =
            {
                "-noColor", "-method", $"*.{nameof(ATableOfAnotherLayoutGetsTheSameBits)}",
                "-method", $"*.{nameof(SgdTests.TheRowKernelGivesTheBitsOfLibtorchsAddition)}",
                "-method", $"*.{nameof(OptimizerOddGradientTests.SingleNumbersAreRoundedAsLibtorchRoundsThem)}",
                "-method", $"*.{nameof(OptimizerOddGradientTests.NesterovMomentumTakesAGradientWithGaps)}",
            },
            Environment = { ["ATEN_CPU_CAPABILITY"] = "avx2" },
            RedirectStandardOutput = true,
        };
        using var child = Process.Start(start)!;
        string output = child.StandardOutput.ReadToEnd();
        child.WaitForExit();
        Assert.True(child.ExitCode == 0, output);
        Assert.Contains("Total: 13,", output);
    }

    private static void TrainAll(Kind kind, Tensor memory, Tensor gradient)
    {
        using Embedding embedding = Embedding.FromPretrained(memory, freeze: false, sparse: true);
        using OptimizerHelper optimizer = Make(kind, embedding.parameters());
        using Tensor all = arange(memory.size(0));
        for (int step = 0; step < 3; step++)
        {
            optimizer.zero_grad();
            using Tensor found = embedding.forward(all);
            found.backward([gradient]);
            optimizer.step();
        }
    }

    [Theory]
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
    [InlineData(Kind.SGD)]
    public void AGradientOfSingleNumbersChangesThemAlone(Kind kind)
    {
        using Embedding embedding = Trainable();
        using OptimizerHelper optimizer = Make(kind, embedding.parameters());
        float[] before = Floats(embedding.Weight);
        using Tensor places = tensor(new long[,] { { 1, 3 }, { 2, 0 } }), values = ones(2);
        embedding.Weight.grad = sparse_coo_tensor(places, values, embedding.Weight.shape);
        optimizer.step();
        float[] after = Floats(embedding.Weight);
        Assert.Equal([5, 9], Enumerable.Range(0, before.Length).Where(i => before[i] != after[i]));
    }

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    public void HalfPrecisionTablesTrainByTensorOperations(ScalarType dtype)
    {
        foreach (Kind kind in Enum.GetValues<Kind>())
        {
            using Tensor table = Table(dtype: dtype);
            using Embedding embedding = Embedding.FromPretrained(table, freeze: false, sparse: true);
            using OptimizerHelper optimizer = Make(kind, embedding.parameters());
            Backward(embedding, 1, 1);
            optimizer.step();
            Assert.InRange(table[1, 0].to(float32).ToSingle(), 2.8f, 2.95f);
            Assert.Equal(6f, table[2, 0].to(float32).ToSingle());
        }
    }
}
