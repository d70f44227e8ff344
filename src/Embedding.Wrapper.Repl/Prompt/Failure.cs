using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Scripting.Hosting;
using Microsoft.CodeAnalysis.Text;

namespace EmbeddingWrapper.Repl.Prompt;

/// <summary>What went wrong, for a reader.</summary>
/// <param name="Line">One line.</param>
/// <param name="Details">All of it, in any number of lines.</param>
internal sealed partial record Failure(string Line, string Details)
{
    private const string OurFrame = "  + EmbeddingWrapper.Repl.Prompt.";

    /// <summary>A text that does not compile.</summary>
    /// <param name="errors">At least one.</param>
    public static Failure Of(IReadOnlyList<Diagnostic> errors) => new(
        $"{Advice().Replace(errors[0].ToString(), "")}{(errors.Count > 1 ? $" (and {errors.Count - 1} more)" : "")}",
        string.Join('\n', errors.Select(WithItsPlace)));

    /// <summary>An exception out of code that ran.</summary>
    /// <param name="error">The exception.</param>
    /// <param name="path">The file that the code was read from, or nothing. The line there is named.</param>
    public static Failure Of(Exception error, string path = "")
    {
        while (error is AggregateException { InnerExceptions: [var only] }) error = only;
        string all = CSharpObjectFormatter.Instance.FormatException(error).TrimEnd().ReplaceLineEndings("\n");
        IEnumerable<string> lines = all.Split('\n').Where(line => !line.StartsWith(OurFrame, StringComparison.Ordinal));
        string details = string.Join('\n', lines);
        if (IsMissingLibTorch(error)) return new Failure(Program.NoLibTorch, details);
        while (error is TypeInitializationException { InnerException: { } inner }) error = inner;
        return new Failure($"{Place(error, path)}{error.GetType().Name}: {FirstLine(error.Message)}", details);
    }

    /// <summary>A line that Ctrl-C stopped.</summary>
    public static Failure Stopped { get; } = new("Stopped.", "Stopped by Ctrl-C.");

    /// <summary>A line that Ctrl-C could not stop.</summary>
    public static Failure LeftBehind { get; } = new(
        "Left behind.", "It runs on in the background, until its call into a library or native code returns.");

    /// <summary>
    /// What the compiler adds to an unknown name: twice as long as the message, and seldom what is wrong at a prompt.
    /// </summary>
    [GeneratedRegex(@"( and no accessible extension method .*)? \(are you missing .*\)$")]
    private static partial Regex Advice();

    private static bool IsMissingLibTorch(Exception error) =>
        error is TypeInitializationException { TypeName: "TorchSharp.torch" }
        || error.InnerException is { } inner && IsMissingLibTorch(inner);

    /// <summary>libtorch's sentence is followed by a hint for Python on the same line, and by C++ frames.</summary>
    private static string FirstLine(string message)
    {
        string line = message.Split(" Hint:", 2)[0].ReplaceLineEndings("\n").Split('\n', 2)[0].Trim();
        return line.Length > 0 ? line : "no message";
    }

    private static string Place(Exception error, string path)
    {
        if (path.Length == 0) return "";
        StackFrame[] frames = new StackTrace(error, fNeedFileInfo: true).GetFrames();
        StackFrame? frame = Array.Find(frames, frame => frame.GetFileName() == path);
        return frame is null ? "" : $"{path}({frame.GetFileLineNumber()}): ";
    }

    /// <summary>The error, the line of code, and a mark below the place.</summary>
    private static string WithItsPlace(Diagnostic error)
    {
        var text = new StringBuilder().Append(error);
        if (error.Location.SourceTree?.GetText() is { } source)
        {
            LinePosition start = error.Location.GetLineSpan().StartLinePosition;
            text.Append("\n    ").Append(source.Lines[start.Line]).Append("\n    ").Append(' ', start.Character).Append('^');
        }
        return text.ToString();
    }
}
