using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;

namespace EmbeddingWrapper.Repl;

/// <summary>One step of a tour after it ran.</summary>
/// <param name="Heading">What it shows, on one line.</param>
/// <param name="Code">The C# that ran.</param>
/// <param name="Results">What it printed, in order; a tensor may take several lines.</param>
internal sealed record TourStep(string Heading, string Code, IReadOnlyList<string> Results);

/// <summary>
/// Runs code and keeps its text. The text is the compiler's own, from the argument that is then called, so what is shown
/// cannot drift from what runs.
/// </summary>
/// <param name="report">Receives each step when it has run.</param>
internal abstract class Tour(Action<TourStep> report)
{
    private readonly List<string> _results = [];

    /// <summary>Runs <paramref name="body"/> in a dispose scope and reports it.</summary>
    protected void Step(string heading, Action body, [CallerArgumentExpression(nameof(body))] string code = "")
    {
        _results.Clear();
        using (torch.NewDisposeScope()) body();
        report(new TourStep(heading, Statements(code), [.. _results]));
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
    protected void Print(object? value) => _results.Add(value is torch.Tensor tensor ? tensor.Repr() : $"{value}");

    /// <summary>The statements of a lambda's text <c>() => { ... }</c>, without its indentation.</summary>
    private static string Statements(string lambda)
    {
        string[] lines = lambda.ReplaceLineEndings("\n").Split('\n')[2..^1];
        int indent = lines.Where(line => line.Length > 0).Min(line => line.Length - line.TrimStart().Length);
        return string.Join('\n', lines.Select(line => line.Length > 0 ? line[indent..] : line));
    }
}
