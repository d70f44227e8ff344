using System.Diagnostics;
using System.Runtime.InteropServices;
using EmbeddingWrapper.Optim;
using EmbeddingWrapper.Pretrained;
using EmbeddingWrapper.Tests.Pretrained;
using TorchSharp.Modules;
using Adagrad = EmbeddingWrapper.Optim.Adagrad;

namespace EmbeddingWrapper.Tests;

/// <summary>
/// One thread disposes or changes what eight others use: each call gives the right rows or throws what is documented. Every test runs in
/// a process of its own, which a fault would end. EMBEDDING_WRAPPER_STRESS says for how many seconds (default a half).
/// </summary>
public class InUseTests
{
    private const string Child = "EMBEDDING_WRAPPER_STRESS_CHILD";
    private const int Users = 8, Width = 16, BatchSize = 500;
    private const int Rows = 600_000; // 38 MB: freed, it is the system's again, and reading it a fault

    private static readonly double Seconds = double.Parse(Environment.GetEnvironmentVariable("EMBEDDING_WRAPPER_STRESS") ?? "0.5");

    /// <summary>Runs the body here if this is the process made for it, and otherwise makes one.</summary>
    private static void Apart(Action body, [System.Runtime.CompilerServices.CallerMemberName] string test = "")
    {
        if (Environment.GetEnvironmentVariable(Child) == test)
        {
            body();
            return;
        }
        string host = Environment.ProcessPath!, assembly = typeof(InUseTests).Assembly.Location;
        string[] run = Path.GetFileNameWithoutExtension(host) == "dotnet" ? ["exec", assembly] : [];
        var start = new ProcessStartInfo(host, [.. run, "-noColor", "-method", $"{typeof(InUseTests).FullName}.{test}"])
        {
            Environment = { [Child] = test },
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process child = Process.Start(start)!;
        Task<string> output = child.StandardOutput.ReadToEndAsync(), errors = child.StandardError.ReadToEndAsync();
        if (!child.WaitForExit(TimeSpan.FromSeconds(120 + (2 * Seconds)))) child.Kill();
        child.WaitForExit();
        string all = output.Result + errors.Result;
        Assert.True(child.ExitCode == 0, $"Exit code {child.ExitCode}\n{all[..Math.Min(all.Length, 6000)]}");
        Assert.Contains("Total: 1,", all);
    }

    /// <summary>Round after round, until the time is over: eight threads use something until they cannot, and one interferes.</summary>
    /// <param name="round">Makes what is used; says what a user does again and again, what the other does, and how it ends.</param>
    /// <param name="allowed">What a user may see thrown. It ends when that is <see cref="ObjectDisposedException"/>.</param>
    private static void WhileInUse(
        Func<(Action<Random> Use, Action Interfere, Action End)> round, params Type[] allowed)
    {
        long until = Stopwatch.GetTimestamp() + (long)(Seconds * Stopwatch.Frequency), uses = 0;
        for (int i = 0; i == 0 || Stopwatch.GetTimestamp() < until; i++)
        {
            (Action<Random> use, Action interfere, Action end) = round();
            bool over = false;
            using var start = new Barrier(Users + 1);
            Task[] users = [.. Enumerable.Range(0, Users).Select(user => Task.Factory.StartNew(
                () =>
                {
                    var random = new Random((i * Users) + user);
                    start.SignalAndWait();
                    while (!Volatile.Read(ref over))
                    {
                        try
                        {
                            use(random);
                            Interlocked.Increment(ref uses);
                        }
                        catch (ObjectDisposedException)
                        {
                            return;
                        }
                        catch (Exception error) when (allowed.Contains(error.GetType()))
                        {
                        }
                    }
                },
                TaskCreationOptions.LongRunning))];
            start.SignalAndWait();
            var when = new Random(i);
            long enough = Volatile.Read(ref uses) + when.Next(40);
            SpinWait.SpinUntil(() => Volatile.Read(ref uses) >= enough || Array.Exists(users, user => user.IsCompleted));
            Thread.SpinWait(when.Next(2000));
            interfere();
            Volatile.Write(ref over, true);
            Task.WaitAll(users);
            end();
        }
        Assert.True(uses > 0, "Nobody got an answer.");
    }

    /// <summary>A table whose rows hold their own number, and a half more where asked.</summary>
    private static Tensor Numbered(double more = 0, ScalarType dtype = ScalarType.Float32)
    {
        using Tensor numbers = arange(Rows, dtype: dtype);
        using Tensor sums = numbers + more;
        using Tensor column = sums.unsqueeze(1);
        using Tensor rows = column.expand(Rows, Width);
        return rows.contiguous();
    }

    /// <summary>Looks random rows up in one of three ways and fails if one is neither row nor row and a half.</summary>
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
        typeof(ArgumentException))); // the destination is of the wrong type

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
    public void AFileIsDisposed() => Apart(() =>
    {
        using var folder = new TestFolder();
        using (Tensor table = Numbered()) SafeTensorsFile.Save(folder["file"], new Dictionary<string, Tensor> { ["table"] = table });
        WhileInUse(() =>
        {
            var file = SafeTensorsFile.Open(folder["file"]);
            void Read(Random random)
            {
                using Tensor table = file.Read("table");
                Assert.Contains("table", file.Names);
                int row = random.Next(Rows);
                Assert.Equal(row, MemoryMarshal.Cast<byte, float>(table.bytes)[row * Width]);
            }
            return (Read, file.Dispose, () => { });
        });
    });

    [Fact]
    public void WordVectorsAreDisposed() => Apart(() =>
    {
        using var folder = new TestFolder();
        string path = folder.Write("text", string.Concat(
            Enumerable.Range(0, 3000).Select(i => $"w{i} {string.Join(' ', Enumerable.Repeat(i + 1, Width))} 1\n")));
        WhileInUse(() =>
        {
            var words = WordVectors.Load(path);
            void Ask(Random random)
            {
                Assert.Equal(["w3"], words.MostSimilar("w2", 1).Select(found => found.Word));
                using Embedding layer = words.ToEmbedding();
                var row = new float[Width + 1];
                layer.Lookup([7], row.AsSpan());
                Assert.Equal(8, row[0]);
            }
            return (Ask, words.Dispose, () => { });
        });
    });

    [Fact]
    public void ASparseAdamIsDisposed() => Apart(() => WhileAnOptimizerSteps(parameters => new SparseAdam(parameters)));

    [Fact]
    public void AnAdagradIsDisposed() => Apart(() => WhileAnOptimizerSteps(parameters => new Adagrad(parameters)));

    // Two threads that train one layer are libtorch's to spoil: see the remarks of Embedding. One may, and then others see old and new numbers.
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
