using EmbeddingWrapper.Optim;
using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.Shared;
using Adagrad = EmbeddingWrapper.Optim.Adagrad;
using SGD = EmbeddingWrapper.Optim.SGD;

namespace EmbeddingWrapper.Tests;

/// <summary>What a step of an optimizer changes and what it leaves. The parity tests show that the numbers are PyTorch's.</summary>
public class OptimizerTests
{
    public enum Kind { SparseAdam, Adagrad, SGD }

    internal static OptimizerHelper Make(Kind kind, IEnumerable<Parameter> parameters, double lr = 0.1) =>
        kind switch
        {
            Kind.SparseAdam => new SparseAdam(parameters, lr),
            Kind.Adagrad => new Adagrad(parameters, lr),
            _ => new SGD(parameters, lr, momentum: 0.5),
        };

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
    [InlineData(Kind.SGD)]
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
    [InlineData(Kind.SGD)]
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
    [InlineData(Kind.SGD)]
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
    [InlineData(Kind.SGD)]
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
    [InlineData(Kind.SGD)]
    public void SchedulersTurnTheLearningRate(Kind kind)
    {
        using Embedding embedding = Trainable();
        using OptimizerHelper optimizer = Make(kind, embedding.parameters(), lr: 0.1);
        var scheduler = optim.lr_scheduler.StepLR(optimizer, 1, gamma: 0.5);
        scheduler.step();
        Assert.Equal(0.05, optimizer.ParamGroups.Single().LearningRate);
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
        Assert.Equal(0, ((SparseAdam.State)optimizer.state_dict().State[0]).step);
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
        Assert.Equal(0, ((Adagrad.State)optimizer.state_dict().State[0]).step);
    }

    [Theory]
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
    [InlineData(Kind.SGD)]
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
    [InlineData(Kind.SGD)]
    public void NoGradientIsDroppedWhereAParameterIsDisposed(Kind kind)
    {
        using Embedding embedding = Trainable(), other = Trainable();
        using OptimizerHelper optimizer = Make(kind, [embedding.Weight, other.Weight]);
        Backward(embedding, 1);
        other.Dispose();

        Assert.Throws<ObjectDisposedException>(optimizer.zero_grad);

        Assert.NotNull(embedding.Weight.grad);
    }
}
