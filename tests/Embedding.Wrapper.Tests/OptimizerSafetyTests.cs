using System.Runtime.InteropServices;
using EmbeddingWrapper.Optim;
using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.OptimizerTests;
using static EmbeddingWrapper.Tests.Shared;
using Adagrad = EmbeddingWrapper.Optim.Adagrad;
using SGD = EmbeddingWrapper.Optim.SGD;

namespace EmbeddingWrapper.Tests;

/// <summary>A step tells autograd what it writes, changes nothing when it fails, and reads lazy tensors as what they stand for.</summary>
public class OptimizerSafetyTests
{
    // TorchSharp shows neither.
    private static readonly jit.CompilationUnit Script = jit.compile("""
        def negated_view(tensor: Tensor):
            return torch._neg_view(tensor)

        def coalesced(indices: Tensor, values: Tensor, rows: int, width: int):
            return torch.sparse_coo_tensor(indices, values, [rows, width], is_coalesced=True)

        def zero_tensor(rows: int, width: int):
            return torch._efficientzerotensor([rows, width])

        """);

    [Theory]
    [InlineData(Kind.SparseAdam, true, ScalarType.Float32)]
    [InlineData(Kind.SparseAdam, true, ScalarType.BFloat16)]
    [InlineData(Kind.Adagrad, true, ScalarType.Float32)]
    [InlineData(Kind.Adagrad, true, ScalarType.Float64)]
    [InlineData(Kind.Adagrad, true, ScalarType.BFloat16)]
    [InlineData(Kind.Adagrad, false, ScalarType.Float32)]
    [InlineData(Kind.SGD, true, ScalarType.Float32)]
    [InlineData(Kind.SGD, true, ScalarType.BFloat16)]
    [InlineData(Kind.SGD, false, ScalarType.Float32)]
    [InlineData(Kind.SGD, false, ScalarType.Float16)]
    public void ABackwardPassThroughTheWeightBeforeTheStepIsRefused(Kind kind, bool sparse, ScalarType dtype)
    {
        using Tensor table = Table(dtype: dtype), other = Table(dtype: dtype);
        using Embedding embedding = Embedding.FromPretrained(table, freeze: false, sparse: sparse);
        using Embedding idle = Embedding.FromPretrained(other, freeze: false, sparse: sparse);
        using OptimizerHelper optimizer = Make(kind, [embedding.Weight, idle.Weight]);
        Backward(embedding, 1, 2);
        using Tensor penalty = embedding.Weight.pow(2).sum(), untouched = idle.Weight.pow(2).sum();

        optimizer.step();

        Assert.Contains("modified by an inplace operation", Assert.Throws<ExternalException>(() => penalty.backward()).Message);
        untouched.backward(); // no gradient, no step, no new version
    }

    [Theory]
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
    public void SoIsOneThroughAMomentThatTheCallerHolds(Kind kind)
    {
        using Embedding embedding = Trainable();
        using OptimizerHelper optimizer = Make(kind, embedding.parameters());
        Backward(embedding, 1, 2);
        optimizer.step();
        SparseOptimizerState state = ((SparseOptimizer)optimizer).StateOf(embedding.Weight);
        Tensor moment = state is SparseAdam.State adam ? adam.exp_avg_sq : ((Adagrad.State)state).sum;
        using Tensor factor = ones(4, 3, requires_grad: true), product = (factor * moment).sum();

        optimizer.step();

        Assert.Contains("modified by an inplace operation", Assert.Throws<ExternalException>(() => product.backward()).Message);
    }

    [Fact]
    public void AStepThatCannotGetItsMemoryChangesNothing()
    {
        using Embedding small = Trainable(), last = Trainable();
        using var huge = new Parameter(zeros(1, 1).expand(1L << 40, 1L << 10));
        using var optimizer = new SparseAdam([small.Weight, huge, last.Weight]);
        using Tensor index = tensor(new long[,] { { 1 } }), values = ones(1, 1L << 10);
        Backward(small, 1);
        Backward(last, 1);
        huge.grad = sparse_coo_tensor(index, values, huge.shape);
        byte[] before = Bits(small.Weight), lastBefore = Bits(last.Weight);

        Assert.Throws<OutOfMemoryException>(() => optimizer.step());

        Assert.Equal(before, Bits(small.Weight));
        Assert.Equal(lastBefore, Bits(last.Weight));
        Assert.Equal([0, 0, 0], new[] { small.Weight, huge, last.Weight }.Select(parameter => optimizer.StateOf(parameter).step));
        optimizer.save_state_dict(new BinaryWriter(Stream.Null));
        huge.grad = null;
        optimizer.step();
        Assert.NotEqual(before, Bits(small.Weight));
    }

    [Theory]
    [InlineData(Kind.SparseAdam, true)]
    [InlineData(Kind.Adagrad, true)]
    [InlineData(Kind.Adagrad, false)]
    [InlineData(Kind.SGD, true)]
    [InlineData(Kind.SGD, false)]
    public void AnInferenceTensorIsRefusedAndNothingChanges(Kind kind, bool sparse)
    {
        using Embedding good = Trainable(sparse);
        Parameter parameter;
        using (inference_mode()) parameter = new Parameter(Table());
        using OptimizerHelper optimizer = Make(kind, [good.Weight, parameter]);
        Backward(good, 1);
        using Tensor gradient = good.Weight.grad!;
        parameter.grad = gradient;
        byte[] before = Bits(good.Weight), inferenceBefore = Bits(parameter);

        Assert.Contains("Inplace update to inference tensor", Assert.Throws<InvalidOperationException>(() => optimizer.step()).Message);

        Assert.Equal(before, Bits(good.Weight));
        Assert.Equal(inferenceBefore, Bits(parameter));
        Assert.All(optimizer.state_dict().State.Cast<SparseOptimizerState>(), state => Assert.Equal(0, state.StepCount()));
        if (kind == Kind.Adagrad) Assert.All(Floats(((Adagrad)optimizer).StateOf(parameter).sum), value => Assert.Equal(0f, value));
    }

    [Theory]
    [InlineData(Kind.SparseAdam, true)]
    [InlineData(Kind.Adagrad, true)]
    [InlineData(Kind.Adagrad, false)]
    [InlineData(Kind.SGD, true)]
    [InlineData(Kind.SGD, false)]
    public void AnOptimizerMadeInInferenceModeTrainsOutsideIt(Kind kind, bool sparse)
    {
        using Embedding embedding = Trainable(sparse), other = Trainable(sparse);
        OptimizerHelper optimizer;
        using (inference_mode()) optimizer = Make(kind, embedding.parameters());
        using OptimizerHelper usual = Make(kind, other.parameters());
        foreach ((Embedding layer, OptimizerHelper of) in new[] { (embedding, optimizer), (other, usual) })
        {
            Backward(layer, 1, 1, 3);
            of.step();
            of.step();
        }
        AssertSameBits(other.Weight, embedding.Weight);
        optimizer.Dispose();
    }

    public static TheoryData<Kind, string> Lazy => new(
        from kind in Enum.GetValues<Kind>()
        from what in new[] { "weight", "weight of one column", "gradient", "zero gradient", "moments" }
        select (kind, what));

    [Theory]
    [MemberData(nameof(Lazy))]
    public void ALazyViewIsReadAsWhatItStandsFor(Kind kind, string what)
    {
        int width = what == "weight of one column" ? 1 : 3;
        using Tensor numbers = Table(4, width), negative = numbers.neg();
        using Tensor indices = tensor(new long[,] { { 1, 3 } }), entries = Table(2, width) + 1;
        Tensor weight = what switch
        {
            "weight" => NegatedView(negative),
            "weight of one column" => complex(zeros(1, 1), negative.narrow(0, 1, 1)).conj().imag,
            _ => numbers.clone(),
        };
        Assert.Equal(what.StartsWith("weight", StringComparison.Ordinal), weight.is_neg());
        if (width == 1) indices.zero_();
        using Tensor first = indices.narrow(1, 0, width == 1 ? 1 : 2), some = entries.narrow(0, 0, width == 1 ? 1 : 2);
        Tensor plain = width == 1 ? numbers.narrow(0, 1, 1).clone() : numbers.clone();
        Tensor values = what switch
        {
            "gradient" => NegatedView(some.neg()),
            "zero gradient" => (Tensor)Script.invoke("zero_tensor", 2, width),
            _ => some,
        };
        AssertSameBits(Train(plain, what == "zero gradient" ? zeros(2, width) : some), Train(weight, values));

        Tensor Train(Tensor memory, Tensor values)
        {
            using var parameter = new Parameter(memory);
            using OptimizerHelper optimizer = Make(kind, [parameter]);
            if (what == "moments" && ReferenceEquals(memory, weight)) SetLazyMoments(((SparseOptimizer)optimizer).StateOf(parameter));
            for (int step = 0; step < 2; step++)
            {
                parameter.grad = (Tensor)Script.invoke("coalesced", first, values, parameter.shape[0], (long)width);
                optimizer.step();
            }
            return parameter.detach().clone();
        }

        static void SetLazyMoments(SparseOptimizerState state)
        {
            Tensor lazy = NegatedView(zeros(4, 3));
            if (state is SparseAdam.State adam) (adam.exp_avg, adam.exp_avg_sq) = (lazy, lazy);
            else if (state is Adagrad.State adagrad) adagrad.sum = lazy;
            else ((SGD.State)state).momentum_buffer = lazy;
        }
    }

    private static Tensor NegatedView(Tensor tensor) => (Tensor)Script.invoke("negated_view", tensor);

    [Fact]
    public void AParameterListedTwiceIsSteppedTwice()
    {
        // torch.optim.Adagrad([p, p], lr=0.1) with p = [1.0], a gradient of [1.0] (PyTorch warns): the second step starts from the first.
        foreach (bool sparse in new[] { true, false })
        {
            using var parameter = new Parameter(ones(1, 1));
            using var optimizer = new Adagrad([parameter, parameter], lr: 0.1);
            using Tensor index = zeros(1, 1, int64), value = ones(1, 1);
            parameter.grad = sparse ? sparse_coo_tensor(index, value, [1, 1]) : value;
            optimizer.step();
            Assert.Equal((float)(1 - 0.1 - (0.1 / Math.Sqrt(2))), Floats(parameter)[0], 1e-6f);
            Assert.Equal(2, optimizer.StateOf(parameter).step);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void NoNumberOfAStepIsLeftToTheCollector(bool sparse)
    {
        using Embedding embedding = Trainable(sparse), other = Trainable(sparse);
        Adagrad New(Embedding layer) => new(layer.parameters(), lrDecay: 0.1, weightDecay: sparse ? 0 : 0.1, maximize: true);
        using Adagrad optimizer = New(embedding), quiet = New(other);
        using Tensor half = Table(dtype: ScalarType.BFloat16);
        Parameter[] halves = [new(half.clone()), new(half.clone())]; // these take the tensor operations
        using var adam = new SparseAdam([halves[0]]);
        using var adagrad = new Adagrad([halves[1]]);
        Backward(embedding, 1, 2);
        Backward(other, 1, 2);
        using Tensor index = zeros(1, 1, int64), value = ones(1, 3, bfloat16);
        foreach (Parameter each in halves) each.grad = sparse_coo_tensor(index, value, [4, 3]);
        bool over = false;
        var storm = new Thread(() =>
        {
            while (!Volatile.Read(ref over))
            {
                GC.Collect(0);
                GC.WaitForPendingFinalizers();
            }
        });
        storm.Start();
        try
        {
            for (int i = 0; i < 3000; i++)
            {
                optimizer.step();
                adam.step();
                adagrad.step();
            }
        }
        finally
        {
            over = true;
            storm.Join();
        }
        for (int i = 0; i < 3000; i++) quiet.step();
        AssertSameBits(other.Weight, embedding.Weight);
    }

    [Fact]
    public void TheTextIsOneLine()
    {
        using Embedding embedding = Trainable();
        using var adam = new SparseAdam(embedding.parameters());
        using var adagrad = new Adagrad([new Adagrad.ParamGroup([embedding.Weight]), new Adagrad.ParamGroup([])], lr: 0.5, maximize: true);
        Assert.Equal("SparseAdam(lr=0.001, beta1=0.9, beta2=0.999, eps=1e-08, maximize=False; 1 group, 1 parameter)", adam.ToString());
        Assert.Equal("Adagrad(lr=0.5, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0, eps=1e-10, maximize=True; 2 groups, 1 parameter)",
            adagrad.ToString());
    }
}
