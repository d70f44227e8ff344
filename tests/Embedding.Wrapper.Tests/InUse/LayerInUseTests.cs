using System.Collections.Concurrent;
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

    [Fact]
    public void ATiedLayerConvertsTheTable() => Apart(() => WhileInUse(
        () =>
        {
            Embedding layer = NewLayer();
            var tied = new Embedding(1, 1) { Weight = layer.Weight };
            void Convert()
            {
                for (int i = 0; i < 10; i++) tied.to(i % 2 == 0 ? float64 : float32);
            }
            return (random => LookUp(layer, random), Convert, () =>
            {
                tied.Dispose();
                layer.Dispose();
            });
        },
        typeof(ArgumentException))); // the destination has the wrong type after a conversion

    [Fact]
    public void TwoTiedLayersConvertTheTableAndAThirdIsAssignedAndDisposed() => Apart(() => WhileInUse(
        () =>
        {
            Embedding layer = NewLayer();
            Embedding[] tied = [.. Enumerable.Range(0, 3).Select(_ => new Embedding(1, 1) { Weight = layer.Weight })];
            var another = new Parameter(Numbered(0.5));
            void Assign()
            {
                for (int i = 0; i < 10; i++) tied[2].Weight = i % 2 == 0 ? another : layer.Weight;
                tied[2].Dispose();
            }
            void Convert(int which)
            {
                for (int i = 0; i < 10; i++) tied[which].to((i + which) % 2 == 0 ? float64 : float32);
            }
            return (random =>
            {
                LookUp(layer, random);
                if (random.Next(2) == 0) LookUp(tied[2], random);
            }, () => Parallel.Invoke(Assign, () => Convert(0), () => Convert(1)), () =>
            {
                Array.ForEach(tied, one => one.Dispose());
                layer.Dispose();
                another.Dispose();
            });
        },
        typeof(ArgumentException)));

    /// <summary>Looks rows up when TorchSharp asks for the state, that is, inside a call that uses the table already.</summary>
    private sealed class Curious(int rows) : Embedding(rows, Width)
    {
        public override Dictionary<string, Tensor> state_dict(Dictionary<string, Tensor>? destination = null, string? prefix = null)
        {
            Lookup([1, 2, 3], new float[3 * Width].AsSpan());
            using Tensor rows = Lookup(0);
            return base.state_dict(destination, prefix);
        }
    }

    [Fact]
    public void ALayerIsDisposedWhileALoadLooksRowsUp() => Apart(() => WhileInUse(() =>
    {
        var layer = new Curious(Rows);
        Tensor table = Numbered();
        return (_ => layer.load_state_dict(new() { ["weight"] = table }), layer.Dispose, table.Dispose);
    }));

    [Fact]
    public void ThreadsAreInterruptedWhileAnotherWeightIsAssigned() => Apart(() => WhileInUse(
        () =>
        {
            Embedding layer = NewLayer();
            var threads = new ConcurrentDictionary<Thread, bool>();
            using Tensor first = Numbered(), second = Numbered(0.5);
            Parameter[] weights = [new(first.alias(), false), new(second.alias(), false)];
            void Use(Random random)
            {
                threads.TryAdd(Thread.CurrentThread, true);
                LookUp(layer, random, random.Next(2) == 0 ? 10 : 20_000); // the large ones use the pool
            }
            void Assign()
            {
                for (int i = 0; i < 200; i++)
                {
                    foreach (Thread thread in threads.Keys) thread.Interrupt();
                    if (i % 3 == 0) Thread.CurrentThread.Interrupt();
                    try
                    {
                        layer.Weight = weights[i % 2];
                        Thread.Sleep(0);
                    }
                    catch (ThreadInterruptedException)
                    {
                    }
                }
            }
            return (Use, Assign, () =>
            {
                LookUp(layer, new Random(1)); // the gate is open
                layer.Dispose();
                Array.ForEach(weights, weight => weight.Dispose());
            });
        },
        typeof(ThreadInterruptedException)));

    [Fact]
    public void TheIndicesAreChangedByAnotherThread() => Apart(() =>
    {
        using Embedding layer = NewLayer();
        foreach (int count in new[] { 1, 200, 300, 60_000 }) // on the stack, in a pooled array, on several threads
        {
            var indices = new long[count];
            bool over = false;
            var spoiler = new Thread(() =>
            {
                for (long i = 0; !Volatile.Read(ref over); i++)
                    Volatile.Write(ref indices[i % count], i % 3 == 0 ? long.MaxValue / 128 : i % 3 == 1 ? -1 : 7);
            });
            spoiler.Start();
            int right = 0;
            WhileInUse(() =>
            {
                void Read(Random random)
                {
                    var found = new float[count * Width];
                    Array.Fill(found, -5);
                    if (random.Next(4) > 0) Array.Fill(indices, 7);
                    try
                    {
                        layer.Lookup(indices.AsSpan(), found.AsSpan());
                        Assert.False(found.AsSpan().ContainsAnyExcept(0, 7));
                        Interlocked.Increment(ref right);
                    }
                    catch (ArgumentOutOfRangeException)
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

    /// <summary>Looks up random rows in one of three ways and fails if a row holds neither its number nor that plus a half.</summary>
    private static void LookUp(Embedding layer, Random random, int count = BatchSize)
    {
        var indices = new long[count];
        foreach (ref long index in indices.AsSpan()) index = random.Next(Rows);
        var found = new float[count * Width];
        switch (random.Next(4))
        {
            case 0: // tensor(indices) would end the process if its Dispose were interrupted
                using (Tensor input = empty(count, int64))
                {
                    input.data<long>().CopyFrom(indices);
                    using Tensor rows = layer.forward(input);
                    Read(rows);
                }
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
            using Tensor detached = rows.detach(), floats = detached.to(float32);
            floats.data<float>().CopyTo(found);
        }
    }

    private static Embedding NewLayer()
    {
        using Tensor table = Numbered();
        return Embedding.FromPretrained(table, freeze: false);
    }

    [Fact]
    public void ALayerIsDisposedWhileAFileIsLoaded() => Apart(() =>
    {
        using var source = new Embedding(20_000, Width);
        using var stream = new MemoryStream();
        source.save(new BinaryWriter(stream));
        byte[] file = stream.ToArray();
        WhileInUse(() =>
        {
            var layer = new Embedding(20_000, Width);
            return (_ => layer.load(new MemoryStream(file)), layer.Dispose, () => { });
        });
    });

    [Fact]
    public void ATiedWeightIsRestoredByManyAtOnce() => Apart(() =>
    {
        for (int i = 0; i < 300; i++)
        {
            using var layer = new Embedding(4, 3);
            using var linear = nn.Linear(3, 4, hasBias: false);
            layer.Weight = linear.weight;
            linear.Dispose();
            var found = new ConcurrentBag<Parameter>();
            using var start = new Barrier(4);
            Thread[] threads = [.. Enumerable.Range(0, 4).Select(which => new Thread(() =>
            {
                start.SignalAndWait();
                found.Add(which % 2 == 0 ? layer.Weight : layer.parameters().Single());
            }))];
            Array.ForEach(threads, thread => thread.Start());
            Array.ForEach(threads, thread => thread.Join());
            Assert.Equal(4, found.Count);
            Assert.All(found, each => Assert.Same(layer.Weight, each));
            Assert.False(layer.Weight.IsInvalid);
        }
    });
}
