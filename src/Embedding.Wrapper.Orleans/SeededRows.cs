using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Orleans;

/// <summary>A range of the rows that <c>new Embedding(rows, width)</c> draws after <c>torch.manual_seed(seed)</c>.</summary>
internal static class SeededRows
{
    /// <summary>
    /// libtorch makes normal numbers in blocks of 16, each from the next 16 numbers of the generator. If 16 does not divide the size of the
    /// tensor, it draws the last 16 anew. (Below 16 numbers it has another method.)
    /// </summary>
    private const int Block = 16;

    /// <param name="start">The first row.</param>
    /// <param name="count">How many rows are kept.</param>
    /// <param name="ranges">The rows of the table.</param>
    /// <param name="width">Their length.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="chunk">How many numbers are drawn at once; a multiple of 16.</param>
    /// <returns><c>[count, width]</c>. The caller disposes it.</returns>
    public static Tensor Draw(long start, long count, ShardRanges ranges, int width, long seed, long chunk = 1 << 20)
    {
        long total = checked(ranges.Rows * width), first = start * width, end = (start + count) * width;
        using var grad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        using var generator = new Generator((ulong)seed, CPU);
        Tensor rows = empty([count, width], float32, CPU), flat = rows.view(-1);
        long length;
        for (long at = 0; at < end; at += length)
        {
            // The last part holds the last 16 numbers, so it is drawn as the end of the whole table is.
            length = total - at < chunk + Block ? total - at : chunk;
            using Tensor part = empty([length], float32, CPU);
            part.normal_(0, 1, generator);
            (long from, long to) = (Math.Max(at, first), Math.Min(at + length, end));
            if (from >= to) continue;
            using Tensor kept = flat.narrow(0, from - first, to - from), drawn = part.narrow(0, from - at, to - from);
            kept.copy_(drawn).Dispose();
        }
        return rows.MoveToOuterDisposeScope();
    }
}
