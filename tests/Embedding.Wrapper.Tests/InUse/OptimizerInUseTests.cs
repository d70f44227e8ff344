using EmbeddingWrapper.Optim;
using TorchSharp.Modules;
using SGD = EmbeddingWrapper.Optim.SGD;
using static EmbeddingWrapper.Tests.InUse.Stress;
using Adagrad = EmbeddingWrapper.Optim.Adagrad;

namespace EmbeddingWrapper.Tests.InUse;

/// <summary>An optimizer steps, or is disposed, while other threads use it or its layer.</summary>
public class OptimizerInUseTests
{
    private const int BatchSize = 500;

    [Fact]
    public void ASparseAdamIsDisposed() => Apart(() => WhileAnOptimizerSteps(parameters => new SparseAdam(parameters)));

    [Fact]
    public void AnAdagradIsDisposed() => Apart(() => WhileAnOptimizerSteps(parameters => new Adagrad(parameters)));

    // One thread may train a layer while others read it; the others then see old and new numbers. Two threads that train one layer are
    // not supported, because libtorch does not allow it: see the remarks of Embedding.
    [Fact]
    public void ALayerIsTrained() => Apart(() => WhileInUse(() =>
    {
        var layer = new Embedding(2000, Width, sparse: true);
        var optimizer = new SparseAdam(layer.parameters());
        void Train()
        {
            for (int i = 0; i < 50; i++) Step(layer, optimizer);
        }
        void Read(Random random)
        {
            long[] indices = [.. Enumerable.Range(0, BatchSize).Select(_ => random.NextInt64(2000))];
            using Tensor rows = layer.Lookup(indices);
            layer.Lookup(indices.AsSpan(), new float[BatchSize * Width].AsSpan());
        }
        return (Read, Train, () =>
        {
            optimizer.Dispose();
            layer.Dispose();
        });
    }));

    [Fact]
    public void AnOptimizerStepsOnTwoThreads() => Apart(() =>
    {
        using Tensor table = rand(2000, Width), other = table.clone();
        using Embedding together = Embedding.FromPretrained(table, freeze: false, sparse: true);
        using Embedding alone = Embedding.FromPretrained(other, freeze: false, sparse: true);
        using SparseAdam optimizer = new(together.parameters()), another = new(alone.parameters());
        Step(together, optimizer);
        Step(alone, another);

        Parallel.For(0, 1000, _ => optimizer.step());
        for (int i = 0; i < 1000; i++) another.step();

        Shared.AssertSameBits(other, table);
    });

    [Fact]
    public void ALayerIsConvertedDuringASparseAdamStep() => Apart(() => WhileTheLayerConverts(parameters => new SparseAdam(parameters)));

    [Fact]
    public void ALayerIsConvertedDuringAnAdagradStep() => Apart(() => WhileTheLayerConverts(parameters => new Adagrad(parameters)));

    [Fact]
    public void AnOptimizerIsSavedByMany() => Apart(() => WhileInUse(() =>
    {
        (Embedding layer, SparseOptimizer optimizer) = WithAGradient(parameters => new Adagrad(parameters));
        return (_ => optimizer.save_state_dict(new BinaryWriter(new MemoryStream())), () => optimizer.step(), () =>
        {
            optimizer.Dispose();
            layer.Dispose();
        });
    }));

    [Fact]
    public void ALayerIsDisposedDuringASparseAdamStep() => Apart(() => WhileTheLayerIsDisposed(parameters => new SparseAdam(parameters)));

    [Fact]
    public void ALayerIsDisposedDuringAnAdagradStep() => Apart(() => WhileTheLayerIsDisposed(parameters => new Adagrad(parameters)));

    private static void WhileTheLayerIsDisposed(Func<IEnumerable<Parameter>, SparseOptimizer> make) => WhileInUse(() =>
    {
        (Embedding layer, SparseOptimizer optimizer) = WithAGradient(make);
        return (_ => optimizer.step(), layer.Dispose, optimizer.Dispose);
    });

    // What is kept for the parameter stays float32, so a step on the float64 table may be refused.
    private static void WhileTheLayerConverts(Func<IEnumerable<Parameter>, optim.Optimizer> make) => WhileInUse(
        () =>
        {
            var layer = new Embedding(200_000, Width, sparse: true);
            using (Tensor input = arange(20_000))
            using (Tensor rows = layer.call(input))
            using (Tensor sum = rows.sum())
                sum.backward();
            optim.Optimizer optimizer = make(layer.parameters());
            void Convert()
            {
                for (int i = 0; i < 10; i++) layer.to(i % 2 == 0 ? float64 : float32);
            }
            return (_ => optimizer.step(), Convert, () =>
            {
                optimizer.Dispose();
                layer.Dispose();
            });
        },
        typeof(InvalidOperationException));

    [Fact]
    public void TheStateOfASparseAdamIsReplaced() => Apart(() => WhileTheStateIsReplaced(parameters => new SparseAdam(parameters)));

    [Fact]
    public void TheStateOfAnAdagradIsReplaced() => Apart(() => WhileTheStateIsReplaced(parameters => new Adagrad(parameters)));

    private static void WhileTheStateIsReplaced(Func<IEnumerable<Parameter>, SparseOptimizer> make) => WhileInUse(() =>
    {
        (Embedding layer, SparseOptimizer optimizer) = WithAGradient(make);
        (Embedding otherLayer, SparseOptimizer other) = WithAGradient(make);
        other.step();
        optimizer.step();
        using var saved = new MemoryStream();
        other.save_state_dict(new BinaryWriter(saved));
        byte[] file = saved.ToArray();
        SparseOptimizerState state = optimizer.StateOf(layer.Weight);
        OptimizerOptions options = optimizer.state_dict().Options[0];
        Tensor zeros = zeros_like(layer.Weight).detach();
        void Replace()
        {
            for (int i = 0; i < 5; i++)
            {
                optimizer.load_state_dict(other.state_dict());
                optimizer.load_state_dict(new BinaryReader(new MemoryStream(file)));
                state.to(CPU);
                state.Initialize(options);
                if (state is SparseAdam.State adam) (adam.step, adam.exp_avg) = (i, zeros);
                else (((Adagrad.State)state).step, ((Adagrad.State)state).sum) = (i, zeros);
                optimizer.save_state_dict(new BinaryWriter(Stream.Null));
            }
        }
        return (_ => optimizer.step(), Replace, () =>
        {
            End(layer, optimizer);
            End(otherLayer, other);
            zeros.Dispose();
        });
    });

    [Fact]
    public void ALayerIsDisposedWhileMembersOfASparseAdamAreCalled() => Apart(() => WhileMembersAreCalled(
        parameters => new SparseAdam(parameters),
        (state, moment) => ((SparseAdam.State)state).exp_avg = moment,
        state => _ = ((SparseAdam.State)state).exp_avg_sq));

    [Fact]
    public void ALayerIsDisposedWhileMembersOfAnSgdAreCalled() => Apart(() => WhileMembersAreCalled(
        parameters => new SGD(parameters, 0.1, momentum: 0.5),
        (state, moment) => ((SGD.State)state).momentum_buffer = moment,
        state => _ = ((SGD.State)state).momentum_buffer));

    private static void WhileMembersAreCalled(
        Func<IEnumerable<Parameter>, SparseOptimizer> make, Action<SparseOptimizerState, Tensor> replace, Action<SparseOptimizerState> show) =>
        WhileInUse(() =>
        {
            (Embedding layer, SparseOptimizer optimizer) = WithAGradient(make);
            optimizer.step();
            Parameter weight = layer.Weight;
            SparseOptimizerState state = optimizer.StateOf(weight);
            Tensor zeros = torch.zeros(20_000, Width);
            var saved = new MemoryStream();
            optimizer.save_state_dict(new BinaryWriter(saved));
            byte[] file = saved.ToArray();
            Action[] members =
            [
                () => Train(() => optimizer.step()),
                () => Train(() => optimizer.zero_grad()),
                () => Train(() => Gradients.ClipGradNorm([weight], 1).Dispose()),
                () => optimizer.save_state_dict(new BinaryWriter(Stream.Null)),
                () => optimizer.load_state_dict(new BinaryReader(new MemoryStream(file))),
                () => optimizer.load_state_dict(optimizer.state_dict()),
                () => replace(state, zeros),
                () => show(state),
                () => state.to(CPU),
                () => state.Initialize(optimizer.state_dict().Options[0]),
                () => optimizer.StateOf(weight),
            ];
            return (random => members[random.Next(members.Length)](), layer.Dispose, () =>
            {
                optimizer.Dispose();
                zeros.Dispose();
            });

            void Train(Action action) // gradients belong to one thread at a time
            {
                lock (zeros) action();
            }
        });

    [Fact]
    public void ALayerIsConvertedWhileAnOptimizerIsSaved() => Apart(() =>
    {
        Parameter[] sameShape = [new(zeros(20_000, Width)), new(zeros(20_000, Width, float64))];
        WhileInUse(() =>
        {
            (Embedding layer, SparseOptimizer optimizer) = WithAGradient(parameters => new Adagrad(parameters));
            void Save(Random random)
            {
                using var saved = new MemoryStream();
                optimizer.save_state_dict(new BinaryWriter(saved));
                Assert.Contains(sameShape, parameter => Reads(parameter, saved.ToArray()));
            }
            void Convert()
            {
                for (int i = 0; i < 20; i++) layer.to(i % 2 == 0 ? float64 : float32);
            }
            return (Save, Convert, () => End(layer, optimizer));
        });

        static bool Reads(Parameter parameter, byte[] file)
        {
            using var optimizer = new Adagrad([parameter]);
            try
            {
                optimizer.load_state_dict(new BinaryReader(new MemoryStream(file)));
                return true;
            }
            catch (InvalidDataException)
            {
                return false;
            }
        }
    });

    private static (Embedding Layer, SparseOptimizer Optimizer) WithAGradient(Func<IEnumerable<Parameter>, SparseOptimizer> make)
    {
        var layer = new Embedding(20_000, Width, sparse: true); // large: its memory is unmapped when it is freed
        using Tensor input = arange(20_000), rows = layer.call(input), sum = rows.sum();
        sum.backward();
        return (layer, make(layer.parameters()));
    }

    private static void End(Embedding layer, SparseOptimizer optimizer)
    {
        optimizer.Dispose();
        layer.Dispose();
    }

    private static void Step(Embedding layer, optim.Optimizer optimizer)
    {
        optimizer.zero_grad();
        using (Tensor rows = layer.Lookup(1, 5, 1999))
        using (Tensor squares = rows * rows) // square() leaves a number to the garbage collector, see FinalizerTests
        using (Tensor loss = squares.mean())
            loss.backward();
        optimizer.step();
    }

    private static void WhileAnOptimizerSteps(Func<IEnumerable<Parameter>, optim.Optimizer> make) => WhileInUse(() =>
    {
        var layer = new Embedding(2000, Width, sparse: true);
        using (Tensor input = arange(2000))
        using (Tensor rows = layer.call(input))
        using (Tensor sum = rows.sum())
            sum.backward();
        optim.Optimizer optimizer = make(layer.parameters());
        return (_ => optimizer.step(), optimizer.Dispose, layer.Dispose);
    });
}
