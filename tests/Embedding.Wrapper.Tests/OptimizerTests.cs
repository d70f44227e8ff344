using System.Diagnostics;
using EmbeddingWrapper.Optim;
using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.Shared;
using Adagrad = EmbeddingWrapper.Optim.Adagrad;

namespace EmbeddingWrapper.Tests;

/// <summary>What holds for both optimizers; that their numbers are PyTorch's is the parity suite's to show.</summary>
public class OptimizerTests
{
    public enum Kind { SparseAdam, Adagrad }

    internal static OptimizerHelper Make(Kind kind, IEnumerable<Parameter> parameters, double lr = 0.1) =>
        kind == Kind.SparseAdam ? new SparseAdam(parameters, lr) : new Adagrad(parameters, lr);

    internal static Embedding Trainable(bool sparse = true) => Embedding.FromPretrained(Table(), freeze: false, sparse: sparse);

    internal static void Backward(Embedding embedding, params long[] indices)
    {
        using Tensor input = Indices(indices);
        using Tensor found = embedding.forward(input);
        using Tensor loss = found.sum();
        loss.backward();
    }

    [Theory]
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
    public void OnlyTheRowsLookedUpChange(Kind kind)
    {
        using Embedding embedding = Trainable();
        using OptimizerHelper optimizer = Make(kind, embedding.parameters());
        Backward(embedding, 1, 3, 1);
        optimizer.step();

        float[] after = Floats(embedding.Weight);
        Assert.Equal([0f, 1f, 2f], after[..3]);
        Assert.Equal([6f, 7f, 8f], after[6..9]);
        Assert.True(after[3] < 3 && after[9] < 9);
    }

    [Theory]
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
    public void TheGradientStaysAsItWasAndZeroGradDropsIt(Kind kind)
    {
        using Embedding embedding = Trainable();
        using OptimizerHelper optimizer = Make(kind, embedding.parameters());
        Backward(embedding, 3, 1, 1);
        optimizer.step();

        using (Tensor gradient = embedding.Weight.grad!)
        using (Tensor indices = gradient.SparseIndices)
        {
            Assert.Equal([3L, 1L, 1L], indices.data<long>().ToArray());
        }
        optimizer.zero_grad();
        Assert.Null(embedding.Weight.grad);
    }

    [Theory]
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
    public void ParametersWithoutAGradientAreLeftAlone(Kind kind)
    {
        using Embedding embedding = Trainable(), idle = Trainable();
        byte[] before = Bits(idle.Weight);
        using OptimizerHelper optimizer = Make(kind, [embedding.Weight, idle.Weight]);
        Backward(embedding, 1);
        optimizer.step();

        Assert.Equal(before, Bits(idle.Weight));
    }

    [Theory]
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
    public void TheClosureRunsWithGradientsAndItsLossComesBack(Kind kind)
    {
        using Embedding embedding = Trainable();
        using OptimizerHelper optimizer = Make(kind, embedding.parameters());
        Tensor Closure()
        {
            optimizer.zero_grad();
            using Tensor found = embedding.Lookup(1);
            Tensor loss = found.sum();
            loss.backward();
            return loss;
        }

        using (no_grad())
        using (Tensor loss = optimizer.step(Closure))
        {
            Assert.Equal(12f, loss.ToSingle());
        }
        Assert.True(Floats(embedding.Weight)[3] < 3);
    }

    [Theory]
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
    public void SchedulersTurnTheLearningRate(Kind kind)
    {
        using Embedding embedding = Trainable();
        using OptimizerHelper optimizer = Make(kind, embedding.parameters(), lr: 0.1);
        var scheduler = optim.lr_scheduler.StepLR(optimizer, 1, gamma: 0.5);
        scheduler.step();
        Assert.Equal(0.05, optimizer.ParamGroups.Single().LearningRate);
    }

    [Fact]
    public void GroupsKeepTheirOwnOptionsAndTakeTheRestFromTheOptimizer()
    {
        using Embedding slow = Trainable(), fast = Trainable();
        using var optimizer = new SparseAdam(
            [new SparseAdam.ParamGroup([slow.Weight], new() { LearningRate = 0.001 }), new SparseAdam.ParamGroup([fast.Weight])], lr: 0.1);
        Backward(slow, 1);
        Backward(fast, 1);
        optimizer.step();

        Assert.Equal(2.999f, Floats(slow.Weight)[3]);
        Assert.Equal(2.9f, Floats(fast.Weight)[3]);
    }

    [Fact]
    public void EveryOptionOfAGroupIsItsOwn()
    {
        using Embedding one = Trainable(), other = Trainable();
        using var adam = new SparseAdam(
            [new SparseAdam.ParamGroup([one.Weight], new() { LearningRate = 1, Beta1 = 0.2, Beta2 = 0.3, Eps = 4, Maximize = true }),
             new SparseAdam.ParamGroup([other.Weight])], 0.01, 0.02, 0.03, 0.04);
        using var adagrad = new Adagrad(
            [new Adagrad.ParamGroup([one.Weight], new()
             { LearningRate = 1, LrDecay = 2, WeightDecay = 3, InitialAccumulatorValue = 4, Eps = 5, Maximize = true }),
             new Adagrad.ParamGroup([other.Weight])], 0.01, 0.02, 0.03, 0.04, 0.05);

        Assert.Equal([(1, 0.2, 0.3, 4, true), (0.01, 0.02, 0.03, 0.04, false)], adam.ParamGroups.Cast<SparseAdam.ParamGroup>()
            .Select(group => group.Options)
            .Select(o => (o.LearningRate!.Value, o.Beta1!.Value, o.Beta2!.Value, o.Eps!.Value, o.Maximize!.Value)));
        Assert.Equal([(1, 2, 3, 4, 5, true), (0.01, 0.02, 0.03, 0.04, 0.05, false)], adagrad.ParamGroups.Cast<Adagrad.ParamGroup>()
            .Select(group => group.Options)
            .Select(o => (o.LearningRate!.Value, o.LrDecay!.Value, o.WeightDecay!.Value, o.InitialAccumulatorValue!.Value, o.Eps!.Value, o.Maximize!.Value)));
    }

    [Theory]
    [InlineData(Kind.SparseAdam, ScalarType.Float32)]
    [InlineData(Kind.SparseAdam, ScalarType.Float64)]
    [InlineData(Kind.Adagrad, ScalarType.Float32)]
    [InlineData(Kind.Adagrad, ScalarType.Float64)]
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
            ArgumentList = { "-noColor", "-method", $"*.{nameof(ATableOfAnotherLayoutGetsTheSameBits)}" },
            Environment = { ["ATEN_CPU_CAPABILITY"] = "avx2" },
            RedirectStandardOutput = true,
        };
        using var child = Process.Start(start)!;
        string output = child.StandardOutput.ReadToEnd();
        child.WaitForExit();
        Assert.True(child.ExitCode == 0, output);
        Assert.Contains("Total: 4,", output);
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

    [Fact]
    public void ADenseGradientIsRefusedAndNothingChanges()
    {
        using Embedding sparse = Trainable(), dense = Trainable(sparse: false);
        using var optimizer = new SparseAdam([sparse.Weight, dense.Weight]);
        Backward(sparse, 1);
        Backward(dense, 1);
        byte[] before = Bits(sparse.Weight);

        var error = Assert.Throws<InvalidOperationException>(() => optimizer.step());

        Assert.Equal("SparseAdam does not support dense gradients, please consider Adam instead", error.Message);
        Assert.Equal(before, Bits(sparse.Weight));
        Assert.Equal(0, ((SparseAdam.State)optimizer.state_dict().State[0]).Step);
    }

    [Fact]
    public void WeightDecayWithASparseGradientIsRefusedAndNothingChanges()
    {
        using Embedding dense = Trainable(sparse: false), sparse = Trainable();
        using var optimizer = new Adagrad([dense.Weight, sparse.Weight], weightDecay: 0.1);
        Backward(dense, 1);
        Backward(sparse, 1);
        byte[] before = Bits(dense.Weight);

        var error = Assert.Throws<InvalidOperationException>(() => optimizer.step());

        Assert.Equal("weight_decay option is not compatible with sparse gradients", error.Message);
        Assert.Equal(before, Bits(dense.Weight));
        Assert.Equal(0, ((Adagrad.State)optimizer.state_dict().State[0]).Step);
    }

    [Fact]
    public void NumbersOutOfRangeGetPyTorchsTexts()
    {
        using Embedding embedding = Trainable();
        Parameter[] p = [embedding.Weight];
        Assert.Multiple(
            () => Refused("lr", "Invalid learning rate: 0.0", () => new SparseAdam(p, lr: 0)),
            () => Refused("lr", "Invalid learning rate: nan", () => new SparseAdam(p, lr: double.NaN)),
            () => Refused("eps", "Invalid epsilon value: 0.0", () => new SparseAdam(p, eps: 0)),
            () => Refused("beta1", "Invalid beta parameter at index 0: 1.0", () => new SparseAdam(p, beta1: 1)),
            () => Refused("beta2", "Invalid beta parameter at index 1: -0.5", () => new SparseAdam(p, beta2: -0.5)),
            () => Refused("lr", "Invalid learning rate: -1.0", () => new Adagrad(p, lr: -1)),
            () => Refused("lrDecay", "Invalid lr_decay value: -1.0", () => new Adagrad(p, lrDecay: -1)),
            () => Refused("weightDecay", "Invalid weight_decay value: -1.0", () => new Adagrad(p, weightDecay: -1)),
            () => Refused("initialAccumulatorValue", "Invalid initial_accumulator_value value: -1.0",
                () => new Adagrad(p, initialAccumulatorValue: -1)),
            () => Refused("eps", "Invalid epsilon value: -1e-10", () => new Adagrad(p, eps: -1e-10)));

        static void Refused(string argument, string text, Func<object> make)
        {
            var error = Assert.Throws<ArgumentOutOfRangeException>(make);
            Assert.Equal(argument, error.ParamName);
            Assert.StartsWith(text, error.Message);
        }
    }

    [Theory]
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
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
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
    public void ParametersThatCannotBeTrainedAreRefused(Kind kind)
    {
        using Embedding embedding = Trainable();
        using Tensor product = embedding.Weight * 2;
        using var nonLeaf = new Parameter(product.alias());
        Assert.Contains("optimizer got an empty parameter list", Assert.Throws<ArgumentException>(() => Make(kind, [])).Message);
        Assert.Throws<ArgumentNullException>(() => Make(kind, null!));
        Assert.Throws<ArgumentNullException>(() => Make(kind, [null!]));
        Assert.False(nonLeaf.is_leaf);
        Assert.Contains("can't optimize a non-leaf Tensor", Assert.Throws<ArgumentException>(() => Make(kind, [nonLeaf])).Message);
        using OptimizerHelper optimizer = Make(kind, [embedding.Weight]);
        ParamGroup again = kind == Kind.SparseAdam ? new SparseAdam.ParamGroup([embedding.Weight]) : new Adagrad.ParamGroup([embedding.Weight]);
        Assert.Contains("some parameters appear in more than one parameter group",
            Assert.Throws<ArgumentException>(() => optimizer.add_param_group(again)).Message);
    }

    [Fact]
    public void SparseAdamNamesTheSparseParametersByGroupAndPlace()
    {
        using Tensor indices = tensor(new long[,] { { 0 } });
        using Tensor values = ones(1, 2);
        using var parameter = new Parameter(sparse_coo_tensor(indices, values, [3, 2]));
        using Embedding embedding = Trainable();
        var error = Assert.Throws<ArgumentException>(() => new SparseAdam([embedding.Weight, parameter]));
        Assert.StartsWith("Sparse params at indices [[0, 1]]: SparseAdam requires dense parameter tensors", error.Message);
    }

    [Theory]
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
    public void ADisposedOptimizerLeavesTheParametersAndNothingElse(Kind kind)
    {
        using Embedding embedding = Trainable();
        long before = LiveTensors();
        using (OptimizerHelper optimizer = Make(kind, embedding.parameters()))
        {
            Backward(embedding, 1);
            optimizer.step();
            optimizer.zero_grad();
        }
        Assert.Equal(before, Tensor.TotalCount);
        Assert.False(embedding.Weight.IsInvalid);
    }

    [Theory]
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
    public void AGroupMayBeEmptyAndAnOptimizerMayNot(Kind kind)
    {
        using Embedding embedding = Trainable();
        ParamGroup empty = kind == Kind.SparseAdam ? new SparseAdam.ParamGroup([]) : new Adagrad.ParamGroup([]);
        using OptimizerHelper alone = kind == Kind.SparseAdam
            ? new SparseAdam([(SparseAdam.ParamGroup)empty]) : new Adagrad([(Adagrad.ParamGroup)empty]);
        using OptimizerHelper optimizer = Make(kind, [embedding.Weight]);
        optimizer.add_param_group(kind == Kind.SparseAdam ? new SparseAdam.ParamGroup([]) : new Adagrad.ParamGroup([]));
        Backward(embedding, 1);
        alone.step();
        optimizer.step();

        Assert.Equal(2, optimizer.ParamGroups.Count());
        Assert.Equal(2.9f, Floats(embedding.Weight)[3], 1e-5f);
        Assert.Throws<ArgumentException>(() => Make(kind, []));
    }

    [Fact]
    public void AParameterThatComesTwiceIsKeptOnce()
    {
        using Embedding embedding = Trainable();
        long before = LiveTensors();
        using var optimizer = new Adagrad([embedding.Weight, embedding.Weight]);
        Assert.Equal(before + 1, LiveTensors());
    }

    [Fact]
    public void AnOptimizerThatCannotBeMadeLeavesNothingBehind()
    {
        using Embedding embedding = Trainable();
        using var huge = new Parameter(zeros(1, 1).expand(1L << 40, 1L << 10));
        using var optimizer = new Adagrad([embedding.Weight]);
        long before = LiveTensors();

        Assert.Throws<OutOfMemoryException>(() => new Adagrad([new Adagrad.ParamGroup([embedding.Weight]), new Adagrad.ParamGroup([huge])]));
        Assert.Throws<OutOfMemoryException>(() => optimizer.add_param_group(new Adagrad.ParamGroup([huge])));

        Assert.Equal(before, Tensor.TotalCount);
        Assert.Single(optimizer.ParamGroups);
    }

    [Theory]
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
    public void NoGradientIsDroppedWhereAParameterIsDisposed(Kind kind)
    {
        using Embedding embedding = Trainable(), other = Trainable();
        using OptimizerHelper optimizer = Make(kind, [embedding.Weight, other.Weight]);
        Backward(embedding, 1);
        other.Weight.Dispose();

        Assert.Throws<ObjectDisposedException>(optimizer.zero_grad);

        Assert.NotNull(embedding.Weight.grad);
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
