using System.Globalization;

namespace EmbeddingWrapper.Orleans.Sample;

/// <summary>How rows that follow Zipf's law load contiguous ranges: docs/MANY-MACHINES.md shows the output.</summary>
internal static class Skew
{
    private const int Rows = 1_000_000, Batches = 100, BatchSize = 8192, Shards = 12;

    /// <summary>The lines of a table in Markdown.</summary>
    public static IEnumerable<string> Lines()
    {
        yield return "| exponent | distinct rows | by frequency: entries | by frequency: distinct rows "
            + "| shuffled: entries | shuffled: distinct rows |";
        yield return "| --- | --- | --- | --- | --- | --- |";
        int[] shuffled = [.. Enumerable.Range(0, Rows)];
        new Random(0).Shuffle(shuffled);
        foreach (double exponent in new[] { 0.0, 0.6, 0.8, 1.0, 1.2 })
        {
            double[] sums = Sums(exponent);
            var random = new Random(1);
            double distinct = 0;
            var busiest = new double[4];
            for (int batch = 0; batch < Batches; batch++)
            {
                int[] rows = [.. Enumerable.Range(0, BatchSize).Select(_ => Draw(sums, random))];
                int[] once = [.. rows.Distinct()];
                distinct += once.Length / (double)BatchSize / Batches;
                int[][] asked = [rows, once, [.. rows.Select(row => shuffled[row])], [.. once.Select(row => shuffled[row])]];
                for (int i = 0; i < asked.Length; i++) busiest[i] += Busiest(asked[i]) / Batches;
            }
            yield return string.Create(CultureInfo.InvariantCulture,
                $"| {exponent:F1} | {100 * distinct:F0}% | {busiest[0]:F2} | {busiest[1]:F2} | {busiest[2]:F2} | {busiest[3]:F2} |");
        }
    }

    /// <summary>The rows of the busiest shard, divided by the mean.</summary>
    private static double Busiest(int[] rows) =>
        rows.CountBy(row => (long)row * Shards / Rows).Max(shard => shard.Value) / (rows.Length / (double)Shards);

    /// <summary>The sums of the frequencies: row r has 1 / (r + 1)^exponent.</summary>
    private static double[] Sums(double exponent)
    {
        var sums = new double[Rows];
        double sum = 0;
        for (int row = 0; row < Rows; row++) sums[row] = sum += Math.Pow(row + 1, -exponent);
        return sums;
    }

    private static int Draw(double[] sums, Random random)
    {
        int found = Array.BinarySearch(sums, random.NextDouble() * sums[^1]);
        return Math.Min(found < 0 ? ~found : found, Rows - 1);
    }
}
