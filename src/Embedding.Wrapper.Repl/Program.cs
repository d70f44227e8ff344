using TorchSharp;

namespace EmbeddingWrapper.Repl;

/// <summary>The command line: what is asked for, and the exit code.</summary>
internal static class Program
{
    private const string Usage = "Usage: dotnet run --project src/Embedding.Wrapper.Repl [-- --help]";

    private const string NoLibTorch =
        "PyTorch's native library does not load: build with the package libtorch-cpu (-p:TorchBackend=cpu).";

    private const string Help = $"""
        {Usage}

        Without arguments: a guided tour of the embedding layer. Each step shows the C# that it runs, then its result.
        The last steps train word vectors on a short text, which takes some seconds.
        Colour is left out when the output is redirected or NO_COLOR is set; the progress bar, when it is redirected.
        """;

    private static int Main(string[] args)
    {
        bool terminal = !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("TERM") != "dumb";
        bool colour = terminal && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));
        return Run(args, Console.Out, Console.Error, colour, bar: terminal);
    }

    /// <summary>Runs the command that <paramref name="args"/> name.</summary>
    /// <param name="args">The command line.</param>
    /// <param name="output">Where results go.</param>
    /// <param name="error">Where complaints go.</param>
    /// <param name="colour">As in <see cref="TourWriter"/>.</param>
    /// <param name="bar">As in <see cref="TourWriter"/>.</param>
    /// <param name="epochs">As in <see cref="SkipGram"/>.</param>
    /// <returns>0: done. 1: PyTorch's native library is missing. 2: <paramref name="args"/> are not understood.</returns>
    public static int Run(string[] args, TextWriter output, TextWriter error,
        bool colour = false, bool bar = false, int epochs = SkipGram.DefaultEpochs)
    {
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
                return 0;

            case ["--help" or "-h"]:
                output.WriteLine(Help);
                return 0;

            default:
                error.WriteLine(Usage);
                return 2;
        }
    }

    private static bool HasLibTorch()
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
