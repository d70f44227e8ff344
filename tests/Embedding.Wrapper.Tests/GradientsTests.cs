using EmbeddingWrapper.Optim;
using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.OptimizerTests;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests;

/// <summary>Clipping. The family clip_grad_norm of the parity tests shows that the numbers are PyTorch's.</summary>
public class GradientsTests
{
    [Fact]
    public void TheNormIsANewTensorOfTheCallers()
    {
        using Embedding embedding = Trainable();
        Backward(embedding, 1, 1);
        long before = LiveTensors();
        using (Tensor total = Gradients.ClipGradNorm(embedding.parameters(), 1))
        {
            Assert.Equal(3.4641016f, total.ToSingle());
            Assert.False(total.requires_grad);
            Assert.Equal(before + 1, LiveTensors());
        }
        Assert.Equal(before, LiveTensors());
    }

    [Fact]
    public void WithoutGradientsTheNormIsZeroInTheDefaultDtype()
    {
        using Embedding embedding = Trainable();
        using Tensor none = Gradients.ClipGradNorm([], 1, errorIfNonFinite: true), unset = Gradients.ClipGradNorm(embedding.parameters(), 1);
        Assert.Equal((0f, 0f, ScalarType.Float32), (none.ToSingle(), unset.ToSingle(), none.dtype));
        Assert.Equal(0, none.dim());
    }

    [Fact]
    public void AnEnumerationIsReadOnceAndAGradientThatIsHeldIsClipped()
    {
        using Embedding sparse = Trainable(), dense = Trainable(sparse: false);
        Backward(sparse, 1, 3);
        Backward(dense, 2);
        using Tensor held = sparse.Weight.grad!, values = held.SparseValues;
        int read = 0;
        using Tensor total = Gradients.ClipGradNorm(Parameters(), 0);
        Assert.Equal(1, read);
        using Tensor after = held.SparseValues, indices = held.SparseIndices, denseAfter = dense.Weight.grad!;
        Assert.All(Floats(after), value => Assert.Equal(0f, value));
        Assert.All(Floats(denseAfter), value => Assert.Equal(0f, value));
        Assert.Equal([1L, 3L], indices.data<long>().ToArray());

        IEnumerable<Parameter> Parameters()
        {
            read++;
            yield return sparse.Weight;
            yield return dense.Weight;
        }
    }

    [Theory]
    [InlineData(double.PositiveInfinity)]
    [InlineData(-1.0)]
    public void AGradientWithoutEntriesHasNoSuchNormAndNothingIsClipped(double normType)
    {
        using Embedding padded = Trainable(), dense = Trainable(sparse: false);
        Backward(dense, 2);
        Backward(padded);
        using Tensor gradient = dense.Weight.grad!;
        byte[] before = Bits(gradient);
        var error = Assert.Throws<InvalidOperationException>(() => Gradients.ClipGradNorm([dense.Weight, padded.Weight], 0.1, normType));
        Assert.Contains("norm on an empty tensor because the operation does not have an identity", error.Message);
        Assert.Equal(before, Bits(gradient));
    }

    [Fact]
    public void AGradientWithOverlappingMemoryIsRefusedBeforeAnyIsClipped()
    {
        using Embedding first = Trainable(sparse: false);
        using var second = new Parameter(ones(4, 3));
        Backward(first, 1);
        using Tensor row = ones(1, 3), spread = row.expand(4, 3), gradient = first.Weight.grad!;
        second.grad = spread;
        byte[] before = Bits(gradient);
        var error = Assert.Throws<InvalidOperationException>(() => Gradients.ClipGradNorm([first.Weight, second], 0.1));
        Assert.Contains("more than one element of the written-to tensor", error.Message);
        Assert.Equal(before, Bits(gradient));
    }

    [Fact]
    public void ANanIsReportedWithTheOrderAsPythonPrintsIt()
    {
        using var parameter = new Parameter(ones(2));
        using Tensor gradient = full([2], float.NaN);
        parameter.grad = gradient;
        foreach ((double order, string text) in new[] { (1.0, "1.0"), (0.5, "0.5"), (double.PositiveInfinity, "inf") })
        {
            var error = Assert.Throws<InvalidOperationException>(() => Gradients.ClipGradNorm([parameter], 1, order, errorIfNonFinite: true));
            Assert.StartsWith($"The total norm of order {text} for gradients from `parameters` is non-finite, so it cannot be clipped.", error.Message);
        }
    }

    [Fact]
    public void NothingIsScaledIfOneGradientMayNotBeWritten()
    {
        using Parameter first = new(Table(4)), second = new(Table(4));
        first.grad = ones(4, 3);
        using (inference_mode()) second.grad = ones(4, 3);
        Assert.Throws<InvalidOperationException>(() => Gradients.ClipGradNorm([first, second], 0.1));
        Assert.Equal(Bits(ones(4, 3)), Bits(first.grad));
    }
}
