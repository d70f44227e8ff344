using System.Diagnostics;
using System.Text.Json;

namespace EmbeddingWrapper.Benchmarks;

/// <summary>A piece of work that PyTorch and this library both do.</summary>
internal interface ICase
{
    /// <summary>The name of the work in benchmark.py.</summary>
    string Kind { get; }

    /// <summary>The times of this library in microseconds, by name.</summary>
    Dictionary<string, double> Measure();
}

/// <summary>
/// PyTorch and this library take turns at the same work, each in a process of its own, and the fastest turn counts. A machine whose
/// speed drifts then favours neither of them.
/// </summary>
internal sealed class SideBySide : IDisposable
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    private readonly Process _python;

    public SideBySide(string interpreter)
    {
        string script = Path.Combine(RepositoryRoot(), "parity-scripts", "benchmark.py");
        _python = Process.Start(new ProcessStartInfo(interpreter, [script]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        PyTorch = Answer();
    }

    /// <summary>PyTorch's version.</summary>
    public string PyTorch { get; }

    public (Dictionary<string, double> Theirs, Dictionary<string, double> Ours) Run(ICase work, int turns)
    {
        Dictionary<string, double> theirs = [], ours = [];
        for (int turn = 0; turn < turns; turn++)
        {
            _python.StandardInput.WriteLine(JsonSerializer.Serialize(work, work.GetType(), Json));
            KeepFastest(theirs, JsonSerializer.Deserialize<Dictionary<string, double>>(Answer())!);
            KeepFastest(ours, work.Measure());
        }
        return (theirs, ours);
    }

    public void Dispose()
    {
        _python.StandardInput.Close();
        _python.WaitForExit();
        _python.Dispose();
    }

    private string Answer() =>
        _python.StandardOutput.ReadLine() ?? throw new InvalidOperationException("PYTHON must name an interpreter that has PyTorch.");

    private static void KeepFastest(Dictionary<string, double> best, Dictionary<string, double> turn)
    {
        foreach ((string name, double time) in turn) best[name] = Math.Min(time, best.GetValueOrDefault(name, double.MaxValue));
    }

    private static string RepositoryRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Embedding.Wrapper.sln"))) folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException("Run this from within the repository.");
    }
}
