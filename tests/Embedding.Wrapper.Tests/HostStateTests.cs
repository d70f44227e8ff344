using EmbeddingWrapper.Tests.InUse;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests;

/// <summary>States of the process and of tensors that change what libtorch allows: inference mode, the default device, huge tables.</summary>
public class HostStateTests
{
    private static T InInferenceMode<T>(Func<T> make)
    {
        using IDisposable mode = inference_mode();
        return make();
    }

    [Fact]
    public void ARefusedLookupOfAMaxNormLayerMadeInInferenceModeScalesNothing()
    {
        using Embedding layer = InInferenceMode(() => Embedding.FromPretrained(Table(), maxNorm: 0.5));
        byte[] before = Bits(layer.Weight);
        using Tensor input = Indices(1, 2);
        Action[] calls =
        [
            () => layer.forward(input),
            () => layer.Lookup(1),
            () => layer.Lookup([1L], new float[3].AsSpan()),
            () => Functional.Embedding(input, layer.Weight, maxNorm: 0.5),
        ];
        Assert.All(calls, call =>
        {
            var error = Assert.Throws<InvalidOperationException>(call);
            Assert.Contains("Inplace update to inference tensor outside InferenceMode is not allowed", error.Message);
            Assert.Equal(before, Bits(layer.Weight));
        });
        using Tensor inside = InInferenceMode(() => layer.forward(input));
        Assert.NotEqual(before, Bits(layer.Weight));
    }

    [Fact]
    public void AMaxNormLayerMadeInInferenceModeScalesInsideIt()
    {
        using Embedding layer = InInferenceMode(() => Embedding.FromPretrained(Table(), maxNorm: 0.5));
        using var plain = Embedding.FromPretrained(Table(), maxNorm: 0.5);
        using Tensor inside = InInferenceMode(() => layer.Lookup(1, 2)), outside = plain.Lookup(1, 2);
        AssertSameBits(outside, inside);
        AssertSameBits(plain.Weight, layer.Weight);
    }

    [Fact]
    public void AnInferenceTensorCannotBeTrained()
    {
        using Tensor table = InInferenceMode(() => Table());
        var error = Assert.Throws<InvalidOperationException>(() => Embedding.FromPretrained(table, freeze: false));
        Assert.Contains("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed", error.Message);
        using var frozen = Embedding.FromPretrained(table);
        using Tensor row = frozen.Lookup(1);
        Assert.Equal([3f, 4f, 5f], Floats(row));
    }

    [Fact]
    public void OtherMembersOfALayerOfInferenceModeThrowTypedErrorsAndChangeNothing()
    {
        using Embedding layer = InInferenceMode(() => new Embedding(4, 3));
        byte[] before = Bits(layer.Weight);
        Action[] calls =
        [
            layer.ResetParameters,
            () => layer.load_state_dict(new() { ["weight"] = zeros(4, 3) }),
        ];
        Assert.All(calls, call =>
        {
            Assert.Throws<InvalidOperationException>(call);
            Assert.Equal(before, Bits(layer.Weight));
        });
        Assert.Throws<EndOfStreamException>(() => layer.load(new MemoryStream([1, 6, .. "weight"u8, 6, 2, 4, 3, 0, 0, 0, 0])));
        Assert.Equal(before, Bits(layer.Weight));
        Assert.StartsWith("Parameter containing:", layer.Weight.Repr());
        float[] row = new float[3];
        layer.Lookup([1L], row.AsSpan());
        using Tensor looked = layer.Lookup(1);
        Assert.Equal(Floats(looked), row);
    }

    /// <summary>2^31 rows and more. The system gives memory only to the few rows that are used.</summary>
    [Theory]
    [InlineData(1L << 31)]
    [InlineData((1L << 31) + 5)]
    [InlineData(1L << 32)]
    public void TablesOfMoreRowsThanAnInt32CountsTakeInt32Indices(long rows)
    {
        using Tensor table = Untouched(rows);
        using var layer = Embedding.FromPretrained(table);
        using var renormed = Embedding.FromPretrained(table, maxNorm: 1);
        layer.CheckIndices = true;
        using Tensor good = tensor(new[] { 0, 1, int.MaxValue });
        using Tensor bad = tensor(new[] { int.MaxValue, -1 });
        foreach (Embedding each in new[] { layer, renormed })
        {
            using Tensor rowsFound = each.forward(good);
            Assert.Equal([3, 1], rowsFound.shape);
            var error = Assert.Throws<ArgumentOutOfRangeException>(() => each.forward(bad));
            Assert.StartsWith($"index out of range in self: index -1 at position [1] is not in [0, {rows})", error.Message);
        }
        using Tensor looked = Functional.Embedding(good, table, maxNorm: 1);
        Assert.Equal([3, 1], looked.shape);
    }

    [Fact]
    public void ATableOfAllInt32IndicesEndsAtItsLastRow()
    {
        using Tensor table = Untouched(int.MaxValue);
        using var layer = Embedding.FromPretrained(table, maxNorm: 1);
        using Tensor last = tensor(new[] { int.MaxValue - 1 }), behind = tensor(new[] { 0, int.MaxValue });
        layer.forward(last).Dispose();
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => layer.forward(behind));
        Assert.Contains($"index {int.MaxValue} at position [1]", error.Message);
    }

    private static Tensor Untouched(long rows)
    {
        try
        {
            return empty(rows, 1, bfloat16);
        }
        catch (System.Runtime.InteropServices.ExternalException)
        {
            Assert.Skip($"the system does not promise {rows * 2 >> 30} GB of memory");
            throw;
        }
    }

    /// <summary>In a process of its own, where nothing has been compiled or tried before.</summary>
    [Fact]
    public void TheDefaultDeviceIsNotWhereTheLibraryMakesItsOwnTensors() => Stress.Apart(() =>
    {
        using Tensor table = Table(), index = Indices(1, 2), bad = Indices(9), other = Table();
        float[] rows = new float[6];
        set_default_device(META);
        try
        {
            using var layer = Embedding.FromPretrained(table, freeze: false, paddingIdx: 0);
            using var renormed = Embedding.FromPretrained(other, maxNorm: 1.0);
            using var made = new Embedding(4, 3, paddingIdx: 1, device: CPU);
            layer.CheckIndices = true;
            using Tensor found = layer.forward(index), looked = layer.Lookup(1, 2), functional = Functional.Embedding(index, table);
            AssertSameBits(functional, found);
            AssertSameBits(looked, found);
            layer.Lookup([1L, 2], rows.AsSpan());
            Assert.Equal(Floats(found), rows);
            using Tensor scaled = renormed.forward(index);
            Assert.InRange(scaled.norm(1).max().ToSingle(), 0.99f, 1.01f);
            Assert.Throws<ArgumentOutOfRangeException>(() => layer.forward(bad));
            Assert.Equal("tensor([[3., 4., 5.],\n        [6., 7., 8.]])", found.detach().Repr());
            made.ResetParameters();
            layer.load_state_dict(new() { ["weight"] = made.Weight });
            using (var stream = new MemoryStream())
            {
                using (var writer = new BinaryWriter(stream, System.Text.Encoding.UTF8, leaveOpen: true)) layer.save(writer);
                stream.Position = 0;
                layer.load(stream);
            }
            AssertSameBits(made.Weight, layer.Weight);
            layer.to(float64);
            using Tensor converted = layer.Lookup(1);
            Assert.Equal((float64, DeviceType.CPU), (converted.dtype, converted.device_type));
            foreach (EmbeddingBagMode mode in Enum.GetValues<EmbeddingBagMode>())
            {
                using var bag = new EmbeddingBag(4, 3, scaleGradByFreq: mode != EmbeddingBagMode.Max, mode: mode, device: CPU);
                using Tensor two = index.unsqueeze(0), bags = bag.forward(two), sum = bags.sum();
                sum.backward();
            }
        }
        finally
        {
            set_default_device(CPU);
        }
    });

    [Fact]
    public void TheFirstStepOfAProcessDoesNotUseTheDefaultDevice() => Stress.Apart(() =>
    {
        using Tensor table = Table(), index = Indices(1);
        set_default_device(META);
        try
        {
            using var layer = Embedding.FromPretrained(table, freeze: false, sparse: true);
            using var adagrad = new Optim.Adagrad(layer.parameters(), 1);
            using Tensor found = layer.forward(index);
            using Tensor loss = found.sum();
            loss.backward();
            adagrad.step();
            adagrad.step();
            using var sgd = new Optim.SGD(layer.parameters(), 1e-9, momentum: 0.5);
            sgd.step();
            using var stream = new MemoryStream();
            using (var writer = new BinaryWriter(stream, System.Text.Encoding.UTF8, leaveOpen: true)) sgd.save_state_dict(writer);
            stream.Position = 0;
            sgd.load_state_dict(new BinaryReader(stream)); // a sparse buffer
            sgd.step();
        }
        finally
        {
            set_default_device(CPU);
        }
        Assert.Equal(2f, Floats(table)[3], 0.8f);
        Assert.NotEqual(3f, Floats(table)[3]);
    });
}
