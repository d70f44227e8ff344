using System.Diagnostics;

namespace EmbeddingWrapper.Benchmarks;

/// <summary>Another process that keeps one processor busy until this is disposed, or until this process ends.</summary>
internal sealed class BusyProcess : IDisposable
{
    private readonly Process _process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, ["busy"]) { RedirectStandardInput = true })!;

    /// <summary>What the other process does: it ends with its standard input.</summary>
    public static int Run()
    {
        new Thread(() => { while (true) ; }) { IsBackground = true }.Start();
        while (Console.Read() >= 0) ;
        return 0;
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        _process.WaitForExit();
        _process.Dispose();
    }
}
