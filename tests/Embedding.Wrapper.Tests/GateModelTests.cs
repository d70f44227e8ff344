using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace EmbeddingWrapper.Tests;

/// <summary>Runs the check of the model of the reader gate: see the README beside it.</summary>
public class GateModelTests
{
    [Fact]
    public async Task TheModelOfTheGateHoldsAndFindsTheFaultsPutIntoIt()
    {
        foreach (string tool in new[] { "sh", "spin", "gcc" })
        {
            bool found = Environment.GetEnvironmentVariable("PATH")!.Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, tool)));
            Assert.SkipUnless(found, $"The check of the model needs {tool}.");
        }
        var start = new ProcessStartInfo("sh", [Script()]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process check = Process.Start(start)!;
        CancellationToken cancelled = TestContext.Current.CancellationToken;
        Task<string> output = check.StandardOutput.ReadToEndAsync(cancelled), errors = check.StandardError.ReadToEndAsync(cancelled);
        await check.WaitForExitAsync(cancelled);
        string all = await output + await errors;
        Assert.True(check.ExitCode == 0, all[..Math.Min(all.Length, 6000)]);
        Assert.Contains("ok: -DMOVE (errors: 0)", all);
    }

    private static string Script([CallerFilePath] string here = "") =>
        Path.Combine(Path.GetDirectoryName(here)!, "..", "Embedding.Wrapper.GateModel", "check.sh");
}
