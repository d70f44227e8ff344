using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;

namespace EmbeddingWrapper.Repl;

/// <summary>
/// Runs code and shows its text. The text is the compiler's own, from the argument that is then called, so what is shown
/// cannot drift from what runs.
/// </summary>
/// <param name="report">Hears of each step.</param>
internal abstract class Tour(ITourReport report)
{
    /// <summary>Reports <paramref name="body"/>'s text and runs it in a dispose scope.</summary>
    protected void Step(string heading, Action body, [CallerArgumentExpression(nameof(body))] string code = "")
    {
        report.Begin(heading, Statements(code));
        using (torch.NewDisposeScope()) body();
    }

    /// <summary>A step that libtorch refuses: its error is the result.</summary>
    /// <exception cref="InvalidOperationException">It was not refused.</exception>
    protected void FailingStep(string heading, Action body, [CallerArgumentExpression(nameof(body))] string code = "")
    {
        Step(heading, RunToError, code);

        void RunToError()
        {
            try
            {
                body();
            }
            catch (ExternalException error)
            {
                // After the sentence comes a hint for Python, and after that a stack of C++ frames.
                Print($"{error.GetType().Name}: {error.Message.Split(" Hint:", 2)[0].Split('\n', 2)[0]}");
                return;
            }
            throw new InvalidOperationException($"The step '{heading}' was expected to fail.");
        }
    }

    /// <summary>Adds a result to the step: a tensor as PyTorch prints it, anything else by its <c>ToString</c>.</summary>
    protected void Print(object? value) => report.Result(value is torch.Tensor tensor ? tensor.Repr() : $"{value}");

    /// <inheritdoc cref="ITourReport.Progress"/>
    protected void Progress(int done, int total, string text) => report.Progress(done, total, text);

    /// <summary>The statements of a lambda's text <c>() => { ... }</c>, without its indentation.</summary>
    private static string Statements(string lambda)
    {
        string[] lines = lambda.ReplaceLineEndings("\n").Split('\n')[2..^1];
        int indent = lines.Where(line => line.Length > 0).Min(line => line.Length - line.TrimStart().Length);
        return string.Join('\n', lines.Select(line => line.Length > 0 ? line[indent..] : line));
    }
}
