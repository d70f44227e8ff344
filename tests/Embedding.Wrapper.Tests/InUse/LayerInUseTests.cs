using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.InUse.Stress;

namespace EmbeddingWrapper.Tests.InUse;

/// <summary>A layer is disposed or changed while other threads look rows up.</summary>
public class LayerInUseTests
{
    private const int BatchSize = 500;

    [Fact]
    public void ALayerIsDisposed() => Apart(() => WhileInUse(() =>
    {
        Embedding layer = NewLayer();
        return (random => LookUp(layer, random), layer.Dispose, () => { });
    }));

    [Fact]
    public void ALayerIsDisposedByTwo() => Apart(() => WhileInUse(() =>
    {
        Embedding layer = NewLayer();
        return (random => LookUp(layer, random), () => Parallel.Invoke(layer.Dispose, layer.Dispose), () => { });
    }));

    [Fact]
    public void TheWeightIsDisposedByWhoeverElseHoldsIt() => Apart(() => WhileInUse(() =>
    {
        Embedding layer = NewLayer();
        return (random => LookUp(layer, random), layer.Weight.Dispose, layer.Dispose);
    }));

    [Fact]
    public void AnotherWeightIsAssigned() => Apart(() => WhileInUse(() =>
    {
        Embedding layer = NewLayer();
        void Assign()
        {
            for (int i = 0; i < 10; i++)
            {
                Parameter old = layer.Weight;
                layer.Weight = new Parameter(Numbered(i % 2 / 2.0));
                old.Dispose();
            }
            layer.Weight.Dispose();
        }
        return (random => LookUp(layer, random), Assign, layer.Dispose);
    }));

    [Fact]
    public void TheTableIsConverted() => Apart(() => WhileInUse(
        () =>
        {
            Embedding layer = NewLayer();
            void Convert()
            {
                for (int i = 0; i < 10; i++) layer.to(i % 2 == 0 ? float64 : float32);
            }
            return (random => LookUp(layer, random), Convert, layer.Dispose);
        },
        typeof(ArgumentException))); // the destination has the wrong type after a conversion

    [Fact]
    public void AnotherTableIsLoaded() => Apart(() => WhileInUse(() =>
    {
        Embedding layer = NewLayer();
        Tensor[] tables = [Numbered(0.5), Numbered()];
        void Load()
        {
            for (int i = 0; i < 10; i++) layer.load_state_dict(new() { ["weight"] = tables[i % 2] });
            layer.Dispose();
        }
        return (random => LookUp(layer, random), Load, () => Array.ForEach(tables, table => table.Dispose()));
    }));

    /// <summary>Looks up random rows in one of three ways and fails if a row holds neither its number nor that plus a half.</summary>
    private static void LookUp(Embedding layer, Random random)
    {
        var indices = new long[BatchSize];
        foreach (ref long index in indices.AsSpan()) index = random.Next(Rows);
        var found = new float[BatchSize * Width];
        switch (random.Next(4))
        {
            case 0:
                using (Tensor input = tensor(indices))
                using (Tensor rows = layer.forward(input))
                    Read(rows);
                break;
            case 1:
                using (Tensor rows = layer.Lookup(indices)) Read(rows);
                break;
            default:
                layer.Lookup(indices.AsSpan(), found.AsSpan());
                break;
        }
        for (int i = 0; i < found.Length; i++)
        {
            float more = found[i] - indices[i / Width];
            if (more is not (0 or 0.5f)) Assert.Fail($"Row {indices[i / Width]} holds {found[i]}.");
        }

        void Read(Tensor rows)
        {
            using Tensor detached = rows.detach();
            using Tensor floats = detached.to(float32);
            floats.data<float>().CopyTo(found);
        }
    }

    private static Embedding NewLayer()
    {
        using Tensor table = Numbered();
        return Embedding.FromPretrained(table, freeze: false);
    }
}
