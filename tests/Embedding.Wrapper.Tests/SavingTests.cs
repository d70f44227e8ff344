using System.Text;
using EmbeddingWrapper.Tests.Pretrained;
using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests;

/// <summary>Files through TorchSharp's save and load.</summary>
public class SavingTests
{
    private static byte[] Saved(nn.Module module)
    {
        using var stream = new MemoryStream();
        using (var writer = new BinaryWriter(stream, Encoding.UTF8, leaveOpen: true)) module.save(writer);
        return stream.ToArray();
    }

    /// <summary>Each way to load ends in the same method.</summary>
    private static readonly Action<Embedding, byte[]>[] Loads =
    [
        (layer, bytes) => layer.load(new BinaryReader(new MemoryStream(bytes))),
        (layer, bytes) => layer.load(new MemoryStream(bytes)),
        (layer, bytes) => ((nn.Module)layer).load(new MemoryStream(bytes)),
        (layer, bytes) =>
        {
            using var folder = new TestFolder();
            layer.load(folder.Write("table.dat", bytes));
        },
    ];

    [Fact]
    public void AFileCutAnywhereLoadsNothing()
    {
        using var source = Embedding.FromPretrained(Table(400, 3));
        using var target = Embedding.FromPretrained(ones(400, 3), freeze: false);
        byte[] whole = Saved(source), before = Bits(target.Weight);
        foreach (int length in new[] { 0, 1, 7, 9, 20, 30, 1050, 2100, whole.Length - 1 })
        {
            Assert.All(Loads, load => Assert.ThrowsAny<Exception>(() => load(target, whole[..length])));
            Assert.Equal(before, Bits(target.Weight));
        }
        Assert.All(Loads, load =>
        {
            using (no_grad()) target.Weight.zero_();
            load(target, whole);
            Assert.Equal(Bits(source.Weight), Bits(target.Weight));
            Assert.True(target.Weight.requires_grad);
        });
    }

    private sealed class WithBias : Embedding
    {
        private readonly Parameter bias;

        public WithBias(float value) : base(400, 3)
        {
            bias = new Parameter(full(400, value));
            using (no_grad()) Weight.fill_(value);
            RegisterComponents();
        }
    }

    [Fact]
    public void ADerivedLayerLoadsAllOrNothing()
    {
        using var source = new WithBias(2);
        using var target = new WithBias(1);
        byte[] whole = Saved(source);
        Assert.Throws<EndOfStreamException>(() => target.load(new MemoryStream(whole[..^8])));
        Assert.All(target.parameters(), each => Assert.True(each.eq(1).all().ToBoolean()));
        target.load(new MemoryStream(whole));
        Assert.All(target.parameters(), each => Assert.True(each.eq(2).all().ToBoolean()));
    }

    [Fact]
    public void AnotherDtypeOrShapeOrNameChangesNothing()
    {
        using var target = new Embedding(4, 3);
        byte[] before = Bits(target.Weight);
        using var wider = new Embedding(4, 5);
        using var doubles = new Embedding(4, 3, dtype: float64);
        using var linear = nn.Linear(3, 4);
        Assert.All([wider, doubles, (nn.Module)linear], module =>
        {
            Assert.Throws<ArgumentException>(() => target.load(new MemoryStream(Saved(module))));
            Assert.Equal(before, Bits(target.Weight));
        });
    }

    [Fact]
    public void SkippedAndLoadedNamesAreTorchSharps()
    {
        using var source = new Embedding(4, 3);
        using var target = new Embedding(4, 3);
        byte[] before = Bits(target.Weight);
        var loaded = new Dictionary<string, bool>();
        target.load(new BinaryReader(new MemoryStream(Saved(source))), loadedParameters: loaded);
        Assert.Equal([("weight", true)], loaded.Select(each => (each.Key, each.Value)));
        Assert.Equal(Bits(source.Weight), Bits(target.Weight));
        Assert.NotEqual(before, Bits(target.Weight));
    }

    [Fact]
    public void ABackwardPassThroughTheNumbersBeforeTheLoadFails()
    {
        using var layer = new Embedding(4, 3);
        byte[] file = Saved(layer);
        using Tensor loss = layer.Weight.pow(2).sum();
        layer.load(new MemoryStream(file));
        Assert.Contains("modified by an inplace operation", Assert.ThrowsAny<Exception>(() => loss.backward()).Message);
    }

    [Fact]
    public void AViewIsLoadedAsWhatItStandsFor()
    {
        using var source = Embedding.FromPretrained(Table());
        using Tensor across = zeros(3, 4), complex = zeros(4, 3, complex64), negated = complex.conj().imag;
        Assert.True(negated.is_neg());
        Assert.All([across.t(), negated], view =>
        {
            using var target = Embedding.FromPretrained(view);
            target.load(new MemoryStream(Saved(source)));
            AssertSameBits(source.Weight, target.Weight.clone());
        });
    }
}
