using TorchSharp.Modules;
using TorchSharp.Utils;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests;

/// <summary>Classes derived from the layer, with parameters, fields and names of their own.</summary>
public class DerivedLayerTests
{
    private class WithScale : Embedding
    {
        private readonly Parameter scale = new(ones(3));
        private readonly Linear head = nn.Linear(3, 2);

        public WithScale() : base(4, 3) => RegisterComponents();

        public override Tensor forward(Tensor input) => head.forward(base.forward(input) * scale);
    }

    [Fact]
    public void ToKeepsTheOrderOfTheParameters()
    {
        using var layer = new WithScale();
        string[] names = [.. layer.named_parameters().Select(each => each.name)];
        Assert.Equal(["weight", "scale", "head.weight", "head.bias"], names);
        Action<WithScale>[] moves = [it => it.to(float32), it => it.to(CPU), it => it.to(float64), it => it.to(CPU, float32)];
        Assert.All(moves, move =>
        {
            move(layer);
            Assert.Equal(names, layer.named_parameters().Select(each => each.name));
            Assert.Equal(names, layer.state_dict().Keys);
        });
    }

    [Fact]
    public void AnAdagradStateOfBeforeFitsAfterTo()
    {
        using var layer = new WithScale();
        using var before = new Optim.Adagrad(layer.parameters());
        using (Tensor loss = layer.call(Indices(1)).sum()) loss.backward();
        before.step();
        layer.to(float32);
        using var after = new Optim.Adagrad(layer.parameters());
        after.load_state_dict(before.state_dict());
        Assert.Equal(
            before.state_dict().State.Select(each => Bits(((Optim.Adagrad.State)each).sum)),
            after.state_dict().State.Select(each => Bits(((Optim.Adagrad.State)each).sum)));
        Assert.Equal(layer.parameters().Select(each => each.shape), after.state_dict().State.Select(each => ((Optim.Adagrad.State)each).sum.shape));
    }

    private sealed class WithWeight : Embedding
    {
        private readonly Parameter weight = new(Table(5, 2));

        public WithWeight() : base(4, 3) => RegisterComponents();

        public Parameter Own => weight;
    }

    [Fact]
    public void AParameterInAFieldOfTheLayersNameBecomesItsWeight()
    {
        using var layer = new WithWeight();
        Assert.Same(layer.Own, layer.Weight);
        layer.to(float64);
        Assert.Same(layer.Own, layer.Weight);
        Assert.Equal(float64, layer.Own.dtype);
        Assert.Equal(["weight"], layer.state_dict().Keys);
        Assert.Equal([8d, 9d], layer.Lookup(4).data<double>().ToArray());
    }

    private sealed class WithNamedField : Embedding
    {
        [ComponentName(Name = "weight")] private readonly Parameter _mine = new(Table());

        public WithNamedField() : base(4, 3) => RegisterComponents();

        public Parameter Own => _mine;
    }

    private sealed class WithAlias : Embedding
    {
        private readonly Parameter weight;

        public WithAlias() : base(4, 3)
        {
            weight = Weight;
            RegisterComponents();
        }

        public Parameter Own => weight;
    }

    [Fact]
    public void AFieldMayBeNamedByItsAttributeOrHoldTheLayersOwnWeight()
    {
        using var named = new WithNamedField();
        using var alias = new WithAlias();
        named.to(float64);
        alias.to(float64);
        Assert.Same(named.Own, named.Weight);
        Assert.Same(alias.Own, alias.Weight);
        Assert.Equal((float64, float64), (named.Own.dtype, alias.Own.dtype));
    }

    private sealed class WithModule : Embedding
    {
        private readonly Linear weight = nn.Linear(3, 2);

        public WithModule() : base(4, 3) => RegisterComponents();

        public override Tensor forward(Tensor input) => weight.forward(base.forward(input));
    }

    [Fact]
    public void AFieldOfTheLayersNameThatHoldsSomethingElseIsRefused()
    {
        var error = Assert.Throws<InvalidOperationException>(() => new WithModule());
        Assert.Equal("WithModule.weight cannot be the parameter 'weight': it is a Linear.", error.Message);
    }

    private sealed class Doubled : Embedding
    {
        public Doubled() : base(4, 3)
        {
            using (no_grad()) Weight.copy_(Table());
        }

        public override Tensor forward(Tensor input) => base.forward(input) * 2;
    }

    /// <summary>As the documentation of forward says.</summary>
    [Fact]
    public void ALookupIntoASpanReadsTheTableWhateverForwardDoes()
    {
        using var layer = new Doubled();
        float[] row = new float[3];
        layer.Lookup([1L], row.AsSpan());
        Assert.Equal([3f, 4f, 5f], row);
        using Tensor looked = layer.Lookup(1);
        Assert.Equal([6f, 8f, 10f], Floats(looked));
    }

    private sealed class Waiting : Embedding
    {
        public Waiting() : base(4, 3)
        {
        }

        public bool HasWaited { get; private set; }

        public override Dictionary<string, Tensor> state_dict(Dictionary<string, Tensor>? destination = null, string? prefix = null)
        {
            var other = new Thread(() => Weight = new Parameter(Table()));
            other.Start();
            HasWaited = other.Join(TimeSpan.FromSeconds(60));
            return base.state_dict(destination, prefix);
        }
    }

    /// <summary>The other thread waits until nobody uses the table, so a load that uses it meanwhile never ends.</summary>
    [Fact]
    public void AStateDictOfItsOwnMayWaitForAThreadThatAssignsTheWeight()
    {
        using var layer = new Waiting();
        layer.load_state_dict(new() { ["weight"] = zeros(4, 3) });
        Assert.True(layer.HasWaited);
        Assert.Equal(new float[12], Floats(layer.Weight));
    }

    [Theory]
    [InlineData("meta", "head.bias", "While copying the parameter named \"head.bias\": ")]
    [InlineData("sparse", "head.bias", "While copying the parameter named \"head.bias\": ")]
    [InlineData("quantized", "head.bias", "quantized")]
    [InlineData("quantized", "weight", "quantized")]
    public void NothingIsLoadedIfOneTensorCannotBe(string what, string name, string message)
    {
        using var layer = new WithScale();
        Dictionary<string, Tensor> present = layer.state_dict(), state = present.ToDictionary(each => each.Key, each => ones(each.Value.shape));
        byte[][] before = [.. present.Values.Select(Bits)];
        long[] shape = present[name].shape;
        state[name] = what switch
        {
            "meta" => ones(shape, device: META),
            "sparse" => ones(shape).to_sparse(),
            _ => quantize_per_tensor(ones(shape), 0.1, 0, ScalarType.QUInt8),
        };
        var error = Assert.Throws<InvalidOperationException>(() => layer.load_state_dict(state));
        Assert.Contains(message, error.Message);
        Assert.Equal(before, present.Values.Select(Bits));
    }

    private sealed class Asking(Action ask) : nn.Module(nameof(Asking))
    {
        protected override void _toEpilog(ScalarType? dtype, Device? device, bool non_blocking)
        {
            ask();
            base._toEpilog(dtype, device, non_blocking);
        }
    }

    private sealed class WithAsking : Embedding
    {
        private readonly Asking asking;

        public WithAsking() : base(4, 3)
        {
            asking = new Asking(() =>
            {
                var other = new Thread(() => Seen = parameters().Count());
                other.Start();
                other.Join();
            });
            RegisterComponents();
        }

        public int Seen { get; private set; }
    }

    /// <summary>The conversion hides the weight from TorchSharp, but not from a thread that makes an optimizer meanwhile.</summary>
    [Fact]
    public void AnotherThreadSeesTheWeightDuringTo()
    {
        using var layer = new WithAsking();
        layer.to(float64);
        Assert.Equal(1, layer.Seen);
    }
}
