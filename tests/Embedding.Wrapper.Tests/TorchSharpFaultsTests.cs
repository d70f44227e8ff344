using System.Runtime.InteropServices;
using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests;

/// <summary>
/// Faults of TorchSharp's own nn.Embedding, nn.EmbeddingBag, SGD and clipping, as docs/DIFFERENCES.md lists them. If a test fails here, TorchSharp has fixed the
/// fault, and the table must change.
/// </summary>
public class TorchSharpFaultsTests
{
    [Fact]
    public void PretrainedTrainsATableThatTheForwardPassDoesNotRead()
    {
        using Tensor table = Table();
        using var theirs = nn.Embedding_from_pretrained(table, freeze: false);
        using var sgd = optim.SGD(theirs.parameters(), 1.0);
        using Tensor index = Indices(1);
        using (Tensor loss = theirs.forward(index).sum()) loss.backward();
        sgd.step();

        using Tensor after = theirs.forward(index);

        Assert.Equal([3f, 4f, 5f], Floats(after)); // after training it would be 2, 3, 4
        Assert.NotEqual(Bits(table), Bits(theirs.parameters().Single()));
    }

    [Fact]
    public void PretrainedDrawsRandomNumbers()
    {
        using Tensor table = Table();
        manual_seed(3);
        using Tensor expected = randn(4);
        manual_seed(3);
        using var theirs = nn.Embedding_from_pretrained(table);
        using Tensor drawn = randn(4);

        Assert.NotEqual(Bits(expected), Bits(drawn));
    }

    [Fact]
    public void PretrainedWritesOnTheCallersTensor()
    {
        using Tensor table = Table();
        using var theirs = nn.Embedding_from_pretrained(table, freeze: false);
        Assert.True(table.requires_grad);
    }

    [Fact]
    public void ToDoesNotReachThePretrainedTable()
    {
        using Tensor table = Table();
        using var theirs = nn.Embedding_from_pretrained(table);
        theirs.to(float64);
        using Tensor index = Indices(1);
        using Tensor row = theirs.forward(index);
        Assert.Equal(float32, row.dtype);
    }

    [Fact]
    public void EachReadOfTheWeightIsAnotherObject()
    {
        using var theirs = nn.Embedding(4, 3);
        Assert.NotSame(theirs.weight, theirs.weight);
    }

    [Fact]
    public void MaxNormIsNarrowedTo32Bits()
    {
        using var theirs = nn.Embedding(1, 2, max_norm: 0.1);
        using var ours = new Embedding(1, 2, maxNorm: 0.1);
        foreach (nn.Module<Tensor, Tensor> layer in new nn.Module<Tensor, Tensor>[] { theirs, ours })
        {
            layer.to(float64);
            using (no_grad()) layer.parameters().Single().copy_(tensor(new double[,] { { 3, 4 } }));
        }
        using Tensor index = Indices(0);
        using Tensor narrowed = theirs.forward(index), exact = ours.forward(index);

        const double python = 0.05999999880000002;
        Assert.Equal(python, exact[0, 0].ToDouble());
        Assert.NotEqual(python, narrowed[0, 0].ToDouble());
    }

    [Fact]
    public void Float64TablesAreFloat32DrawsConverted()
    {
        manual_seed(0);
        using var theirs = nn.Embedding(4, 5, dtype: float64);
        using var weight = theirs.weight;
        Assert.Equal((double)(float)weight![0, 0].ToDouble(), weight[0, 0].ToDouble());
    }

    [Fact]
    public void LoadingSpreadsAOneRowTable()
    {
        using var theirs = nn.Embedding(4, 3);
        using Tensor row = Table(1, 3);
        theirs.load_state_dict(new() { ["weight"] = row });
        using var weight = theirs.weight;
        Assert.Equal([0f, 1f, 2f, 0f, 1f, 2f, 0f, 1f, 2f, 0f, 1f, 2f], Floats(weight!));
    }

    [Fact]
    public void AnIndexErrorSaysNothingAboutTheIndex()
    {
        using var theirs = nn.Embedding(4, 3);
        using Tensor index = Indices(1, 77);
        var error = Assert.Throws<ExternalException>(() => theirs.forward(index));
        Assert.StartsWith("index out of range in self", error.Message);
        Assert.DoesNotContain("77", error.Message.Split('\n')[0]);
    }

    [Fact]
    public void ToStringIsTheClassName()
    {
        using var theirs = nn.Embedding(4, 3);
        Assert.Equal("TorchSharp.Modules.Embedding", theirs.ToString());
    }

    [Fact]
    public void APretrainedBagTrainsATableThatTheForwardPassDoesNotRead()
    {
        using Tensor table = Table();
        using var theirs = nn.EmbeddingBag_from_pretrained(table, freeze: false, mode: EmbeddingBagMode.Sum);
        using var sgd = optim.SGD(theirs.parameters(), 1.0);
        using Tensor index = Indices(1), offsets = Indices(0);
        using (Tensor loss = theirs.call(index, offsets).sum()) loss.backward();
        sgd.step();

        using Tensor after = theirs.call(index, offsets);

        Assert.Equal([3f, 4f, 5f], Floats(after)); // after training it would be 2, 3, 4
        Assert.NotEqual(Bits(table), Bits(theirs.parameters().Single()));
        Assert.True(table.requires_grad); // it is written on the caller's tensor
    }

    [Fact]
    public void ToDoesNotReachThePretrainedTableOfABag()
    {
        using Tensor table = Table();
        using var theirs = nn.EmbeddingBag_from_pretrained(table);
        theirs.to(float64);
        using Tensor index = Indices(1), offsets = Indices(0), row = theirs.call(index, offsets);
        Assert.Equal(float32, row.dtype);
    }

    [Fact]
    public void ABagDoesNotZeroItsPaddingRow()
    {
        using var theirs = nn.EmbeddingBag(4, 3, padding_index: 1);
        using var weight = theirs.weight;
        Assert.NotEqual([0f, 0f, 0f], Floats(weight!)[3..6]);
    }

    [Fact]
    public void ANegativePaddingIndexOfABagMeansNone()
    {
        using var theirs = nn.EmbeddingBag(4, 3, mode: EmbeddingBagMode.Sum, padding_index: -2);
        using Tensor index = Indices(2), offsets = Indices(0), row = theirs.call(index, offsets);
        Assert.NotEqual([0f, 0f, 0f], Floats(row)); // in PyTorch -2 is row 2
    }

    [Fact]
    public void ABagOfInt32In2DIsNotImplemented()
    {
        using var theirs = nn.EmbeddingBag(4, 3);
        using Tensor index = tensor(new[,] { { 1, 2 } });
        Assert.Throws<NotImplementedException>(() => theirs.call(index));
    }

    [Fact]
    public void ABagScalesGradientsByTheFrequenciesOfOtherIndices()
    {
        using var theirs = nn.EmbeddingBag(4, 1, scale_grad_by_freq: true, mode: EmbeddingBagMode.Sum);
        using Tensor index = Indices(3, 3, 1, 2, 2, 2), offsets = Indices(0);
        using (Tensor loss = theirs.call(index, offsets).sum()) loss.backward();
        using var weight = theirs.weight;
        Assert.NotEqual([0f, 1f, 1f, 1f], Floats(weight!.grad!)); // PyTorch 2.14.1

        using var ours = new EmbeddingBag(4, 1, scaleGradByFreq: true, mode: EmbeddingBagMode.Sum);
        using (Tensor loss = ours.call(index, offsets).sum()) loss.backward();
        using Tensor gradient = ours.Weight.grad!;
        Assert.Equal([0f, 1f, 1f, 1f], Floats(gradient));
    }

    [Fact]
    public void ABagDropsTheLastOneOf2DInputWithALastOffset()
    {
        using var theirs = nn.EmbeddingBag(4, 3, include_last_offset: true);
        using var ours = new EmbeddingBag(4, 3, includeLastOffset: true);
        using Tensor index = tensor(new long[,] { { 1, 2 }, { 0, 3 } });
        using Tensor few = theirs.call(index), all = ours.call(index);
        Assert.Equal((1, 2), (few.size(0), all.size(0)));
    }

    [Fact]
    public void SgdThatMaximizesGrowsTheWeightsByTheirDecay()
    {
        using Embedding embedding = Trainable();
        using var sgd = optim.SGD(embedding.parameters(), 0.1, weight_decay: 0.1, maximize: true);
        Step(embedding, sgd);
        Assert.Equal([0f, 1.01f, 2.02f, 3.13f, 4.14f, 5.15f], Floats(embedding.Weight)[..6]); // PyTorch: 0, 0.99, 1.98, 3.07, 4.06, 5.05
    }

    [Fact]
    public void SgdThatMaximizesKeepsItsMomentumWithTheOtherSign()
    {
        using Embedding embedding = Trainable();
        using var sgd = optim.SGD(embedding.parameters(), 0.1, momentum: 0.9, maximize: true);
        Step(embedding, sgd);
        Assert.Equal(1f, Floats(Momentum(sgd))[3]); // PyTorch: -1
    }

    [Fact]
    public void SgdRoundsTheMomentumToTheTypeOfTheTable()
    {
        using Embedding embedding = Trainable(dtype: ScalarType.BFloat16);
        using var sgd = optim.SGD(embedding.parameters(), 1.0, momentum: 0.9);
        for (int i = 0; i < 7; i++) Step(embedding, sgd);
        using Tensor row = Momentum(sgd)[1].to(float32);
        Assert.Equal(5.1875f, Floats(row)[0]); // PyTorch: 5.25
    }

    [Fact]
    public void SgdDoesNotSaveASparseMomentum()
    {
        using Embedding embedding = Trainable(sparse: true);
        using var sgd = optim.SGD(embedding.parameters(), 0.1, momentum: 0.9);
        Step(embedding, sgd);
        using var writer = new BinaryWriter(Stream.Null);
        Assert.Throws<InvalidOperationException>(() => sgd.save_state_dict(writer));
    }

    [Fact]
    public void SgdRefusesAWeightDecayWithASparseGradientInTheMiddleOfTheStep()
    {
        using Embedding dense = Trainable(), sparse = Trainable(sparse: true);
        using var sgd = optim.SGD([dense.Weight, sparse.Weight], 0.1, weight_decay: 0.1);
        using Tensor gradient = ones(4, 3);
        dense.Weight.grad = gradient;
        var error = Assert.Throws<ExternalException>(() => Step(sparse, sgd));
        Assert.StartsWith("add(sparse, dense) is not supported", error.Message);
        Assert.NotEqual([0f, 1f, 2f], Floats(dense.Weight)[..3]); // the parameter before it has moved
    }

    [Fact]
    public void AdamSaysAboutASparseGradientWhatTheDocumentationQuotes()
    {
        using Embedding embedding = Trainable(sparse: true);
        using var adam = optim.Adam(embedding.parameters());
        using Tensor index = Indices(1), found = embedding.forward(index), loss = found.sum();
        loss.backward();
        var error = Assert.Throws<ExternalException>(() => adam.step());
        Assert.StartsWith("Could not run 'aten::addcmul_' with arguments from the 'SparseCPU' backend.", error.Message); // in Gradients.cs
    }

    [Fact]
    public void ClippingLeavesSparseGradientsAsTheyAre()
    {
        using Embedding embedding = Trainable(sparse: true);
        using Tensor index = Indices(1, 1), found = embedding.forward(index), loss = found.sum();
        loss.backward();
        Assert.Equal(3.4641016, nn.utils.clip_grad_norm_(embedding.parameters(), 1.0), 1e-6);
        using Tensor gradient = embedding.Weight.grad!, values = gradient.SparseValues;
        Assert.Equal([1f, 1f, 1f, 1f, 1f, 1f], Floats(values));
        Assert.Throws<ExternalException>(() => nn.utils.clip_grad_norm_(embedding.parameters(), 1.0, double.PositiveInfinity));
    }

    [Fact]
    public void SgdFillsGradientsWithZeros()
    {
        using Embedding embedding = Trainable();
        using var sgd = optim.SGD(embedding.parameters(), 0.1);
        Step(embedding, sgd);
        sgd.zero_grad();
        using Tensor? gradient = embedding.Weight.grad;
        Assert.NotNull(gradient);
    }

    private static Embedding Trainable(bool sparse = false, ScalarType dtype = ScalarType.Float32)
    {
        using Tensor table = Table(dtype: dtype);
        return Embedding.FromPretrained(table, freeze: false, sparse: sparse);
    }

    /// <summary>A step with a gradient of ones in row 1.</summary>
    private static void Step(Embedding embedding, SGD sgd)
    {
        embedding.Weight.grad = null;
        using Tensor row = embedding.Lookup(1);
        using Tensor sum = row.sum();
        sum.backward();
        sgd.step();
    }

    private static Tensor Momentum(SGD sgd) => ((SGD.State)sgd.state_dict().State[0]).momentum_buffer!;
}
