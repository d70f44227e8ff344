using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.InUse.Stress;

namespace EmbeddingWrapper.Tests.InUse;

/// <summary>A layer of bags is disposed or changed while other threads look bags up.</summary>
public class BagInUseTests
{
    private const int MostBags = 50, LongestBag = 8;

    [Fact]
    public void ALayerIsDisposed() => Apart(() => WhileInUse(() =>
    {
        EmbeddingBag layer = NewLayer();
        return (random => LookUp(layer, random), layer.Dispose, () => { });
    }));

    [Fact]
    public void TheWeightIsDisposedByWhoeverElseHoldsIt() => Apart(() => WhileInUse(() =>
    {
        EmbeddingBag layer = NewLayer();
        return (random => LookUp(layer, random), layer.Weight.Dispose, layer.Dispose);
    }));

    [Fact]
    public void AnotherWeightIsAssigned() => Apart(() => WhileInUse(() =>
    {
        EmbeddingBag layer = NewLayer();
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
            EmbeddingBag layer = NewLayer();
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
        EmbeddingBag layer = NewLayer();
        Tensor[] tables = [Numbered(0.5), Numbered()];
        void Load()
        {
            for (int i = 0; i < 10; i++) layer.load_state_dict(new() { ["weight"] = tables[i % 2] });
            layer.Dispose();
        }
        return (random => LookUp(layer, random), Load, () => Array.ForEach(tables, table => table.Dispose()));
    }));

    [Fact]
    public void TiedLayersConvertAssignAndAreDisposed() => Apart(() => WhileInUse(
        () =>
        {
            EmbeddingBag layer = NewLayer(), tied = new(1, 1, mode: EmbeddingBagMode.Sum) { Weight = layer.Weight };
            var embedding = new Embedding(1, 1) { Weight = layer.Weight };
            var another = new Parameter(Numbered(0.5));
            void Assign()
            {
                for (int i = 0; i < 10; i++) tied.Weight = i % 2 == 0 ? another : layer.Weight;
                tied.Dispose();
            }
            void Convert()
            {
                for (int i = 0; i < 10; i++) embedding.to(i % 2 == 0 ? float64 : float32);
                embedding.Dispose();
            }
            return (random => LookUp(random.Next(2) == 0 ? layer : tied, random), () => Parallel.Invoke(Assign, Convert), () =>
            {
                layer.Dispose();
                another.Dispose();
            });
        },
        typeof(ArgumentException)));

    [Fact]
    public void IndicesAndOffsetsAreChangedByAnotherThread() => Apart(() =>
    {
        using EmbeddingBag layer = NewLayer();
        foreach ((int count, int bags) in new[] { (4, 2), (300, 30), (60_000, 600) }) // on the stack, in a pooled array, on several threads
        {
            long[] indices = new long[count], offsets = new long[bags];
            bool over = false;
            var spoiler = new Thread(() =>
            {
                for (long i = 0; !Volatile.Read(ref over); i++)
                {
                    Volatile.Write(ref indices[i % count], i % 3 == 0 ? long.MaxValue / 128 : i % 3 == 1 ? -1 : 7);
                    Volatile.Write(ref offsets[i % bags], i % 5 == 0 ? long.MaxValue / 128 : i % 5 == 1 ? -1 : i % bags);
                }
            });
            spoiler.Start();
            int right = 0;
            WhileInUse(() =>
            {
                void Read(Random random)
                {
                    var found = new float[bags * Width];
                    Array.Fill(found, -5);
                    if (random.Next(4) > 0)
                    {
                        Array.Fill(indices, 7);
                        for (int i = 0; i < bags; i++) offsets[i] = (long)i * count / bags;
                    }
                    try
                    {
                        layer.Lookup(indices.AsSpan(), offsets.AsSpan(), found.AsSpan());
                        Assert.All(found, number => Assert.True(number % 7 == 0 && number >= 0 && number <= 7 * count, $"{number}"));
                        Interlocked.Increment(ref right);
                    }
                    catch (ArgumentException)
                    {
                        Assert.False(found.AsSpan().ContainsAnyExcept(-5));
                    }
                }
                return (Read, () => Thread.Sleep(50), () => { });
            });
            Volatile.Write(ref over, true);
            spoiler.Join();
            Assert.True(count > 1000 || right > 0, "No look-up came through.");
        }
    });

    /// <summary>
    /// Looks up random bags in one of four ways. A sum is that of the numbers of its rows, or up to a half more for each row.
    /// </summary>
    private static void LookUp(EmbeddingBag layer, Random random)
    {
        int bags = random.Next(1, MostBags), length = random.Next(1, LongestBag);
        int[] indices = [.. Enumerable.Range(0, bags * length).Select(_ => random.Next(Rows))];
        long[] offsets = [.. Enumerable.Range(0, bags).Select(bag => (long)bag * length)];
        var sums = new float[bags * Width];
        switch (random.Next(4))
        {
            case 0:
                using (Tensor input = tensor(indices), two = input.reshape(bags, length), output = layer.forward(two)) Read(output);
                break;
            case 1:
                using (Tensor input = tensor(indices), starts = tensor(offsets), output = layer.forward(input, starts)) Read(output);
                break;
            case 2:
                layer.Lookup(indices.AsSpan(), [.. offsets.Select(offset => (int)offset)], sums.AsSpan());
                break;
            default:
                layer.Lookup([.. indices.Select(index => (long)index)], offsets.AsSpan(), sums.AsSpan());
                break;
        }
        for (int i = 0; i < sums.Length; i++)
        {
            float more = sums[i] - indices.Skip(i / Width * length).Take(length).Sum(index => (float)index);
            if (more < 0 || more > length / 2f || more * 2 != MathF.Round(more * 2)) Assert.Fail($"Element {i} is {more} too large.");
        }

        void Read(Tensor output)
        {
            using Tensor detached = output.detach(), floats = detached.to(float32);
            floats.data<float>().CopyTo(sums);
        }
    }

    private static EmbeddingBag NewLayer()
    {
        using Tensor table = Numbered();
        return EmbeddingBag.FromPretrained(table, freeze: false, mode: EmbeddingBagMode.Sum);
    }
}
