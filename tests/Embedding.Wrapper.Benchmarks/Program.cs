using System.Globalization;
using BenchmarkDotNet.Running;
using EmbeddingWrapper.Benchmarks;

// [TURNS [TABLE...]]   measures the tables of docs/PERFORMANCE.md and writes them there: PyTorch, TorchSharp and this library side by side.
//                      PYTHON names the interpreter that has PyTorch (default: python3). Similar words and loading also use its numpy, gensim
//                      and safetensors.
// micro ...            runs BenchmarkDotNet with the remaining arguments
// busy                 keeps a processor busy: see BusyProcess
if (args is ["busy"]) return BusyProcess.Run();
if (args is ["micro", ..])
{
    BenchmarkSwitcher.FromAssembly(typeof(MicroBenchmarks).Assembly).Run(args[1..]);
    return 0;
}
int turns = 4;
string[] names = args.Length > 1 ? args[1..] : [.. Table.All.Select(table => table.Name)];
if ((args.Length > 0 && !int.TryParse(args[0], out turns)) || names.Any(name => Table.All.All(table => table.Name != name)))
{
    Console.Error.WriteLine("usage: Embedding.Wrapper.Benchmarks [TURNS [TABLE...] | micro ...]");
    Console.Error.WriteLine($"tables: {string.Join(", ", Table.All.Select(table => $"\"{table.Name}\""))}");
    return 2;
}
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;

using var sideBySide = new SideBySide(Environment.GetEnvironmentVariable("PYTHON") ?? "python3", turns);
foreach (Table table in Table.All.Where(table => names.Contains(table.Name)))
{
    Console.WriteLine($"\n{table.Name}\n");
    List<string> lines = [];
    foreach (string line in table.Measure(sideBySide))
    {
        Console.WriteLine(line);
        lines.Add(line);
    }
    Page.Replace(table.Name, lines);
}
return 0;
