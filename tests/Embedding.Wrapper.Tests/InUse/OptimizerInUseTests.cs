using EmbeddingWrapper.Optim;
using TorchSharp.Modules;
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

    private static void Step(Embedding layer, optim.Optimizer optimizer)
    {
        optimizer.zero_grad();
        using (Tensor rows = layer.Lookup(1, 5, 1999))
        using (Tensor squares = rows.square())
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
