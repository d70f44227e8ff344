using EmbeddingWrapper.Native;
using EmbeddingWrapper.Optim;
using EmbeddingWrapper.Pretrained;
using EmbeddingWrapper.Tests.Pretrained;
using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.InUse.Stress;

namespace EmbeddingWrapper.Tests.InUse;

/// <summary>
/// The thread pool has no free thread, and gets none before the call has returned: a call that waited for the pool would never return.
/// </summary>
public class BusyPoolTests
{
    private const int Count = 100_000; // of 64 bytes: enough for several threads

    /// <summary>Runs the body while every thread of the pool is blocked and more items are in its queue.</summary>
    private static void WithoutPool(Action body)
    {
        const int threads = 8, few = 3; // xunit may have a few for itself
        set_num_threads(4);
        Assert.True(ThreadPool.SetMinThreads(threads, threads) && ThreadPool.SetMaxThreads(threads, threads));
        using ManualResetEventSlim release = new();
        int blocked = 0;
        Task[] tasks = [.. Enumerable.Range(0, threads + 40).Select(_ => Task.Run(() =>
        {
            Interlocked.Increment(ref blocked);
            release.Wait();
        }))];
        for (int before = -1; before != Volatile.Read(ref blocked) || before < threads - few; Thread.Sleep(50)) before = Volatile.Read(ref blocked);

        body();

        Assert.InRange(Volatile.Read(ref blocked), threads - few, threads);
        release.Set();
        Task.WaitAll(tasks);
    }

    /// <summary>In a thread of its own: xunit may run a test on the pool.</summary>
    private static void OnItsOwnThread(Action body) => Apart(() =>
    {
        Exception? error = null;
        var thread = new Thread(() =>
        {
            try
            {
                body();
            }
            catch (Exception caught)
            {
                error = caught;
            }
        });
        thread.Start();
        thread.Join();
        Assert.Null(error);
    });

    private static long[] Indices() => [.. Enumerable.Range(0, Count).Select(i => (long)i)];

    [Fact]
    public void ALargeLookUpDoesItsWork() => OnItsOwnThread(() =>
    {
        using Tensor table = Numbered();
        using var layer = Embedding.FromPretrained(table);
        var rows = new float[Count * Width];
        WithoutPool(() => layer.Lookup(Indices().AsSpan(), rows.AsSpan()));
        for (int i = 0; i < Count; i++) Assert.Equal(i, rows[(i * Width) + Width - 1]);
    });

    [Fact]
    public void ALargeStepAndALoadDoTheirWork() => OnItsOwnThread(() =>
    {
        using Tensor table = Numbered(), before = table.clone();
        using var layer = Embedding.FromPretrained(table, freeze: false, sparse: true);
        using var optimizer = new SparseAdam(layer.parameters());
        using (Tensor rows = layer.Lookup(Indices()))
        using (Tensor sum = rows.sum())
            sum.backward();
        WithoutPool(() =>
        {
            optimizer.step();
            Assert.NotEqual(Shared.Bits(before), Shared.Bits(table));
            layer.load_state_dict(new() { ["weight"] = before });
            Shared.AssertSameBits(before, table);
        });
    });

    [Fact]
    public void AFileIsLoaded() => OnItsOwnThread(() =>
    {
        using var folder = new TestFolder();
        string path = folder.Write("text", string.Concat(Enumerable.Range(0, 200_000).Select(i => $"word{i} {i} 0.5\n")));
        WithoutPool(() =>
        {
            using var vectors = WordVectors.Load(path);
            Assert.Equal(200_000, vectors.Words.Count);
        });
    });

    [Fact]
    public void LargeLookUpsGoOnWhileThePoolWaitsForTheSameGate() => OnItsOwnThread(() =>
    {
        using Tensor table = Numbered(), other = Numbered(0.5);
        using var layer = Embedding.FromPretrained(table);
        using Parameter first = new(table.alias(), false), second = new(other.alias(), false);
        set_num_threads(4);
        Assert.True(ThreadPool.SetMinThreads(4, 4) && ThreadPool.SetMaxThreads(4, 4));
        bool over = false;
        Task[] small = [.. Enumerable.Range(0, 8).Select(_ => Task.Run(() =>
        {
            var row = new float[Width];
            while (!Volatile.Read(ref over)) layer.Lookup([5], row.AsSpan());
        }))];
        var assign = new Thread(() =>
        {
            for (int i = 0; !Volatile.Read(ref over); i++) layer.Weight = i % 2 == 0 ? second : first;
        });
        assign.Start();
        var rows = new float[Count * Width];
        for (int i = 0; i < 100; i++) layer.Lookup(Indices().AsSpan(), rows.AsSpan());
        Volatile.Write(ref over, true);
        assign.Join();
        Task.WaitAll(small);
    });

    [Fact]
    public void AThreadThatComesLateTouchesNothing() => OnItsOwnThread(() =>
    {
        int calls = 0, after = 0;
        WithoutPool(() =>
        {
            for (int i = 0; i < 1000; i++) ParallelRows.Run(4, 100, (_, _) => Interlocked.Increment(ref calls));
            after = calls;
        });
        Task.WaitAll([.. Enumerable.Range(0, 100).Select(_ => Task.Run(() => { }))]); // what was in the queue has run
        Assert.True(after >= 1000);
        Assert.Equal(after, calls);
    });
}
