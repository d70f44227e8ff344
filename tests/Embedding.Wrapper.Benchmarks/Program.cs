using System.Globalization;
using BenchmarkDotNet.Running;
using EmbeddingWrapper.Benchmarks;

// Without arguments, or with a number of turns, this prints the tables of the README: PyTorch and this library side by side.
// PYTHON names the interpreter that has PyTorch; the default is python3. Similar words and loading also use its numpy, gensim and safetensors.
// With "micro" and further arguments, this runs BenchmarkDotNet.
if (args is ["micro", ..])
{
    BenchmarkSwitcher.FromAssembly(typeof(MicroBenchmarks).Assembly).Run(args[1..]);
    return 0;
}
int turns = 3;
if (args.Length > 1 || (args.Length == 1 && !int.TryParse(args[0], out turns)))
{
    Console.Error.WriteLine("usage: Embedding.Wrapper.Benchmarks [TURNS | micro ...]");
    return 2;
}
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;

using var sideBySide = new SideBySide(Environment.GetEnvironmentVariable("PYTHON") ?? "python3");
Console.WriteLine($"PyTorch {sideBySide.PyTorch}, libtorch {TorchSharp.torch.__version__}, {Environment.ProcessorCount} processors; "
    + $"microseconds, the fastest of {turns} turns");
foreach (int threads in new[] { 1, Environment.ProcessorCount }.Distinct())
{
    Console.WriteLine($"\nLook-ups, {threads} thread(s)\n");
    Console.WriteLine("| rows, width, batch | PyTorch module | PyTorch `out=` | TorchSharp module | "
        + "`forward` | PyTorch / `forward` | `Lookup` | PyTorch / `Lookup` | a plain copy, one thread |");
    Console.WriteLine("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    foreach (var (rows, width, batch, rounds) in new (long, long, long, int)[]
        { (1000, 64, 1, 200), (1000, 64, 32, 200), (30_000, 768, 512, 20), (1_000_000, 128, 8192, 10), (1_000_000, 64, 65_536, 3), (4_000_000, 128, 65_536, 3) })
    {
        var (theirs, ours) = sideBySide.Run(new LookupCase(rows, width, batch, rounds, threads), turns);
        Console.WriteLine($"| {rows:N0}, {width}, {batch:N0} | {theirs["module"]:F2} | {theirs["out"]:F2} | {ours["torchsharp"]:F2} | {ours["forward"]:F2} | "
            + $"{theirs["module"] / ours["forward"]:F2} | {ours["lookup"]:F3} | {theirs["module"] / ours["lookup"]:F1} | {ours["limit"]:F3} |");
    }

    Console.WriteLine($"\nTraining rounds on a sparse gradient (the step alone), {threads} thread(s)\n");
    Console.WriteLine("| rows, width, batch | optimizer | PyTorch | here | PyTorch / here |");
    Console.WriteLine("| --- | --- | --- | --- | --- |");
    foreach (var (rows, width, batch, rounds) in new (long, long, long, int)[]
        { (10_000, 64, 256, 300), (10_000, 64, 4096, 40), (1_000_000, 64, 4096, 40), (1_000_000, 128, 8192, 20) })
    {
        foreach (string optimizer in new[] { "SGD", "Adagrad", "SparseAdam" })
        {
            var (theirs, ours) = sideBySide.Run(new StepCase(optimizer, rows, width, batch, rounds, threads), turns);
            Console.WriteLine($"| {rows:N0}, {width}, {batch:N0} | {optimizer} | {theirs["round"]:F0} ({theirs["step"]:F0}) | "
                + $"{ours["round"]:F0} ({ours["step"]:F0}) | {theirs["round"] / ours["round"]:F1} ({theirs["step"] / ours["step"]:F1}) |");
        }
    }
}

Console.WriteLine("\nThe ten most similar words; milliseconds\n");
Console.WriteLine("| words, width, threads | gensim | `MostSimilar` | gensim / here |");
Console.WriteLine("| --- | --- | --- | --- |");
foreach (int threads in new[] { 1, Environment.ProcessorCount }.Distinct())
{
    foreach (var (rows, width) in new (long, long)[] { (20_000, 100), (341_479, 100), (341_479, 300) })
    {
        var (theirs, ours) = sideBySide.Run(new NeighborCase(rows, width, 40, threads), turns);
        double gensim = theirs.GetValueOrDefault("gensim", double.NaN);
        Console.WriteLine($"| {rows:N0}, {width}, {threads} | {gensim / 1000:F2} | {ours["here"] / 1000:F2} | {gensim / ours["here"]:F1} |");
    }
}

Console.WriteLine($"\nLoading, {Environment.ProcessorCount} thread(s); milliseconds\n");
Console.WriteLine("| file | here | numpy.loadtxt | gensim | safetensors |");
Console.WriteLine("| --- | --- | --- | --- | --- |");
DirectoryInfo folder = Directory.CreateTempSubdirectory("embedding-wrapper-");
try
{
    foreach (LoadCase work in LoadCase.WriteFiles(folder.FullName, Environment.ProcessorCount))
    {
        var (theirs, ours) = sideBySide.Run(work, turns);
        Console.WriteLine($"| {work.Format}, {new FileInfo(work.Path).Length / 1e6:F0} MB | {ours["load"] / 1000:F1} | "
            + string.Join(" | ", new[] { "loadtxt", "gensim", "safetensors" }
                .Select(name => theirs.TryGetValue(name, out double time) ? $"{time / 1000:F1}" : "")) + " |");
    }
}
finally
{
    folder.Delete(recursive: true);
}
return 0;
