using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests;

/// <summary>What <c>to(...)</c> does to classes derived from the layer that share its weight or cannot be converted.</summary>
public class DerivedLayerConversionTests
{
    private sealed class WithTwoIndexers : Embedding
    {
        private readonly Parameter scale = new(ones(3));

        public WithTwoIndexers() : base(4, 3) => RegisterComponents();

        public long this[long index] => index;

        public long this[string word] => word.Length + scale.numel();
    }

    [Fact]
    public void AClassThatTorchSharpCannotConvertIsNotHalfConverted()
    {
        // TorchSharp 0.107 looks the properties up by name, and indexers share one.
        using var layer = new WithTwoIndexers();
        Assert.Throws<ArgumentException>(() => layer.to(float64));
        Assert.All(layer.parameters(), each => Assert.Equal(float32, each.dtype));
        Assert.Equal(["weight", "scale"], layer.named_parameters().Select(each => each.name));
    }

    private sealed class Unconvertible(Action before) : nn.Module<Tensor, Tensor>("unconvertible")
    {
        public override Tensor forward(Tensor input) => input;

        protected override nn.Module _to(ScalarType dtype, bool non_blocking)
        {
            before();
            throw new TimeZoneNotFoundException();
        }
    }

    private sealed class WithUnconvertible : Embedding
    {
        private readonly Unconvertible part;

        public WithUnconvertible() : base(4, 3)
        {
            part = new(() => Before(this));
            RegisterComponents();
        }

        public Action<Embedding> Before { get; set; } = _ => { };
    }

    [Theory]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.Float16)]
    public void AToThatFailsLosesNeitherDigitsNorAStepOfAnotherThread(ScalarType dtype)
    {
        using var layer = new WithUnconvertible();
        byte[] before = Bits(layer.Weight);
        Assert.Throws<TimeZoneNotFoundException>(() => layer.to(dtype));
        Assert.Equal(before, Bits(layer.Weight));

        using var optimizer = new Optim.SGD(layer.parameters(), 1);
        layer.Before = it =>
        {
            var other = new Thread(() =>
            {
                it.Weight.grad = it.Weight.detach().clone();
                optimizer.step();
            });
            other.Start();
            other.Join();
        };
        Assert.Throws<TimeZoneNotFoundException>(() => layer.to(dtype));
        Assert.Equal(float32, layer.Weight.dtype);
        Assert.All(Floats(layer.Weight), value => Assert.Equal(0f, value));
    }

    private sealed class LanguageModel : Embedding
    {
        public Linear Decoder = nn.Linear(3, 4, hasBias: false);

        public LanguageModel() : base(4, 3)
        {
            Decoder.weight = Weight;
            RegisterComponents();
        }
    }

    [Fact]
    public void ALinearLayerInAFieldKeepsTheWeightThatItSharesWithTheLayer()
    {
        using var model = new LanguageModel();
        Action<LanguageModel>[] moves = [it => it.to(float64), it => it.to(CPU, bfloat16), it => it.to(float32), it => it.to(float32)];
        Assert.All(moves, move =>
        {
            move(model);
            Assert.Same(model.Weight, model.Decoder.weight);
            Assert.Single(model.parameters());
            using Tensor loss = model.Decoder.call(model.call(Indices(1))).sum();
            loss.backward();
        });
    }
}
