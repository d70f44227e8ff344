using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Benchmarks;

/// <summary>Sums bags of <see cref="Length"/> rows: see <see cref="RandomRows"/>.</summary>
internal sealed record BagCase(long Rows, long Width, int Bags, int Length, int Rounds, int Threads) : ICase
{
    public string Kind => "bag";

    /// <summary>Bags of 1, 10 and 100 rows: one small one, and many in a table that no cache holds.</summary>
    public static IEnumerable<BagCase> All(int threads) =>
    [
        .. new[] { 1, 10, 100 }.Select(length => new BagCase(1000, 64, 1, length, 20, threads)),
        new(1_000_000, 128, 4096, 1, 10, threads), new(1_000_000, 128, 4096, 10, 5, threads), new(1_000_000, 128, 512, 100, 5, threads),
    ];

    /// <summary>Microseconds: our forward and span Lookup, and TorchSharp's module.</summary>
    public Dictionary<string, double> Measure()
    {
        using var grad = no_grad();
        using Tensor weight = randn(Rows, Width);
        using var ours = EmbeddingBag.FromPretrained(weight, mode: EmbeddingBagMode.Sum);
        using var theirs = nn.EmbeddingBag_from_pretrained(weight, mode: EmbeddingBagMode.Sum);
        long[] offsets = [.. Enumerable.Range(0, Bags).Select(bag => (long)bag * Length)];
        using Tensor starts = tensor(offsets);
        var sums = new float[Bags * Width];
        return RandomRows.Time(Rows, Bags * Length, Rounds, new()
        {
            ["forward"] = (_, input) => ours.forward(input, starts).Dispose(),
            ["torchsharp"] = (_, input) => theirs.forward(input, starts, null).Dispose(),
            ["lookup"] = (batch, _) => ours.Lookup(batch.AsSpan(), offsets.AsSpan(), sums.AsSpan()),
        });
    }
}
