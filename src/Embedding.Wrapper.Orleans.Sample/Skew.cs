namespace EmbeddingWrapper.Orleans.Sample;

/// <summary>How rows that follow Zipf's law load contiguous ranges: docs/MANY-MACHINES.md shows the output.</summary>
internal static class Skew
{
    private const int Rows = 1_000_000, Batches = 200, BatchSize = 8192, Shards = 12;

    public static void Run()
    {
        Console.WriteLine($"{Rows:N0} rows in {Shards} shards, {Batches} batches of {BatchSize:N0}; a batch has each row once after PullAsync.");
        Console.WriteLine("Load is that of the busiest shard, divided by the mean.");
        Console.WriteLine();
        Console.WriteLine("| exponent | rows by frequency: entries | distinct rows | rows shuffled: entries | distinct rows | distinct of a batch |");
        Console.WriteLine("| --- | --- | --- | --- | --- | --- |");
        foreach (double exponent in new[] { 0.0, 0.6, 0.8, 1.0, 1.2 })
        {
            double[] sums = Sums(exponent);
            var random = new Random(1);
            int[] shuffled = [.. Enumerable.Range(0, Rows)];
            random.Shuffle(shuffled);
            var loads = new long[4][];
            for (int i = 0; i < loads.Length; i++) loads[i] = new long[Shards];
            long distinct = 0;
            for (int batch = 0; batch < Batches; batch++)
            {
                int[] rows = [.. Enumerable.Range(0, BatchSize).Select(_ => Draw(sums, random))];
                int[] once = [.. rows.Distinct()];
                distinct += once.Length;
                foreach (int row in rows) (loads[0][Shard(row)], loads[2][Shard(shuffled[row])]) = (loads[0][Shard(row)] + 1, loads[2][Shard(shuffled[row])] + 1);
                foreach (int row in once) (loads[1][Shard(row)], loads[3][Shard(shuffled[row])]) = (loads[1][Shard(row)] + 1, loads[3][Shard(shuffled[row])] + 1);
            }
            string cells = string.Join(" | ", loads.Select(load => $"{load.Max() / load.Average():F2}"));
            Console.WriteLine($"| {exponent:F1} | {cells} | {100.0 * distinct / (Batches * (double)BatchSize):F0}% |");
        }
    }

    private static int Shard(int row) => (int)((long)row * Shards / Rows);

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
