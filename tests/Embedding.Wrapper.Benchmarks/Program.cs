using System.Diagnostics;
using System.Text.Json;
using EmbeddingWrapper.Benchmarks;

// PyTorch and this library do the same work in turns, each in a process of its own, and the table shows the fastest of each.
// PYTHON names the interpreter with PyTorch in it (default: python3). Arguments: the number of turns (default 3).
if (args.Length > 1 || (args.Length == 1 && !int.TryParse(args[0], out _)))
{
    Console.Error.WriteLine("usage: Embedding.Wrapper.Benchmarks [TURNS]");
    return 2;
}
int turns = args.Length == 1 ? int.Parse(args[0]) : 3;

(long Rows, long Width, long Batch, int Rounds)[] sizes = [(10_000, 64, 256, 300), (1_000_000, 64, 4096, 40), (1_000_000, 128, 8192, 20), (10_000, 64, 4096, 40)];
string[] optimizers = ["SGD", "Adagrad", "SparseAdam"];
JsonSerializerOptions json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

using Process python = StartPython();
if (python.StandardOutput.ReadLine() is not { } pytorch)
{
    Console.Error.WriteLine("PYTHON must name an interpreter that has PyTorch.");
    return 1;
}
Console.WriteLine($"PyTorch {pytorch}, libtorch {TorchSharp.torch.__version__}, one thread; microseconds a round (the step alone)");
Console.WriteLine("| rows, width, batch | optimizer | PyTorch | here | PyTorch / here |");
Console.WriteLine("| --- | --- | --- | --- | --- |");
foreach (var size in sizes)
{
    foreach (string optimizer in optimizers)
    {
        var work = new StepCase(optimizer, size.Rows, size.Width, size.Batch, size.Rounds, Threads: 1);
        Timing theirs = new(double.MaxValue, double.MaxValue), ours = theirs;
        for (int turn = 0; turn < turns; turn++)
        {
            python.StandardInput.WriteLine(JsonSerializer.Serialize(work, json));
            string answer = python.StandardOutput.ReadLine() ?? throw new InvalidOperationException("Python ended early.");
            theirs = Timing.Best(theirs, JsonSerializer.Deserialize<Timing>(answer, json));
            ours = Timing.Best(ours, work.Measure());
        }
        Console.WriteLine($"| {size.Rows:N0}, {size.Width}, {size.Batch:N0} | {optimizer} | {theirs.Round:F0} ({theirs.Step:F0}) | "
            + $"{ours.Round:F0} ({ours.Step:F0}) | {theirs.Round / ours.Round:F1} ({theirs.Step / ours.Step:F1}) |");
    }
}
return 0;

static Process StartPython()
{
    string script = Path.Combine(RepositoryRoot(), "parity-scripts", "benchmark.py");
    var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("PYTHON") ?? "python3", [script])
    {
        RedirectStandardInput = true,
        RedirectStandardOutput = true,
    };
    return Process.Start(start)!;
}

static string RepositoryRoot()
{
    DirectoryInfo? folder = new(AppContext.BaseDirectory);
    while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Embedding.Wrapper.sln"))) folder = folder.Parent;
    return folder?.FullName ?? throw new InvalidOperationException("Run this from within the repository.");
}
