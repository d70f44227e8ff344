using EmbeddingWrapper.Optim;
using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.Shared;
using Adagrad = EmbeddingWrapper.Optim.Adagrad;

namespace EmbeddingWrapper.Tests;

/// <summary>What holds for both optimizers; that their numbers are PyTorch's is the parity suite's to show.</summary>
public class OptimizerTests
{
    public enum Kind { SparseAdam, Adagrad }

    private static OptimizerHelper Make(Kind kind, IEnumerable<Parameter> parameters, double lr = 0.1) =>
        kind == Kind.SparseAdam ? new SparseAdam(parameters, lr) : new Adagrad(parameters, lr);

    private static Embedding Trainable(bool sparse = true) => Embedding.FromPretrained(Table(), freeze: false, sparse: sparse);

    private static void Backward(Embedding embedding, params long[] indices)
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

    [Theory]
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
    public void StateSavedInTheMiddleResumesWithTheSameBits(Kind kind)
    {
        using Tensor first = Table(), second = Table();
        using Embedding whole = Embedding.FromPretrained(first, freeze: false, sparse: true);
        using Embedding resumed = Embedding.FromPretrained(second, freeze: false, sparse: true);
        using OptimizerHelper optimizer = Make(kind, whole.parameters());
        Step(whole, optimizer, 1, 2);
        using (no_grad()) resumed.Weight.copy_(whole.Weight);
        using OptimizerHelper throughFile = Make(kind, resumed.parameters(), lr: 7);
        using (var stream = new MemoryStream())
        {
            using (var writer = new BinaryWriter(stream, System.Text.Encoding.UTF8, leaveOpen: true)) optimizer.save_state_dict(writer);
            stream.Position = 0;
            throughFile.load_state_dict(new BinaryReader(stream));
        }

        for (int i = 0; i < 3; i++)
        {
            Step(whole, optimizer, 2, 0);
            Step(resumed, throughFile, 2, 0);
        }
        AssertSameBits(whole.Weight, resumed.Weight);

        static void Step(Embedding embedding, OptimizerHelper optimizer, params long[] indices)
        {
            optimizer.zero_grad();
            Backward(embedding, indices);
            optimizer.step();
        }
    }

    [Fact]
    public void AStateDictionaryIsCopiedNotShared()
    {
        using Embedding a = Trainable(), b = Trainable();
        using var from = new SparseAdam(a.parameters());
        using var to = new SparseAdam(b.parameters());
        Backward(a, 1);
        from.step();
        to.load_state_dict(from.state_dict());
        Backward(b, 1);
        to.step();

        var state = (SparseAdam.State)from.state_dict().State[0];
        Assert.Equal(1, state.Step);
        Assert.Equal(0.1f, Floats(state.ExpAvg!)[3], 1e-6f);
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
