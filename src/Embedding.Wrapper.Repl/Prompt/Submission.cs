using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace EmbeddingWrapper.Repl.Prompt;

/// <summary>What the text of a submission says before it is compiled.</summary>
internal static class Submission
{
    /// <summary>How the engine reads a submission.</summary>
    public static CSharpParseOptions ScriptOptions { get; } = new(LanguageVersion.Latest, kind: SourceCodeKind.Script);

    private static readonly CSharpParseOptions ProgramOptions = new(LanguageVersion.Latest);

    /// <summary>Whether <paramref name="text"/> can be run as it is, or refused, without waiting for another line.</summary>
    /// <param name="text">One or more lines.</param>
    /// <param name="moreFollows">
    /// More lines are known to come, as in a paste: a declaration without its semicolon may go on in the next. Typed by hand
    /// it is taken for the mistake that it mostly is.
    /// </param>
    public static bool IsComplete(string text, bool moreFollows = false)
    {
        SyntaxTree tree = CSharpSyntaxTree.ParseText(WithoutUsingVar(text), ScriptOptions);
        Diagnostic[] errors = [.. tree.GetDiagnostics().Where(found => found.Severity == DiagnosticSeverity.Error)];

        // The engine takes an open raw string literal for complete.
        if (errors.Any(error => error.Id == "CS8997")) return false;
        if (SyntaxFactory.IsCompleteSubmission(tree)) return true;

        bool onlyASemicolonIsMissing = errors is [{ Id: "CS1002" }]
            && tree.GetCompilationUnitRoot().ChildNodes().LastOrDefault() is FieldDeclarationSyntax;
        return onlyASemicolonIsMissing && !moreFollows;
    }

    /// <summary>
    /// C# has no <c>using var</c> at the top of a script, where a variable lives on after its line. With the word blanked
    /// out, code written for a method can be pasted; columns stay.
    /// </summary>
    public static string WithoutUsingVar(string text)
    {
        if (!text.Contains("using", StringComparison.Ordinal)) return text;
        char[] result = text.ToCharArray();
        CompilationUnitSyntax program = CSharpSyntaxTree.ParseText(text, ProgramOptions).GetCompilationUnitRoot();
        foreach (GlobalStatementSyntax member in program.Members.OfType<GlobalStatementSyntax>())
        {
            if (member.Statement is LocalDeclarationStatementSyntax { UsingKeyword: var word } statement
                && word.IsKind(SyntaxKind.UsingKeyword) && !statement.AwaitKeyword.IsKind(SyntaxKind.AwaitKeyword))
            {
                result.AsSpan(word.Span.Start, word.Span.Length).Fill(' ');
            }
        }
        return new string(result);
    }

    /// <summary>The expression at the end whose value is the result, if there is one.</summary>
    public static ExpressionSyntax? Result(SyntaxTree tree) =>
        tree.GetCompilationUnitRoot().Members.LastOrDefault() is GlobalStatementSyntax
        {
            Statement: ExpressionStatementSyntax { SemicolonToken.IsMissing: true } statement
        }
            ? statement.Expression
            : null;
}
