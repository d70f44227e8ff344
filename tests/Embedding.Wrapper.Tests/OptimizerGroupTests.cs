using EmbeddingWrapper.Optim;
using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.OptimizerTests;
using static EmbeddingWrapper.Tests.Shared;
using Adagrad = EmbeddingWrapper.Optim.Adagrad;
using SGD = EmbeddingWrapper.Optim.SGD;

namespace EmbeddingWrapper.Tests;

/// <summary>The options and parameters that an optimizer takes, and those that it refuses.</summary>
public class OptimizerGroupTests
{
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
            [new SparseAdam.ParamGroup([one.Weight], new() { LearningRate = 1, beta1 = 0.2, beta2 = 0.3, eps = 4, maximize = true }),
             new SparseAdam.ParamGroup([other.Weight])], 0.01, 0.02, 0.03, 0.04);
        using var adagrad = new Adagrad(
            [new Adagrad.ParamGroup([one.Weight], new()
             { LearningRate = 1, lr_decay = 2, weight_decay = 3, initial_accumulator_value = 4, eps = 5, maximize = true }),
             new Adagrad.ParamGroup([other.Weight])], 0.01, 0.02, 0.03, 0.04, 0.05);

        Assert.Equal([(1, 0.2, 0.3, 4, true), (0.01, 0.02, 0.03, 0.04, false)], adam.ParamGroups.Cast<SparseAdam.ParamGroup>()
            .Select(group => group.Options)
            .Select(o => (o.LearningRate!.Value, o.beta1!.Value, o.beta2!.Value, o.eps!.Value, o.maximize!.Value)));
        Assert.Equal([(1, 2, 3, 4, 5, true), (0.01, 0.02, 0.03, 0.04, 0.05, false)], adagrad.ParamGroups.Cast<Adagrad.ParamGroup>()
            .Select(group => group.Options)
            .Select(o => (o.LearningRate!.Value, o.lr_decay!.Value, o.weight_decay!.Value, o.initial_accumulator_value!.Value, o.eps!.Value, o.maximize!.Value)));
    }

    private static ParamGroup GroupOf(Kind kind, params Parameter[] parameters) => kind switch
    {
        Kind.SparseAdam => new SparseAdam.ParamGroup(parameters),
        Kind.Adagrad => new Adagrad.ParamGroup(parameters),
        _ => new SGD.ParamGroup(parameters),
    };

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
            () => Refused("eps", "Invalid epsilon value: -1e-10", () => new Adagrad(p, eps: -1e-10)),
            () => Refused("lr", "Invalid learning rate: -0.1", () => new SGD(p, lr: -0.1)),
            () => Refused("momentum", "Invalid momentum value: -1.0", () => new SGD(p, momentum: -1)),
            () => Refused("weightDecay", "Invalid weight_decay value: -1e-05", () => new SGD(p, weightDecay: -1e-5)));

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
    [InlineData(Kind.SGD)]
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
        ParamGroup again = GroupOf(kind, embedding.Weight);
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
    [InlineData(Kind.SGD)]
    public void AGroupMayBeEmptyAndAnOptimizerMayNot(Kind kind)
    {
        using Embedding embedding = Trainable();
        ParamGroup empty = GroupOf(kind);
        using OptimizerHelper alone = empty switch
        {
            SparseAdam.ParamGroup adam => new SparseAdam([adam]),
            Adagrad.ParamGroup adagrad => new Adagrad([adagrad]),
            _ => new SGD([(SGD.ParamGroup)empty]),
        };
        using OptimizerHelper optimizer = Make(kind, [embedding.Weight]);
        optimizer.add_param_group(GroupOf(kind));
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
}
