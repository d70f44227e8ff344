using EmbeddingWrapper.Repl.Prompt;
using TorchSharp;

namespace EmbeddingWrapper.Repl;

/// <summary>The command line: what is asked for, and the exit code.</summary>
internal static class Program
{
    private const string Usage =
        "Usage: dotnet run --project src/Embedding.Wrapper.Repl [-- --help | repl | [repl] SCRIPT.csx [ARGUMENTS]]";

    /// <summary>What a missing native library is told as.</summary>
    public const string NoLibTorch =
        "PyTorch's native library does not load: build with the package libtorch-cpu (-p:TorchBackend=cpu).";

    private const string Help = $"""
        {Usage}

        Without arguments: a guided tour of the embedding layer. Each step shows the C# that it runs, then its result.
        The last steps train word vectors on a short text, which takes some seconds, and draw a map of words. At a terminal the prompt
        follows.

        repl: a prompt for C#, the engine of C# Interactive, where tensors are shown as PyTorch prints them. Piped input runs
        without prompts. help there tells more.

        SCRIPT.csx: runs the file. The exit code, as that of piped input, is 0, or 1 if something did not compile or failed.

        Colour is left out when the output is redirected or NO_COLOR is set; the progress bar, when it is redirected.
        """;

    private static int Main(string[] args)
    {
        bool terminal = !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("TERM") != "dumb";
        bool colour = terminal && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));
        bool person = terminal && !Console.IsInputRedirected;
        int exitCode = Run(args, Console.Out, Console.Error, colour, bar: terminal, person: person);
        if (args.Length > 0 || exitCode != 0 || !person) return exitCode;
        Console.WriteLine("\nThe tour ends here. Go on by yourself:");
        return Run(["repl"], Console.Out, Console.Error, colour, person: true);
    }

    /// <summary>Runs the command that <paramref name="args"/> name.</summary>
    /// <param name="args">The command line.</param>
    /// <param name="output">Where results go.</param>
    /// <param name="error">Where complaints go.</param>
    /// <param name="colour">As in <see cref="TourWriter"/>.</param>
    /// <param name="bar">As in <see cref="TourWriter"/>.</param>
    /// <param name="epochs">As in <see cref="SkipGram"/>.</param>
    /// <param name="person">Someone types at a terminal; otherwise the standard input is read as it comes.</param>
    /// <returns>
    /// 0: done. 1: PyTorch's native library is missing, or the code failed. 2: <paramref name="args"/> are not understood.
    /// </returns>
    public static int Run(string[] args, TextWriter output, TextWriter error,
        bool colour = false, bool bar = false, int epochs = SkipGram.DefaultEpochs, bool person = false)
    {
        if (args is ["repl", var name, ..] && IsScript(name)) args = args[1..];
        switch (args)
        {
            case []:
                if (!HasLibTorch())
                {
                    error.WriteLine(NoLibTorch);
                    return 1;
                }
                var writer = new TourWriter(output, colour, bar);
                writer.Opening();
                new GuidedTour(writer).Run();
                new SkipGram(writer, epochs).Run();
                new WordMap(writer).Run();
                return 0;

            case ["--help" or "-h"]:
                output.WriteLine(Help);
                return 0;

            case ["repl"]:
                var shell = new Shell(output, error, colour);
                if (!person) return shell.Piped(Console.In);
                shell.AtTerminal();
                return 0;

            case [var script, ..] when IsScript(script):
                return new Shell(output, error, colour, args[1..]).Script(script);

            default:
                error.WriteLine(Usage);
                return 2;
        }
    }

    private static bool IsScript(string name) => name.EndsWith(".csx", StringComparison.OrdinalIgnoreCase);

    /// <summary>Loads PyTorch's native library.</summary>
    /// <returns>False if it is missing.</returns>
    public static bool HasLibTorch()
    {
        // TorchSharp 0.107 prints the trace of its search to the console before it throws.
        TextWriter console = Console.Out;
        Console.SetOut(TextWriter.Null);
        try
        {
            return torch.__version__.Length > 0;
        }
        catch (Exception error) when (error is TypeInitializationException or NotSupportedException or DllNotFoundException)
        {
            return false;
        }
        finally
        {
            Console.SetOut(console);
        }
    }
}
