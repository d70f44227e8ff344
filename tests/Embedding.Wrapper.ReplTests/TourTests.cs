using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using EmbeddingWrapper.Repl;
using static EmbeddingWrapper.Tests.TensorCount;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ReplTests;

public partial class TourTests
{
    [Fact]
    public void TheResultsArePyTorchs()
    {
        string folder = Path.GetDirectoryName(SourceFile())!;
        string received = Path.Combine(folder, "Tour.received.txt");
        string[] golden = File.ReadAllLines(Path.Combine(folder, "Tour.verified.txt"));
        string[] expected = Array.ConvertAll(golden, InDotNetWords);

        string text = string.Join("\n\n", Steps().Select(step => $"# {step.Heading}\n{string.Join('\n', step.Results)}"));
        string[] actual = text.Split('\n');

        File.Delete(received);
        if (!actual.SequenceEqual(expected))
        {
            // Lines that mean the same keep PyTorch's words, so a diff of the two files shows only the mistake.
            File.WriteAllLines(
                received, actual.Select((line, i) => line == expected.ElementAtOrDefault(i) ? golden[i] : line));
        }
        Assert.Equal(expected, actual);
    }

    [Fact]
    public void EachStepShowsItsHeadingThenItsCodeThenItsResults()
    {
        string text = Run().Output;
        int end = 0;
        foreach (TourStep step in AllSteps())
        {
            Assert.NotEmpty(step.Results);
            ComesNext($". {step.Heading}\n");
            IEnumerable<string> code = step.Code.Split('\n').Select(line => line.Length > 0 ? $"    {line}" : "");
            ComesNext($"\n{string.Join('\n', code)}\n");
            foreach (string result in step.Results) ComesNext($"\n{result}\n");
        }
        Assert.Equal(text.Length, end);

        void ComesNext(string part)
        {
            int start = text.IndexOf(part, Math.Max(0, end - 1), StringComparison.Ordinal);
            Assert.True(start >= 0, $"Not shown in its place: {part}");
            end = start + part.Length;
        }
    }

    [Fact]
    public void TheCodeIsWholeStatementsWithoutTheIndentationOfTheSource()
    {
        foreach (TourStep step in AllSteps())
        {
            string[] lines = step.Code.Split('\n');
            Assert.False(char.IsWhiteSpace(lines[0][0]));
            Assert.Matches("[;}]$", lines[^1]);
            Assert.Equal(step.Code.Count('{'), step.Code.Count('}'));
        }
    }

    [Fact]
    public void ItRunsToTheEndAndLeavesNoTensorBehind()
    {
        int layers = AllSteps().Sum(step => MadeLayer().Count(step.Code));
        long countedTwice = CountedTwice(), before = LiveTensors();

        (int exitCode, _, string error) = Run();

        Assert.Equal(before + layers * countedTwice, Tensor.TotalCount);
        Assert.Equal(0, exitCode);
        Assert.Empty(error);
    }

    [Fact]
    public void ColourAddsNothingButMarks()
    {
        string plain = Run().Output, coloured = Run(colour: true).Output;
        Assert.DoesNotContain("\e", plain);
        Assert.NotEqual(plain, coloured);
        Assert.Equal(plain, Marks().Replace(coloured, ""));
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("-h")]
    public void HelpIsPrintedOnRequest(string argument)
    {
        (int exitCode, string output, string error) = Run([argument]);
        Assert.Equal(0, exitCode);
        Assert.StartsWith("Usage: ", output);
        Assert.Empty(error);
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("--help", "nonsense")]
    public void UnknownArgumentsGetOneLineOfUsageAndExitCode2(params string[] arguments)
    {
        (int exitCode, string output, string error) = Run(arguments);
        Assert.Equal(2, exitCode);
        Assert.Empty(output);
        Assert.StartsWith("Usage: ", error);
        Assert.Equal(1, error.Count('\n'));
    }

    /// <summary>The steps that PyTorch runs too.</summary>
    private static List<TourStep> Steps() =>
        TourRecorder.Record(report =>
        {
            new GuidedTour(report).Run();
            new WordMap(report).Run();
        })[..^1]; // the last one is the picture

    private static List<TourStep> AllSteps() =>
        TourRecorder.Record(report =>
        {
            new GuidedTour(report).Run();
            new SkipGram(report, epochs: 1).Run();
            new WordMap(report).Run();
        });

    private static (int ExitCode, string Output, string Error) Run(string[]? arguments = null, bool colour = false)
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        int exitCode = Repl.Program.Run(arguments ?? [], output, error, colour, epochs: 1);
        return (exitCode, output.ToString(), error.ToString());
    }

    /// <summary>
    /// Rewrites Python's text where .NET's differs. TorchSharp has no name for grad_fn. libtorch's error arrives as an exception of
    /// another name, and its message has libtorch's own name of the tensor type.
    /// </summary>
    private static string InDotNetWords(string line) => GradFn().Replace(line, "requires_grad=True")
        .Replace("RuntimeError: ", "ExternalException: ")
        .Replace("torch.FloatTensor", "CPUFloatType");

    [GeneratedRegex(@"grad_fn=<\w+>")]
    private static partial Regex GradFn();

    [GeneratedRegex(@"new Embedding\(|Embedding\.FromPretrained\(|\.ToEmbedding\(")]
    private static partial Regex MadeLayer();

    [GeneratedRegex(@"\e\[\d+m")]
    private static partial Regex Marks();

    private static string SourceFile([CallerFilePath] string path = "") => path;
}
