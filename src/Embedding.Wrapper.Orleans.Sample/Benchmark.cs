using System.Diagnostics;
using System.Runtime.InteropServices;
using StackExchange.Redis;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Orleans.Sample;

/// <summary>
/// Look-ups of random rows per second: from one silo process, from three, from Redis (rows as values, MGET), and from a local table,
/// which is the limit. They take turns, and the fastest turn of each counts.
/// </summary>
internal static class Benchmark
{
    private static readonly TimeSpan Turn = TimeSpan.FromSeconds(1);

    private delegate Task Lookup(long[] rows, float[] destination);

    public static async Task<int> RunAsync(int turns)
    {
        using Process? redis = LocalCluster.StartRedis(out int port);
        if (redis is null) return 0;
        await using LocalCluster one = await LocalCluster.StartAsync(silos: 1);
        await using LocalCluster three = await LocalCluster.StartAsync(silos: 3);
        ShardedEmbedding inOne = await ShardedEmbedding.OpenAsync(one.Client, "benchmark");
        ShardedEmbedding inThree = await ShardedEmbedding.OpenAsync(three.Client, "benchmark");
        manual_seed(4);
        using var local = new Embedding(Tables.BenchmarkRows, Tables.BenchmarkWidth);
        using ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync($"127.0.0.1:{port}");
        IDatabase database = connection.GetDatabase();
        await FillAsync(database, local);

        var ways = new Dictionary<string, Lookup>
        {
            ["1 silo"] = (rows, destination) => inOne.LookupAsync(rows, destination),
            ["3 silos"] = (rows, destination) => inThree.LookupAsync(rows, destination),
            ["Redis"] = (rows, destination) => MGetAsync(database, rows, destination),
            ["local"] = (rows, destination) =>
            {
                local.Lookup<float>(rows, destination);
                return Task.CompletedTask;
            },
        };
        await CompareAsync(ways);
        Console.WriteLine($"{Environment.ProcessorCount} processors; {Tables.BenchmarkRows:N0} rows of {Tables.BenchmarkWidth} float32");
        Console.WriteLine($"{Tables.BenchmarkShards} shards; in the three silos: {await three.ShardsBySiloAsync()}");
        Console.WriteLine($"look-ups per second, MB per second; the fastest of {turns} turns of {Turn.TotalSeconds:F0} s");
        Console.WriteLine();
        Console.WriteLine($"| batch | callers | {string.Join(" | ", ways.Keys)} | 1 silo / Redis | 3 silos / Redis |");
        Console.WriteLine($"| --- | --- |{string.Concat(Enumerable.Repeat(" --- |", ways.Count + 2))}");
        foreach (int callers in new[] { 1, 8 })
        {
            foreach (int batch in new[] { 1, 256, 8192 })
            {
                Dictionary<string, double> best = ways.Keys.ToDictionary(way => way, _ => 0.0);
                for (int turn = 0; turn < turns; turn++)
                    foreach ((string way, Lookup lookup) in ways)
                        best[way] = Math.Max(best[way], await MeasureAsync(lookup, batch, callers));
                double bytes = batch * Tables.BenchmarkWidth * sizeof(float);
                string cells = string.Join(" | ", best.Values.Select(rate => $"{rate:N0}, {rate * bytes / 1e6:N1}"));
                (double inOneSilo, double inThreeSilos) = (best["1 silo"] / best["Redis"], best["3 silos"] / best["Redis"]);
                Console.WriteLine($"| {batch:N0} | {callers} | {cells} | {inOneSilo:F2} | {inThreeSilos:F2} |");
            }
        }
        redis.Kill();
        return 0;
    }

    /// <summary>Calls for one turn.</summary>
    /// <returns>Calls per second, of all callers together.</returns>
    private static async Task<double> MeasureAsync(Lookup lookup, int batch, int callers)
    {
        var watch = Stopwatch.StartNew();
        long[] counts = await Task.WhenAll(Enumerable.Range(0, callers).Select(caller => Task.Run(async () =>
        {
            var random = new Random(caller);
            long[][] batches = [.. Enumerable.Range(0, 16).Select(_ => Rows(random, batch))];
            var destination = new float[batch * Tables.BenchmarkWidth];
            long count = 0;
            for (; watch.Elapsed < Turn; count++) await lookup(batches[count % batches.Length], destination);
            return count;
        })));
        return counts.Sum() / watch.Elapsed.TotalSeconds;
    }

    /// <summary>All of them must give the same rows.</summary>
    private static async Task CompareAsync(Dictionary<string, Lookup> ways)
    {
        long[] rows = Rows(new Random(0), 1000);
        var expected = new float[rows.Length * Tables.BenchmarkWidth];
        await ways["local"](rows, expected);
        foreach ((string way, Lookup lookup) in ways)
        {
            var given = new float[expected.Length];
            await lookup(rows, given);
            if (!given.AsSpan().SequenceEqual(expected)) throw new InvalidOperationException($"{way} gives other rows.");
        }
    }

    private static long[] Rows(Random random, int count) =>
        [.. Enumerable.Range(0, count).Select(_ => random.NextInt64(Tables.BenchmarkRows))];

    private static async Task MGetAsync(IDatabase database, long[] rows, float[] destination)
    {
        RedisValue[] values = await database.StringGetAsync([.. rows.Select(Key)]);
        for (int i = 0; i < values.Length; i++)
            ((ReadOnlyMemory<byte>)values[i]).Span.CopyTo(MemoryMarshal.AsBytes(destination.AsSpan(i * Tables.BenchmarkWidth)));
    }

    private static async Task FillAsync(IDatabase database, Embedding table)
    {
        var row = new float[Tables.BenchmarkWidth];
        List<Task> writes = [];
        for (long i = 0; i < Tables.BenchmarkRows; i++)
        {
            table.Lookup<float>([i], row);
            writes.Add(database.StringSetAsync(Key(i), MemoryMarshal.AsBytes<float>(row).ToArray()));
            if (writes.Count < 1000) continue;
            await Task.WhenAll(writes);
            writes.Clear();
        }
        await Task.WhenAll(writes);
    }

    /// <summary>A key of eight bytes.</summary>
    private static RedisKey Key(long row) => BitConverter.GetBytes(row);
}
