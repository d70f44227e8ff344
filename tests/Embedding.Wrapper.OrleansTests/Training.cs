using System.Runtime.InteropServices;
using System.Security.Cryptography;
using EmbeddingWrapper.Orleans;
using EmbeddingWrapper.Pretrained;

namespace EmbeddingWrapper.OrleansTests;

/// <summary>The training of parity-scripts/checks/sharded.py, on a sharded table.</summary>
internal static class Training
{
    /// <summary>Pulls the batch of the step that the table is at, and computes its gradient.</summary>
    public static async Task<EmbeddingBatch> PullAsync(ShardedEmbedding table)
    {
        int step = (int)table.Step;
        EmbeddingBatch batch = await table.PullAsync(Golden.Batches[step]);
        using Tensor rows = batch.Embedding.call(batch.Indices);
        using Tensor upstream = tensor(Upstream(MemoryMarshal.Cast<byte, float>(rows.bytes), step), rows.shape);
        rows.backward([upstream]);
        return batch;
    }

    /// <summary>Trains on to a step.</summary>
    public static async Task TrainAsync(ShardedEmbedding table, int steps)
    {
        while (table.Step < steps)
        {
            using EmbeddingBatch batch = await PullAsync(table);
            await table.PushAsync(batch);
        }
    }

    /// <summary>The hash of all rows, as the script has it.</summary>
    public static async Task<string> HashAsync(ShardedEmbedding table) =>
        Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes<float>(await RowsAsync(table))))[..16];

    public static async Task<float[]> RowsAsync(ShardedEmbedding table)
    {
        var rows = new float[table.NumEmbeddings * table.EmbeddingDim];
        await table.LookupAsync(Enumerable.Range(0, (int)table.NumEmbeddings).Select(row => (long)row).ToArray(), rows);
        return rows;
    }

    /// <summary>The tensors of a checkpoint, each put together of its parts, as bytes.</summary>
    public static Dictionary<string, byte[]> ReadCheckpoint(string folder)
    {
        using SafeTensorsFile file = SafeTensorsFile.Open(Path.Combine(folder, "model.safetensors.index.json"));
        return file.Names.Select(name => name[..name.LastIndexOf('.')]).Distinct().ToDictionary(name => name, name =>
        {
            var bytes = new List<byte>();
            for (int part = 0; file.Names.Contains($"{name}.{part}"); part++)
            {
                using Tensor tensor = file.Read($"{name}.{part}");
                if (tensor.numel() > 0) bytes.AddRange(tensor.bytes);
            }
            return bytes.ToArray();
        });
    }

    /// <summary>Half the row and a pattern. Each operation rounds once, as in the script.</summary>
    private static float[] Upstream(ReadOnlySpan<float> rows, int step)
    {
        var upstream = new float[rows.Length];
        for (int k = 0; k < rows.Length; k++)
        {
            (int i, int j) = Math.DivRem(k, Golden.Width);
            upstream[k] = (rows[k] * 0.5f) + ((((7 * i) + (3 * j) + (5 * step)) % 11 - 5) / 8f);
        }
        return upstream;
    }
}
