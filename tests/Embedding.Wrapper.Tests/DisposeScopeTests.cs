using System.Text;
using EmbeddingWrapper.Optim;
using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.Shared;
using Adagrad = EmbeddingWrapper.Optim.Adagrad;

namespace EmbeddingWrapper.Tests;

/// <summary>
/// Layers and optimizers outlive the dispose scopes that they are made and used in, as TorchSharp's do. Work that is nested in random
/// scopes ends with the same bits as work without scopes.
/// </summary>
public class DisposeScopeTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ScopesNestedAnyWayChangeNothing(bool sparseAdam)
    {
        Soak.Run(Soak.Rounds / 10, seed =>
        {
            var random = new Random(seed);
            int[] what = [.. Enumerable.Range(0, 14).Select(_ => random.Next(World.Operations))];
            using World plain = new(sparseAdam), scoped = Scoped(sparseAdam, what, random);
            foreach (int operation in what) plain.Do(operation, null);

            AssertSameBits(plain.Layer.Weight, scoped.Layer.Weight);
            AssertSameBits(plain.Sum(), scoped.Sum());
            if (seed % 20 == 0) LiveTensors(); // frees what was taken out of a scope
        }, parameters: 2);
    }

    private static World Scoped(bool sparseAdam, int[] what, Random random)
    {
        var open = new Stack<DisposeScope>();
        Nest();
        var world = new World(sparseAdam);
        foreach (int operation in what)
        {
            Nest();
            world.Do(operation, random);
        }
        while (open.TryPop(out DisposeScope? scope)) scope.Dispose();
        return world;

        void Nest()
        {
            for (int change = random.Next(-3, 3); change != 0; change -= Math.Sign(change))
            {
                if (change > 0) open.Push(NewDisposeScope());
                else if (open.TryPop(out DisposeScope? scope)) scope.Dispose();
            }
        }
    }

    [Fact]
    public void AnAssignedWeightOutlivesItsScopeAsInTorchSharpsLayers()
    {
        using var linear = nn.Linear(3, 4, hasBias: false);
        using var layer = new Embedding(1, 1);
        using (NewDisposeScope())
        {
            linear.weight = new Parameter(Table());
            layer.Weight = new Parameter(Table());
        }
        using Parameter weight = layer.Weight;
        Assert.Equal(Bits(linear.weight), Bits(weight));
    }

    private sealed class World : IDisposable
    {
        private static readonly long[] Batch = [1, 2, 1, 3];

        private readonly bool _sparseAdam;
        private OptimizerHelper _optimizer;

        public World(bool sparseAdam)
        {
            _sparseAdam = sparseAdam;
            using Tensor table = Table(6, 3);
            Layer = Embedding.FromPretrained(table.clone(), freeze: false, sparse: true);
            _optimizer = NewOptimizer();
        }

        public Embedding Layer { get; }

        public Tensor Sum() => _optimizer.state_dict().State[0] switch
        {
            SparseAdam.State state => state.exp_avg_sq,
            var state => ((Adagrad.State)state).sum,
        };

        public const int Operations = 11;

        /// <summary>The scope, or else the garbage collector, frees what this makes.</summary>
        public void Do(int operation, Random? takesOut)
        {
            switch (operation)
            {
                case 0 or 1 or 2:
                    Tensor loss = TakeOut(TakeOut(Layer.call(tensor(Batch)[..3])).square().sum());
                    loss.backward();
                    _optimizer.step();
                    break;
                case 3:
                    _optimizer.step(() =>
                    {
                        _optimizer.zero_grad();
                        Tensor sum = TakeOut(Layer.Lookup(Batch)).sum();
                        sum.backward();
                        return TakeOut(sum);
                    });
                    break;
                case 4: _optimizer.zero_grad(); break;
                case 5:
                    Dictionary<string, Tensor> saved = Layer.state_dict().ToDictionary(pair => pair.Key, pair => TakeOut(pair.Value.detach() * 0.5));
                    Layer.load_state_dict(saved);
                    break;
                case 6: Layer.to(Layer.Weight.dtype == float32 ? float64 : float32); _optimizer.zero_grad(); Renew(); break;
                case 7: Renew(); break;
                case 8:
                    using (var stream = new MemoryStream())
                    {
                        using (var writer = new BinaryWriter(stream, Encoding.UTF8, leaveOpen: true)) _optimizer.save_state_dict(writer);
                        stream.Position = 0;
                        Renew();
                        _optimizer.load_state_dict(new BinaryReader(stream));
                    }
                    break;
                case 9:
                    OptimizerHelper next = NewOptimizer();
                    next.load_state_dict(_optimizer.state_dict());
                    _optimizer.Dispose();
                    _optimizer = next;
                    break;
                default:
                    if (Layer.Weight.dtype == float32) Layer.Lookup(Batch, new float[12].AsSpan());
                    else Layer.Lookup(Batch, new double[12].AsSpan());
                    TakeOut(Functional.Embedding(tensor(Batch), Layer.Weight));
                    break;
            }

            Tensor TakeOut(Tensor made) => takesOut?.Next(4) switch
            {
                0 => made.MoveToOuterDisposeScope(),
                1 => made.DetachFromDisposeScope(),
                _ => made,
            };
        }

        private OptimizerHelper NewOptimizer() => _sparseAdam ? new SparseAdam(Layer.parameters(), 0.1) : new Adagrad(Layer.parameters(), 0.1);

        private void Renew()
        {
            _optimizer.Dispose();
            _optimizer = NewOptimizer();
        }

        public void Dispose()
        {
            _optimizer.Dispose();
            Layer.Dispose();
        }
    }
}
