using System.Diagnostics;
using System.Text.Json;

namespace EmbeddingWrapper.Benchmarks;

/// <summary>A piece of work that PyTorch and this library both do.</summary>
internal interface ICase
{
    /// <summary>The name of the work in benchmark.py.</summary>
    string Kind { get; }

    /// <summary>How many threads both may use.</summary>
    int Threads { get; }

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

    public SideBySide(string interpreter, int turns)
    {
        string script = Path.Combine(Page.Repository, "parity-scripts", "benchmark.py");
        _python = Process.Start(new ProcessStartInfo(interpreter, [script]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        Versions = Answer();
        Turns = turns;
    }

    /// <summary>The versions of PyTorch and of the Python libraries.</summary>
    public string Versions { get; }

    public int Turns { get; }

    public (Dictionary<string, double> Theirs, Dictionary<string, double> Ours) Run(ICase work)
    {
        Dictionary<string, double> theirs = [], ours = [];
        for (int turn = 0; turn < Turns; turn++)
        {
            _python.StandardInput.WriteLine(JsonSerializer.Serialize(work, work.GetType(), Json));
            Keep(theirs, JsonSerializer.Deserialize<Dictionary<string, double>>(Answer())!);
            TorchSharp.torch.set_num_threads(work.Threads);
            Keep(ours, work.Measure());
        }
        return (theirs, ours);

        static void Keep(Dictionary<string, double> best, Dictionary<string, double> turn)
        {
            foreach ((string name, double time) in turn) best.KeepFastest(name, time);
        }
    }

    public void Dispose()
    {
        _python.StandardInput.Close();
        _python.WaitForExit();
        _python.Dispose();
    }

    private string Answer() =>
        _python.StandardOutput.ReadLine() ?? throw new InvalidOperationException("PYTHON must name an interpreter that has PyTorch.");
}

internal static class Times
{
    public static void KeepFastest(this Dictionary<string, double> best, string name, double time) =>
        best[name] = Math.Min(time, best.GetValueOrDefault(name, double.MaxValue));
}
