using System.Numerics;
using System.Runtime.Intrinsics.X86;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Benchmarks;

/// <summary>Looks rows up: see <see cref="RandomRows"/>.</summary>
internal sealed record LookupCase(long Rows, long Width, long Batch, int Rounds, int Threads) : ICase
{
    public string Kind => "lookup";

    /// <summary>Microseconds: our forward and span Lookup, TorchSharp's module, and a plain loop that copies the rows.</summary>
    public Dictionary<string, double> Measure()
    {
        using var grad = no_grad();
        using var ours = new Embedding(Rows, Width);
        using Tensor weight = ours.Weight.detach();
        using var theirs = nn.Embedding_from_pretrained(weight);
        var rows = new float[Batch * Width];
        return RandomRows.Time(Rows, Batch, Rounds, new()
        {
            ["torchsharp"] = (_, input) => theirs.forward(input).Dispose(),
            ["forward"] = (_, input) => ours.forward(input).Dispose(),
            ["lookup"] = (batch, _) => ours.Lookup(batch.AsSpan(), rows.AsSpan()),
            ["limit"] = (batch, _) => CopyRows(weight, batch, rows, vectors: true),
            ["limit, memmove"] = (batch, _) => CopyRows(weight, batch, rows, vectors: false),
        });
    }

    /// <summary>
    /// The fastest that the memory allows one thread: no checks, each row is copied once. Either by vectors, with a prefetch, or by memmove.
    /// </summary>
    private unsafe void CopyRows(Tensor table, long[] indices, float[] rows, bool vectors)
    {
        fixed (byte* memory = table.bytes)
        fixed (float* target = rows)
        {
            var from = (float*)memory;
            for (int i = 0; i < indices.Length; i++)
            {
                float* row = from + (indices[i] * Width), to = target + (i * Width);
                if (!vectors)
                {
                    Buffer.MemoryCopy(row, to, Width * sizeof(float), Width * sizeof(float));
                    continue;
                }
                if (Sse.IsSupported && i + 8 < indices.Length) Sse.Prefetch0(from + (indices[i + 8] * Width));
                for (long j = 0; j < Width; j += 2 * Vector<float>.Count) // all widths here are multiples
                {
                    Vector<float> first = Vector.Load(row + j), second = Vector.Load(row + j + Vector<float>.Count);
                    first.Store(to + j);
                    second.Store(to + j + Vector<float>.Count);
                }
            }
        }
    }
}
