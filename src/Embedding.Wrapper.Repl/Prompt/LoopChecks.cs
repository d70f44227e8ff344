using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace EmbeddingWrapper.Repl.Prompt;

/// <summary>
/// How Ctrl-C stops a line: each turn of a loop, and each function, that was typed asks whether to go on.
/// </summary>
/// <remarks>
/// Ending the thread from outside, with <see cref="System.Runtime.ControlledExecution"/>, was tried. It hits TorchSharp
/// between freeing a tensor and noting that it is freed, and the process dies of the second free; it ends the process
/// itself when it hits a call like <c>Math.Tanh</c> (.NET 10.0 on Linux, PAL_SEHException); and it works once for each
/// thread.
/// </remarks>
public static class LoopChecks
{
    private const string Check = "global::EmbeddingWrapper.Repl.Prompt.LoopChecks.Go()";

    [ThreadStatic] private static StopFlag? t_line;
    private static volatile StopFlag s_latest = new();

    /// <summary>Called in scripts. Public because the code that the engine compiles refers to it.</summary>
    /// <returns>True.</returns>
    /// <exception cref="OperationCanceledException">The line is to be stopped.</exception>
    public static bool Go() => (t_line ?? s_latest).IsUp ? throw new OperationCanceledException() : true;

    /// <summary>What runs on this thread from now on, and on threads that are no line's, belongs to a new line.</summary>
    internal static void Watch(StopFlag line) => s_latest = t_line = line;

    /// <summary>
    /// Puts a check at the start of each loop's body and of each function's. Lines stay; columns behind a check do not.
    /// </summary>
    /// <returns>The same text if it has none of them, or is not C#.</returns>
    internal static string AddTo(string text)
    {
        SyntaxTree tree = CSharpSyntaxTree.ParseText(text, Submission.ScriptOptions);
        if (tree.GetDiagnostics().Any(found => found.Severity == DiagnosticSeverity.Error)) return text;

        var insertions = new List<(int Position, string Text)>();
        foreach (SyntaxNode? body in tree.GetRoot().DescendantNodes().Select(Body))
        {
            if (body is BlockSyntax block) insertions.Add((block.OpenBraceToken.Span.End, $"{Check};"));
            else if (body is StatementSyntax) insertions.AddRange([(body.Span.Start, $"{{{Check};"), (body.Span.End, "}")]);
            else if (body is not null)
                insertions.AddRange([(body.Span.Start, $"{Check} ? ("), (body.Span.End, ") : default!")]);
        }
        var result = new StringBuilder(text);
        foreach ((int position, string inserted) in insertions.OrderByDescending(insertion => insertion.Position))
            result.Insert(position, inserted);
        return result.ToString();
    }

    private static SyntaxNode? Body(SyntaxNode node) => node switch
    {
        WhileStatementSyntax loop => loop.Statement,
        DoStatementSyntax loop => loop.Statement,
        ForStatementSyntax loop => loop.Statement,
        CommonForEachStatementSyntax loop => loop.Statement,
        AnonymousFunctionExpressionSyntax function => function.Block,
        MethodDeclarationSyntax f => (SyntaxNode?)f.Body ?? Value(f.ExpressionBody, f.ReturnType, f.Modifiers),
        LocalFunctionStatementSyntax f => (SyntaxNode?)f.Body ?? Value(f.ExpressionBody, f.ReturnType, f.Modifiers),
        _ => null,
    };

    /// <summary>The expression of a function that is one, if it has a value: <c>int F(int n) => n * F(n - 1);</c></summary>
    private static ExpressionSyntax? Value(ArrowExpressionClauseSyntax? body, TypeSyntax type, SyntaxTokenList modifiers) =>
        type is RefTypeSyntax or PredefinedTypeSyntax { Keyword.RawKind: (int)SyntaxKind.VoidKeyword }
        || modifiers.Any(SyntaxKind.AsyncKeyword) || body?.Expression is ThrowExpressionSyntax
            ? null
            : body?.Expression;
}

/// <summary>Up when a line is to be stopped.</summary>
internal sealed class StopFlag
{
    private volatile bool _isUp;

    public bool IsUp => _isUp;

    public void Raise() => _isUp = true;
}
