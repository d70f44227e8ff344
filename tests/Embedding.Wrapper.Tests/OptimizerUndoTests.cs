using EmbeddingWrapper.Optim;
using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.OptimizerTests;
using static EmbeddingWrapper.Tests.Shared;
using Adagrad = EmbeddingWrapper.Optim.Adagrad;
using SGD = EmbeddingWrapper.Optim.SGD;

namespace EmbeddingWrapper.Tests;

/// <summary>A step that fails after it has changed something is undone.</summary>
public class OptimizerUndoTests
{
    /// <summary>An optimizer whose next step fails at its last parameter.</summary>
    private sealed record Trap(OptimizerHelper Optimizer, Action Repair);

    private static readonly Dictionary<string, Func<Trap>> Traps = new()
    {
        ["a parameter listed twice, then a buffer that does not take the gradient"] = () =>
        {
            Parameter twice = Ones(), last = Ones();
            var optimizer = new SGD([twice, twice, last], 0.1, momentum: 0.9);
            last.grad = Sparse(0);
            optimizer.step();
            (twice.grad, last.grad) = (Sparse(1), ones(2, 2));
            return new(optimizer, () => last.grad = Sparse(0));
        },
        ["a rate that float32 does not hold"] = () =>
        {
            Parameter parameter = Ones();
            var optimizer = new SGD([parameter], 0.1, momentum: 0.9);
            parameter.grad = ones(2, 2);
            optimizer.step();
            optimizer.ParamGroups.Single().LearningRate = 1e39;
            return new(optimizer, () => optimizer.ParamGroups.Single().LearningRate = 0.1);
        },
        ["a rate that the second dtype does not hold"] = () =>
        {
            Parameter single = Ones(), half = Ones(float16);
            var optimizer = new SGD([single, half], 70_000);
            (single.grad, half.grad) = (ones(2, 2), ones([2, 2], float16));
            return new(optimizer, () => optimizer.ParamGroups.Single().LearningRate = 0.1);
        },
        ["a dampening that float16 does not hold"] = () =>
        {
            Parameter half = Ones(float16);
            var optimizer = new SGD([half], 0.1, momentum: 0.5, dampening: -70_000);
            half.grad = ones([2, 2], float16);
            optimizer.step();
            return new(optimizer, () => ((SGD.ParamGroup)optimizer.ParamGroups.Single()).Options.dampening = 0);
        },
        ["Adagrad with a rate that float32 does not hold, dense"] = () =>
        {
            Parameter parameter = Ones();
            var optimizer = new Adagrad([parameter], 1e39);
            parameter.grad = ones(2, 2);
            return new(optimizer, () => optimizer.ParamGroups.Single().LearningRate = 0.1);
        },
        ["Adagrad with a rate that float32 does not hold, sparse"] = () =>
        {
            Parameter parameter = Ones();
            var optimizer = new Adagrad([parameter], 1e39);
            parameter.grad = Sparse(1);
            return new(optimizer, () => optimizer.ParamGroups.Single().LearningRate = 0.1);
        },
        ["Adagrad with a decay that makes a rate that float16 does not hold"] = () =>
        {
            Parameter half = Ones(float16);
            var optimizer = new Adagrad([half], 1);
            half.grad = Sparse(1).to(float16);
            optimizer.step();
            Adagrad.Options options = ((Adagrad.ParamGroup)optimizer.ParamGroups.Single()).Options;
            options.lr_decay = -0.999999;
            return new(optimizer, () => options.lr_decay = 0);
        },
        ["a complex buffer of a real parameter"] = () =>
        {
            Parameter first = Ones(), second = Ones(complex64);
            var optimizer = new SGD([first, second], 0.1, momentum: 0.9);
            (first.grad, second.grad) = (ones(2, 2), ones([2, 2], complex64));
            optimizer.step();
            second.grad = null;
            Native.TorchScript.SetData(second, ones(2, 2));
            second.grad = ones(2, 2);
            return new(optimizer, () => optimizer.StateOf(second).momentum_buffer = null);
        },
        ["integers after floats, Adagrad"] = () =>
        {
            Parameter first = Ones(), second = new(ones([2, 2], int64), false);
            (first.grad, second.grad) = (ones(2, 2), ones([2, 2], int64));
            return new(new Adagrad([first, second], 0.1), () => second.grad = null);
        },
        ["integers after floats, SparseAdam"] = () =>
        {
            Parameter first = Ones(), second = new(ones([2, 2], int64), false);
            (first.grad, second.grad) = (Sparse(1), Sparse(1).to(int64));
            return new(new SparseAdam([first, second], 0.1), () => second.grad = null);
        },
        ["an expanded parameter"] = () =>
        {
            Parameter first = new(ones(1, 2).expand(2, 2)), second = Ones();
            var optimizer = new SGD([first, second], 0.1, momentum: 0.9);
            (first.grad, second.grad) = (Sparse(1), Sparse(1));
            optimizer.step();
            optimizer.ParamGroups.Single().LearningRate = 1e39;
            return new(optimizer, () => optimizer.ParamGroups.Single().LearningRate = 0.1);
        },
        ["SGD, a gradient that overlaps its parameter"] = () => Overlapping(parameters => new SGD(parameters, 0.1)),
        ["Adagrad, a gradient that overlaps its parameter"] = () => Overlapping(parameters => new Adagrad(parameters, 0.1)),
    };

    public static TheoryData<string> Names => [.. Traps.Keys];

    [Theory, MemberData(nameof(Names))]
    public void NothingIsChangedAndTheNextStepWorks(string name)
    {
        Trap trap = Traps[name]();
        string[] before = Everything(trap.Optimizer);

        Assert.Throws<InvalidOperationException>(() => trap.Optimizer.step());

        Assert.Equal(before, Everything(trap.Optimizer));
        trap.Repair();
        trap.Optimizer.step();
        Assert.NotEqual(before, Everything(trap.Optimizer));
    }

    [Fact]
    public void WhatACallerHasReadFromTheStateStaysValid()
    {
        Parameter parameter = Ones();
        using var optimizer = new SGD([parameter], 0.1, momentum: 0.9);
        parameter.grad = ones(2, 2);
        optimizer.step();
        Tensor buffer = optimizer.StateOf(parameter).momentum_buffer!;
        optimizer.ParamGroups.Single().LearningRate = 1e39;

        Assert.Throws<InvalidOperationException>(() => optimizer.step());

        Assert.All(Floats(buffer), value => Assert.Equal(1f, value));
        Assert.Same(buffer, optimizer.StateOf(parameter).momentum_buffer);
    }

    private static Trap Overlapping(Func<Parameter[], OptimizerHelper> make)
    {
        Parameter first = Ones();
        Tensor numbers = arange(5f);
        var second = new Parameter(numbers[..4]);
        (first.grad, second.grad) = (ones(2, 2), numbers[1..]);
        return new(make([first, second]), () => second.grad = ones(4));
    }

    private static Parameter Ones(ScalarType dtype = ScalarType.Float32) => new(ones([2, 2], dtype));

    private static Tensor Sparse(long row) => sparse_coo_tensor(tensor(new[,] { { row } }), ones(1, 2), [2, 2]);

    private static string[] Everything(OptimizerHelper optimizer)
    {
        var states = optimizer.state_dict().State.Cast<SparseOptimizerState>();
        return [
            .. optimizer.parameters().Select(parameter => Convert.ToHexString(Bits(parameter))),
            .. states.Select(state => $"{state.StepCount()}"),
            .. states.SelectMany(state => state.RequireTensors()).Select(tensor => tensor is null ? "none"
                : tensor.is_sparse ? $"{Convert.ToHexString(Bits(tensor.SparseIndices))} {Convert.ToHexString(Bits(tensor.SparseValues))}"
                : Convert.ToHexString(Bits(tensor)))];
    }

    [Theory]
    [InlineData(Kind.SparseAdam, true, ScalarType.Float32)]
    [InlineData(Kind.SparseAdam, true, ScalarType.BFloat16)]
    [InlineData(Kind.Adagrad, false, ScalarType.Float32)]
    [InlineData(Kind.SGD, true, ScalarType.Float32)]
    [InlineData(Kind.SGD, false, ScalarType.Float32)]
    public void AfterAStepInInferenceModeTheNextOneIsAsUsual(Kind kind, bool sparse, ScalarType dtype)
    {
        byte[][] weights = [.. new[] { false, true }.Select(inference =>
        {
            using Embedding layer = Embedding.FromPretrained(Table(dtype: dtype), freeze: false, sparse: sparse);
            using OptimizerHelper optimizer = Make(kind, layer.parameters());
            Backward(layer, 1, 3);
            using (inference_mode(inference)) optimizer.step();
            if (kind == Kind.SparseAdam) Assert.False(((SparseAdam)optimizer).StateOf(layer.Weight).exp_avg.is_sparse); // a caller sees it
            optimizer.step();
            return Bits(layer.Weight);
        })];
        Assert.Equal(weights[0], weights[1]);
    }
}
