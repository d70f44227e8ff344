using System.Diagnostics;
using System.Runtime.InteropServices;
using EmbeddingWrapper.Optim;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Orleans.Sample;

/// <summary>
/// Trains each optimizer three times with the same batches: in one local table, on three silo processes, and on three silo processes
/// of which one is killed in the middle. Redis keeps the list of silos. All three must end with the same bits.
/// </summary>
internal static class KillProof
{
    private const int BatchSize = 64;
    private const string Undisturbed = "undisturbed", Disturbed = "disturbed";

    public static readonly string[] Runs = [Undisturbed, Disturbed];

    public static async Task<int> RunAsync(int steps)
    {
        using Process? redis = LocalCluster.StartRedis(out int port);
        if (redis is null) return 0;
        try
        {
            return await RunAsync(steps, port);
        }
        finally
        {
            redis.Kill();
        }
    }

    public static string Name(string optimizer, string run) => $"{optimizer}, {run}";

    private static async Task<int> RunAsync(int steps, int redis)
    {
        await using LocalCluster cluster = await LocalCluster.StartAsync(silos: 3, redis);
        var rows = new Dictionary<string, float[]>();
        foreach (ShardedEmbedding table in await OpenAsync(Undisturbed))
        {
            await TrainAsync(table, steps);
            rows[table.Name] = await RowsAsync(table);
        }

        ShardedEmbedding[] disturbed = await OpenAsync(Disturbed);
        Console.WriteLine($"shards in each silo: {await cluster.ShardsBySiloAsync()}");
        foreach (ShardedEmbedding table in disturbed)
        {
            await TrainAsync(table, steps / 3);
            await table.SaveAsync();
            await TrainAsync(table, steps / 2);
        }
        Task<int> kill = cluster.KillOneAsync();
        int lost = 0;
        foreach (ShardedEmbedding table in disturbed)
        {
            while (table.Step < steps)
            {
                try
                {
                    await TrainAsync(table, steps);
                }
                catch (ShardLostException error)
                {
                    Console.WriteLine(error.Message);
                    lost++;
                    await table.RestoreAsync();
                    Console.WriteLine($"Table '{table.Name}': restored to step {table.Step}.");
                }
            }
        }
        Console.WriteLine($"{steps} steps; a silo with {await kill} shards was killed, and {lost} error(s) said so");
        foreach (ShardedEmbedding table in disturbed) rows[table.Name] = await RowsAsync(table);

        bool same = true;
        foreach ((string optimizer, string run) in Tables.Optimizers.Keys.SelectMany(optimizer => Runs.Select(run => (optimizer, run))))
        {
            float[] local = TrainLocally(optimizer, steps);
            bool equal = MemoryMarshal.AsBytes<float>(rows[Name(optimizer, run)]).SequenceEqual(MemoryMarshal.AsBytes<float>(local));
            Console.WriteLine($"{Name(optimizer, run)}: {(equal ? "the bits of one table" : "OTHER BITS")}");
            same &= equal;
        }
        return same && lost >= disturbed.Length ? 0 : 1;

        async Task<ShardedEmbedding[]> OpenAsync(string run) => await Task.WhenAll(
            Tables.Optimizers.Keys.Select(optimizer => ShardedEmbedding.OpenAsync(cluster.Client, Name(optimizer, run))));
    }

    private static async Task TrainAsync(ShardedEmbedding table, int steps)
    {
        while (table.Step < steps)
        {
            int step = (int)table.Step;
            using EmbeddingBatch batch = await table.PullAsync(Rows(table.Name, step));
            Backward(batch.Embedding, batch.Indices, step);
            await table.PushAsync(batch);
        }
    }

    private static float[] TrainLocally(string optimizer, int steps)
    {
        manual_seed(3);
        using var table = new Embedding(Tables.ProofRows, Tables.ProofWidth, sparse: true);
        using SparseOptimizer trained = Tables.Optimizers[optimizer]([table.Weight]);
        for (int step = 0; step < steps; step++)
        {
            using Tensor indices = tensor(Rows(optimizer, step));
            trained.zero_grad();
            Backward(table, indices, step);
            trained.step();
        }
        return table.Weight.data<float>().ToArray();
    }

    /// <summary>A gradient that hangs on the rows, so that a wrong row would show at the end.</summary>
    private static void Backward(Embedding table, Tensor indices, int step)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = table.call(indices);
        float[] upstream = rows.data<float>().ToArray();
        for (int i = 0; i < upstream.Length; i++) upstream[i] = (upstream[i] * 0.5f) + (((i + step) % 11 - 5) / 8f);
        rows.backward([tensor(upstream, rows.shape)]);
    }

    /// <summary>Rows in any order, with repetitions. PushAsync says why momentum has sorted ones.</summary>
    private static long[] Rows(string optimizer, int step)
    {
        var random = new Random(step);
        long[] rows = [.. Enumerable.Range(0, BatchSize).Select(_ => (long)random.Next(Tables.ProofRows))];
        return optimizer.Contains("momentum", StringComparison.Ordinal) ? [.. rows.Distinct().Order()] : rows;
    }

    private static async Task<float[]> RowsAsync(ShardedEmbedding table)
    {
        var rows = new float[table.NumEmbeddings * table.EmbeddingDim];
        await table.LookupAsync(Enumerable.Range(0, (int)table.NumEmbeddings).Select(row => (long)row).ToArray(), rows);
        return rows;
    }
}
