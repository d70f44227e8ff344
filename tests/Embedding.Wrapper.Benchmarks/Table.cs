using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Benchmarks;

/// <summary>A table of docs/PERFORMANCE.md.</summary>
/// <param name="Name">The name in the comment that marks its place.</param>
/// <param name="Columns">The line of column names.</param>
/// <param name="Rows">Measures the rows.</param>
internal sealed record Table(string Name, string Columns, Func<SideBySide, IEnumerable<string>> Rows)
{
    private static readonly int AllThreads = Environment.ProcessorCount;

    private const string LookupColumns = "| rows, width, batch | rows asked for | PyTorch module | PyTorch `out=` | TorchSharp module | `forward` "
        + "| `Lookup` into a span | limit | PyTorch / `forward` | `out=` / `Lookup` | PyTorch / `Lookup` | goal |";

    private const string BagColumns = "| rows, width, bags, rows of a bag | rows asked for | `F.embedding_bag` | `F.embedding` and `sum` | TorchSharp module "
        + "| `forward` | `Lookup` into a span | PyTorch / `forward` | PyTorch / `Lookup` | goal |";

    private const string RoundColumns =
        "| rows, width, batch | optimizer | PyTorch | TorchSharp | here | limit of the step | PyTorch / here | goal |";

    /// <summary>The tables in the order of the page.</summary>
    public static IReadOnlyList<Table> All { get; } =
    [
        new("machine", "| | |", Machine),
        new("look-ups, one thread", LookupColumns, side => Lookups(side, 1)),
        new("look-ups, all threads", LookupColumns, side => Lookups(side, AllThreads)),
        new("bags, one thread", BagColumns, side => Bags(side, 1)),
        new("bags, all threads", BagColumns, side => Bags(side, AllThreads)),
        new("rounds, one thread", RoundColumns, side => Rounds(side, 1)),
        new("rounds, all threads", RoundColumns, side => Rounds(side, AllThreads)),
        new("parts of a round", "| part | PyTorch | here |", Parts),
        new("similar words", "| words, width | threads | gensim | `MostSimilar` | limit, one thread | gensim / here | goal |", SimilarWords),
        new("loading", "| file | here | numpy, line by line | numpy.loadtxt | gensim | safetensors |", Loading),
    ];

    /// <summary>The lines of the table. Each row is measured when it is asked for.</summary>
    public IEnumerable<string> Measure(SideBySide sideBySide)
    {
        yield return Columns;
        yield return string.Concat(Enumerable.Repeat("| --- ", Columns.Count(c => c == '|') - 1)) + "|";
        foreach (string row in Rows(sideBySide)) yield return row;
    }

    private static IEnumerable<string> Machine(SideBySide side)
    {
        yield return Row("processor", $"{Processor()}, {AllThreads} of its cores, {RuntimeInformation.OSArchitecture}");
        yield return Row("system", $"{RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}");
        yield return Row("libraries here", $"TorchSharp {typeof(TorchSharp.torch).Assembly.GetName().Version!.ToString(3)}, libtorch {__version__}");
        yield return Row("Python", side.Versions);
        yield return Row("turns", side.Turns.ToString());
    }

    private static IEnumerable<string> Lookups(SideBySide side, int threads)
    {
        foreach (var (rows, width, batch, rounds) in new (long, long, long, int)[]
            { (1000, 64, 1, 20), (1000, 64, 32, 20), (30_000, 768, 512, 20), (1_000_000, 128, 8192, 20), (1_000_000, 64, 65_536, 10), (4_000_000, 128, 65_536, 5) })
        {
            var (theirs, ours) = side.Run(new LookupCase(rows, width, batch, rounds, threads));
            foreach (string mode in new[] { "fresh", "repeated" })
            {
                (double module, double into, double forward, double lookup) =
                    (theirs[$"{mode} module"], theirs[$"{mode} out"], ours[$"{mode} forward"], ours[$"{mode} lookup"]);
                double limit = Math.Min(ours[$"{mode} limit"], ours[$"{mode} limit, memmove"]);
                yield return Row($"{rows:N0}, {width}, {batch:N0}", mode, Text(module), Text(into), Text(ours[$"{mode} torchsharp"]), Text(forward),
                    Text(lookup), Text(limit), Ratio(module, forward), Ratio(into, lookup), Ratio(module, lookup),
                    Goal(module / lookup, threads > 1 || mode == "repeated" ? 1 : rows >= 4_000_000 ? 3.7 : batch is 512 or 8192 ? 1.15 : 1));
            }
        }
    }

    private static IEnumerable<string> Bags(SideBySide side, int threads)
    {
        foreach (BagCase bags in BagCase.All(threads))
        {
            var (theirs, ours) = side.Run(bags);
            foreach (string mode in new[] { "fresh", "repeated" })
            {
                (double function, double forward, double lookup) = (theirs[$"{mode} function"], ours[$"{mode} forward"], ours[$"{mode} lookup"]);
                yield return Row($"{bags.Rows:N0}, {bags.Width}, {bags.Bags:N0}, {bags.Length}", mode, Text(function), Text(theirs[$"{mode} chain"]),
                    Text(ours[$"{mode} torchsharp"]), Text(forward), Text(lookup), Ratio(function, forward), Ratio(function, lookup),
                    Goal(function / lookup, bags.Bags == 1 && bags.Length == 10 ? 20 : 1));
            }
        }
    }

    private static IEnumerable<string> Rounds(SideBySide side, int threads)
    {
        foreach (var (rows, width, batch, rounds) in new (long, long, long, int)[]
            { (10_000, 64, 256, 2000), (10_000, 64, 4096, 100), (1_000_000, 64, 4096, 60), (1_000_000, 128, 8192, 20) })
        {
            foreach (string optimizer in new[] { "SGD", "Adagrad", "SparseAdam" })
            {
                var (theirs, ours) = side.Run(new StepCase(optimizer, rows, width, batch, rounds, threads));
                double round = theirs["round"] / ours["round"], step = theirs["step"] / ours["step"];
                double wanted = (optimizer, rows, threads) switch
                {
                    ("SGD", _, 1) => batch == 4096 && rows == 10_000 ? 1 : 1.4,
                    ("SparseAdam", _, 1) when batch == 256 || rows == 1_000_000 => 4,
                    ("Adagrad", 1_000_000, 1) => 4,
                    _ => 1,
                };
                string goal = Goal(round, wanted) + (wanted == 1.4 ? $" ({Goal(step, 3)})" : "");
                string torchSharp = ours.ContainsKey("torchsharp round") ? Both(ours, "torchsharp ") : "";
                yield return Row($"{rows:N0}, {width}, {batch:N0}", optimizer, Both(theirs, ""), torchSharp, Both(ours, ""), Text(ours["limit"]),
                    $"{Number(round)} ({Number(step)})", goal);
            }
        }

        static string Both(Dictionary<string, double> times, string whose) => $"{Text(times[whose + "round"])} ({Text(times[whose + "step"])})";
    }

    private static IEnumerable<string> Parts(SideBySide side)
    {
        var (theirs, ours) = side.Run(new StepCase("SparseAdam", 10_000, 64, 256, 2000, 1));
        foreach (string part in new[] { "zero_grad", "forward", "backward", "step", "round" })
            yield return Row($"`{part}`", Text(theirs[part]), Text(ours[part]));
        yield return Row("`coalesce` by itself, as the step calls it", Text(theirs["coalesce"]), Text(ours["coalesce"]));
        yield return Row("the limit of the step", "", Text(ours["limit"]));
    }

    private static IEnumerable<string> SimilarWords(SideBySide side)
    {
        foreach (bool busy in new[] { false, true })
        {
            foreach (int threads in new[] { 1, AllThreads }.Distinct())
            {
                foreach (var (rows, width) in new (long, long)[] { (20_000, 100), (341_479, 100), (341_479, 300) })
                {
                    if (busy && (rows, width) != (341_479, 100)) continue;
                    using BusyProcess? other = busy ? new() : null;
                    var (theirs, ours) = side.Run(new NeighborCase(rows, width, 40, threads));
                    string which = busy ? "median" : "fastest"; // the fastest would be a moment in which the other process waits
                    double gensim = theirs.GetValueOrDefault(which, double.NaN);
                    yield return Row($"{rows:N0}, {width}", busy ? $"{threads}, beside a busy process" : $"{threads}", Milliseconds(gensim),
                        Milliseconds(ours[which]), Milliseconds(ours["limit"]), Ratio(gensim, ours[which]),
                        Goal(gensim / ours[which], rows > 20_000 && width == 100 ? 1.5 : 1));
                }
            }
        }
    }

    private static IEnumerable<string> Loading(SideBySide side)
    {
        string folder = Directory.CreateTempSubdirectory("embedding-wrapper-").FullName;
        try
        {
            foreach (LoadCase file in LoadCase.WriteFiles(folder, AllThreads))
            {
                var (theirs, ours) = side.Run(file);
                string[] others = ["numpy", "loadtxt", "gensim", "safetensors"];
                yield return Row([$"{file.Format}, {new FileInfo(file.Path).Length / 1e6:N0} MB", Milliseconds(ours["load"]),
                    .. others.Select(name => theirs.TryGetValue(name, out double time) ? Milliseconds(time) : "")]);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string Processor() => !File.Exists("/proc/cpuinfo") ? RuntimeInformation.ProcessArchitecture.ToString()
        : File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name"))?.Split(':')[1].Trim() ?? "unknown";

    private static string Row(params string[] cells) => $"| {string.Join(" | ", cells)} |";

    private static string Text(double time) => time.ToString(time < 1 ? "F3" : time < 10 ? "F2" : time < 100 ? "F1" : "N0");

    private static string Milliseconds(double microseconds) => double.IsNaN(microseconds) ? "" : Text(microseconds / 1000);

    private static string Ratio(double theirs, double ours) => Number(theirs / ours);

    private static string Number(double ratio) => double.IsNaN(ratio) ? "" : ratio.ToString(ratio < 10 ? "F2" : "F1");

    private static string Goal(double reached, double wanted) =>
        double.IsNaN(reached) ? "" : $"≥ {wanted}{(reached < wanted ? ", missed" : "")}";
}
