global using Xunit;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using EmbeddingWrapper.Repl.Prompt;

// All tests share the random generator, and the console, which the prompt silences while TorchSharp looks for libtorch.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace EmbeddingWrapper.ReplTests;

/// <summary>What a program or a session wrote, with <c>\n</c> between lines.</summary>
internal sealed record Ran(int ExitCode, string Output, string Error);

internal static class Shared
{
    /// <summary>The program under test, as the build left it beside the tests.</summary>
    public static string Program { get; } = Path.Combine(AppContext.BaseDirectory, "Embedding.Wrapper.Repl.dll");

    /// <summary>The root of the repository.</summary>
    public static string Root { get; } = Path.GetFullPath("../..", Path.GetDirectoryName(ThisFile())!);

    /// <summary>Runs <paramref name="lines"/> in a new session, as if they were piped.</summary>
    public static Ran Pipe(params string[] lines)
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        int exitCode = new Shell(output, error).Piped(new StringReader(string.Join('\n', lines)));
        return new Ran(exitCode, output.ToString(), error.ToString());
    }

    /// <summary>What the last of <paramref name="lines"/> shows. None of them may fail.</summary>
    public static string Value(params string[] lines)
    {
        Ran ran = Pipe(lines);
        Assert.Equal(new Ran(0, ran.Output, ""), ran);
        return ran.Output.TrimEnd('\n');
    }

    /// <summary>Runs a program to its end.</summary>
    public static async Task<Ran> Start(
        string program, IEnumerable<string> arguments, string input = "", string? folder = null)
    {
        using var process = new Process
        {
            StartInfo = new ProcessStartInfo(program, arguments)
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                WorkingDirectory = folder ?? Root,
            },
        };
        process.Start();
        CancellationToken cancel = TestContext.Current.CancellationToken;
        Task<string> output = process.StandardOutput.ReadToEndAsync(cancel);
        Task<string> error = process.StandardError.ReadToEndAsync(cancel);
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        await process.WaitForExitAsync(cancel);
        return new Ran(process.ExitCode, Lines(await output), Lines(await error));
    }

    private static string Lines(string text) => text.ReplaceLineEndings("\n");

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
