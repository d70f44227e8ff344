using System.Runtime.InteropServices;

namespace EmbeddingWrapper.Tests;

/// <summary>Eight threads that read one layer get what one thread gets, as long as no thread writes.</summary>
public class ThreadTests
{
    private const int Threads = 8, Calls = 2000, Rows = 1000, Width = 7;

    public enum Way { Forward, Call, Numbers, LongSpan, IntSpan }

    private static float[] LookUp(Embedding layer, Way way, long[] indices)
    {
        var rows = new float[indices.Length * Width];
        if (way == Way.LongSpan)
        {
            layer.Lookup(indices.AsSpan(), rows.AsSpan());
        }
        else if (way == Way.IntSpan)
        {
            layer.Lookup(Array.ConvertAll(indices, i => (int)i).AsSpan(), rows.AsSpan());
        }
        else
        {
            using Tensor input = tensor(indices);
            using Tensor found = way switch
            {
                Way.Forward => layer.forward(input),
                Way.Call => layer.call(input),
                _ => layer.Lookup(indices),
            };
            found.data<float>().CopyTo(rows);
        }
        return rows;
    }

    private static long[] Batch(int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, random.Next(1, 40)).Select(_ => random.NextInt64(Rows))];
    }

    /// <summary>Runs the body on eight threads that start at once. If one throws, this throws.</summary>
    private static void OnEight(Action<int> body)
    {
        using var start = new Barrier(Threads);
        Task[] tasks = [.. Enumerable.Range(0, Threads).Select(thread => Task.Factory.StartNew(
            () =>
            {
                start.SignalAndWait();
                body(thread);
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
        Task.WaitAll(tasks, TestContext.Current.CancellationToken);
    }

    public static TheoryData<Way> Ways => [.. Enum.GetValues<Way>()];

    [Theory]
    [MemberData(nameof(Ways))]
    public void EightThreadsGetTheBitsThatOneGets(Way way)
    {
        using Tensor table = randn(Rows, Width);
        using var layer = Embedding.FromPretrained(table, freeze: false);
        OnEight(thread =>
        {
            for (int i = 0; i < Calls; i++)
            {
                long[] indices = Batch((thread * Calls) + i);
                AssertRows([table], indices, LookUp(layer, way, indices));
            }
        });
    }

    [Fact]
    public void TheFirstLookUpsOfALayerMayComeFromEightThreadsAtOnce()
    {
        using Tensor table = randn(Rows, Width);
        for (int i = 0; i < 30; i++)
        {
            using var layer = Embedding.FromPretrained(table);
            OnEight(thread =>
            {
                long[] indices = Batch(thread);
                AssertRows([table], indices, LookUp(layer, (Way)((thread + i) % 5), indices));
            });
        }
    }

    // A row may be scaled more than once: rounding leaves some rows a little too long, and the next look-up scales them again. So each
    // result must equal one of the results of repeated look-ups on one thread.
    [Theory]
    [MemberData(nameof(Ways))]
    public void WithMaxNormEightThreadsGetWhatTheSameCallsOneAfterTheOtherWouldGive(Way way)
    {
        using Tensor table = randn(Rows, Width) * 3, other = table.clone();
        using Embedding layer = Embedding.FromPretrained(table, maxNorm: 1), alone = Embedding.FromPretrained(other, maxNorm: 1);
        using Tensor all = arange(Rows);
        var scaled = new List<Tensor>();
        do scaled.Add(alone.forward(all));
        while (scaled.Count < 2 || !scaled[^1].equal(scaled[^2]).all().ToBoolean());
        OnEight(thread =>
        {
            for (int i = 0; i < Calls / 10; i++)
            {
                long[] indices = Batch(i); // all threads use the same rows, so they meet
                AssertRows(scaled, indices, LookUp(layer, way, indices));
            }
        });
    }

    private static void AssertRows(IEnumerable<Tensor> tables, long[] indices, float[] rows)
    {
        for (int i = 0; i < indices.Length; i++)
        {
            int at = i * Width * sizeof(float), from = (int)indices[i] * Width * sizeof(float);
            bool right = tables.Any(table =>
                MemoryMarshal.AsBytes(rows.AsSpan()).Slice(at, Width * sizeof(float)).SequenceEqual(table.bytes.Slice(from, Width * sizeof(float))));
            if (!right) Assert.Fail($"Row {indices[i]} came out as {string.Join(", ", rows.AsSpan(i * Width, Width).ToArray())}.");
        }
    }
}
