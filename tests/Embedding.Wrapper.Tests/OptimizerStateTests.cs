using EmbeddingWrapper.Optim;
using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.OptimizerTests;
using static EmbeddingWrapper.Tests.Shared;
using Adagrad = EmbeddingWrapper.Optim.Adagrad;
using SGD = EmbeddingWrapper.Optim.SGD;

namespace EmbeddingWrapper.Tests;

/// <summary>The state that an optimizer keeps between steps can be saved, copied and moved.</summary>
public class OptimizerStateTests
{
    [Theory]
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
    [InlineData(Kind.SGD)]
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

    [Theory]
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
    [InlineData(Kind.SGD)]
    public void AStateDictionaryIsCopiedNotShared(Kind kind)
    {
        using Embedding a = Trainable(), b = Trainable();
        using OptimizerHelper from = Make(kind, a.parameters(), lr: 0.5), to = Make(kind, b.parameters(), lr: 7);
        Backward(a, 1, 1, 2);
        from.step();
        OptimizerState trained = from.state_dict().State[0], copied = to.state_dict().State[0];
        Assert.False(trained.ApproximatelyEquals(copied));
        Assert.False(copied.ApproximatelyEquals(trained));

        using (no_grad()) b.Weight.copy_(a.Weight);
        to.load_state_dict(from.state_dict());
        copied = to.state_dict().State[0];
        Assert.Equal(0.5, to.ParamGroups.Single().LearningRate);
        Assert.True(trained.ApproximatelyEquals(copied));

        Backward(b, 1);
        to.step();
        Assert.False(trained.ApproximatelyEquals(copied));
        from.zero_grad();
        Backward(a, 1);
        from.step();
        AssertSameBits(a.Weight, b.Weight);
        Assert.True(trained.ApproximatelyEquals(copied));
    }

    [Theory]
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
    [InlineData(Kind.SGD)]
    public void LoadingStateLeavesNoTensorBehind(Kind kind)
    {
        using Embedding a = Trainable(), b = Trainable();
        using OptimizerHelper from = Make(kind, a.parameters()), to = Make(kind, b.parameters());
        Backward(a, 1);
        from.step();
        Load();
        long before = LiveTensors();
        Load();
        Assert.Equal(before, Tensor.TotalCount);

        void Load()
        {
            using var stream = new MemoryStream();
            using (var writer = new BinaryWriter(stream, System.Text.Encoding.UTF8, leaveOpen: true)) from.save_state_dict(writer);
            stream.Position = 0;
            to.load_state_dict(new BinaryReader(stream));
            to.load_state_dict(from.state_dict());
        }
    }

    [Fact]
    public void StatesBeforeTheFirstStepAreEqual()
    {
        using Embedding a = Trainable(), b = Trainable();
        using OptimizerHelper one = Make(Kind.SparseAdam, a.parameters()), other = Make(Kind.SparseAdam, b.parameters());
        Assert.True(one.state_dict().State[0].ApproximatelyEquals(other.state_dict().State[0]));
    }

    [Fact]
    public void AnInitializedStateIsAsBeforeTheFirstStep()
    {
        using Embedding embedding = Trainable();
        using var optimizer = new SparseAdam(embedding.parameters());
        Backward(embedding, 1);
        optimizer.step();
        var state = (SparseAdam.State)optimizer.state_dict().State[0];

        state.Initialize(new SparseAdam.Options());

        Assert.Equal(0, state.step);
        Assert.All([.. Floats(state.exp_avg), .. Floats(state.exp_avg_sq)], value => Assert.Equal(0f, value));
    }

    [Fact]
    public void AnInitializedSumIsTheInitialValueAndTheOldOneIsFreed()
    {
        using Embedding embedding = Trainable();
        using var optimizer = new Adagrad(embedding.parameters());
        Backward(embedding, 1);
        optimizer.step();
        var state = (Adagrad.State)optimizer.state_dict().State[0];
        long before = LiveTensors();

        state.Initialize(new Adagrad.Options { initial_accumulator_value = 0.5 });

        Assert.Equal(before, Tensor.TotalCount); // the old sum is as large as the table, so the garbage collector must not be the one to free it
        Assert.Equal(0, state.step);
        Assert.All(Floats(state.sum), value => Assert.Equal(0.5f, value));
    }

    [Theory]
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
    public void ATableThatGrowsKeepsItsMoments(Kind kind) // pytorch#24958
    {
        using Tensor large = Table(6), small = large.narrow(0, 0, 4).clone();
        using Embedding whole = Embedding.FromPretrained(large, freeze: false, sparse: true);
        using Embedding part = Embedding.FromPretrained(small, freeze: false, sparse: true);
        using OptimizerHelper always = Make(kind, whole.parameters()), first = Make(kind, part.parameters());
        Step(whole, always, 1, 2, 1);
        Step(part, first, 1, 2, 1);

        using Tensor newRows = Table(6).narrow(0, 4, 2), rows = cat([part.Weight.detach(), newRows]);
        using Embedding grown = Embedding.FromPretrained(rows, freeze: false, sparse: true);
        using OptimizerHelper larger = Make(kind, grown.parameters());
        using Tensor none = zeros(2, 3);
        if (first is SparseAdam optimizer)
        {
            SparseAdam.State old = optimizer.StateOf(part.Weight), state = ((SparseAdam)larger).StateOf(grown.Weight);
            using Tensor mean = cat([old.exp_avg, none]), square = cat([old.exp_avg_sq, none]);
            (state.step, state.exp_avg, state.exp_avg_sq) = (old.step, mean, square);
        }
        else
        {
            Adagrad.State old = ((Adagrad)first).StateOf(part.Weight), state = ((Adagrad)larger).StateOf(grown.Weight);
            using Tensor sum = cat([old.sum, none]);
            (state.step, state.sum) = (old.step, sum);
        }

        Step(whole, always, 2, 5);
        Step(grown, larger, 2, 5);
        AssertSameBits(whole.Weight, grown.Weight);

        static void Step(Embedding embedding, OptimizerHelper optimizer, params long[] indices)
        {
            optimizer.zero_grad();
            Backward(embedding, indices);
            optimizer.step();
        }
    }

    [Fact]
    public void AMomentThatIsSetIsCopiedAndOneThatIsReadMayBeDisposed()
    {
        using Embedding embedding = Trainable();
        using var optimizer = new SparseAdam(embedding.parameters());
        SparseAdam.State state = optimizer.StateOf(embedding.Weight);
        using Tensor value = Table(dtype: ScalarType.Float64);
        state.exp_avg = value;
        value.zero_();
        Assert.Equal(ScalarType.Float32, state.exp_avg.dtype);
        Assert.Equal(Floats(Table()), Floats(state.exp_avg));

        state.exp_avg.Dispose();
        Backward(embedding, 1);
        optimizer.step();

        Assert.Equal(9f, Floats(state.exp_avg)[9]);
    }

    [Fact]
    public void StateDoesNotMoveToTheMetaDevice()
    {
        using Embedding embedding = Trainable();
        using var optimizer = new SparseAdam(embedding.parameters());
        Backward(embedding, 1);
        optimizer.step();
        SparseAdam.State state = optimizer.StateOf(embedding.Weight);
        byte[] before = Bits(state.exp_avg);

        var error = Assert.Throws<InvalidOperationException>(() => state.to(META));

        Assert.Equal("The state cannot move to the meta device: its numbers would be lost.", error.Message);
        Assert.Equal(before, Bits(state.exp_avg));
        state.to(CPU);
        Assert.Equal(before, Bits(state.exp_avg));
    }

    [Fact]
    public void StateOnTheMetaDeviceIsNeitherSavedNorCompared()
    {
        using var layer = new Embedding(4, 3, device: META);
        using var optimizer = new Adagrad(layer.parameters());
        Adagrad.State state = optimizer.StateOf(layer.Weight);
        state.to(META);
        using var writer = new BinaryWriter(new MemoryStream());
        Assert.Contains("meta tensor", Assert.Throws<InvalidOperationException>(() => optimizer.save_state_dict(writer)).Message);
        Assert.False(state.ApproximatelyEquals(state));
    }

    [Theory]
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
    [InlineData(Kind.SGD)]
    public void AStateOfGroupsOfOtherSizesIsRefused(Kind kind)
    {
        using OptimizerHelper from = MakeGroups(kind, 1, 2), to = MakeGroups(kind, 2, 1);
        from.ParamGroups.First().LearningRate = 0.5;

        var error = Assert.Throws<ArgumentException>(() => to.load_state_dict(from.state_dict()));

        Assert.EndsWith("size of optimizer's group: group 0 has 1 parameters there, and 2 here.", error.Message);
        Assert.NotEqual(0.5, to.ParamGroups.First().LearningRate);

        static OptimizerHelper MakeGroups(Kind kind, params int[] sizes)
        {
            Parameter[][] parameters = [.. sizes.Select(size => Enumerable.Range(0, size).Select(_ => new Parameter(ones(2, 2))).ToArray())];
            return kind switch
            {
                Kind.SparseAdam => new SparseAdam(parameters.Select(each => new SparseAdam.ParamGroup(each))),
                Kind.Adagrad => new Adagrad(parameters.Select(each => new Adagrad.ParamGroup(each))),
                _ => new SGD(parameters.Select(each => new SGD.ParamGroup(each)), 0.1),
            };
        }
    }

    [Fact]
    public void AParameterThatGetsTheHandleOfADisposedOneHasNoState()
    {
        Parameter[] disposed = [.. Enumerable.Range(0, 3000).Select(_ => new Parameter(ones(2, 2)))];
        using var optimizer = new SparseAdam(disposed);
        HashSet<nint> handles = [.. disposed.Select(each => each.Handle)];
        Array.ForEach(disposed, each => each.Dispose());
        List<Parameter> made = [];
        do
        {
            made.Add(new Parameter(ones(2, 2)));
            if (made.Count > 10_000) Assert.Skip("no handle was used again");
        }
        while (!handles.Contains(made[^1].Handle));
        Assert.Throws<ArgumentException>(() => optimizer.StateOf(made[^1]));
    }

    [Theory]
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
    [InlineData(Kind.SGD)]
    public void ParametersThatACallerHasPutIntoAGroupAreNamed(Kind kind)
    {
        using OptimizerHelper optimizer = Make(kind, [new Parameter(ones(2))]);
        var group = (TorchSharp.Modules.ParamGroup)optimizer.ParamGroups.Single();
        using var writer = new BinaryWriter(new MemoryStream());
        group.Parameters = [group.Parameters.Single(), new Parameter(ones(2)) { grad = ones(2) }];
        foreach (Action use in new Action[] { () => optimizer.state_dict(), () => Save(optimizer, writer) })
            Assert.Contains("Nothing is kept for parameter 1 of group 0", Assert.Throws<InvalidOperationException>(use).Message);

        group.Parameters = [group.Parameters.First(), null!];
        foreach (Action use in new Action[] { () => optimizer.step(), optimizer.zero_grad, () => Save(optimizer, writer) })
            Assert.Contains("arameter 1 ", Assert.Throws<InvalidOperationException>(use).Message);
        Assert.Throws<ArgumentNullException>(() => Save(optimizer, null!));

        static void Save(OptimizerHelper optimizer, BinaryWriter writer) => ((SparseOptimizer)optimizer).save_state_dict(writer);
    }
}
