using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace EmbeddingWrapper.Repl.Prompt;

/// <summary>What the text of a submission says before it is compiled.</summary>
internal static partial class Submission
{
    /// <summary>How the engine reads a submission.</summary>
    public static CSharpParseOptions ScriptOptions { get; } = new(LanguageVersion.Latest, kind: SourceCodeKind.Script);

    private static readonly CSharpParseOptions ProgramOptions = new(LanguageVersion.Latest);

    /// <summary>Whether <paramref name="text"/> can be run as it is, or refused, without waiting for another line.</summary>
    /// <param name="text">One or more lines.</param>
    /// <param name="moreFollows">
    /// More lines are known to come, as in a paste: a declaration without its semicolon may go on in the next. Typed by hand
    /// it is complete.
    /// </param>
    public static bool IsComplete(string text, bool moreFollows = false)
    {
        text = WithoutUsingVar(text);
        SyntaxTree tree = CSharpSyntaxTree.ParseText(text, ScriptOptions);
        Diagnostic[] errors = Errors(tree);

        // The engine takes an open raw string literal for complete.
        if (errors.Any(error => error.Id == "CS8997")) return false;
        if (SyntaxFactory.IsCompleteSubmission(tree) || IsBeyondRepair(tree, errors)) return true;
        string whole = WithSemicolons(text);
        return !moreFollows && whole != text && Errors(CSharpSyntaxTree.ParseText(whole, ScriptOptions)).Length == 0;
    }

    /// <summary>
    /// Whether no line that follows can make the text right: it begins with what no text begins with, such as <c>?</c>, or it is one line
    /// with an open <c>"</c>, or a name with <c>?</c> behind it, which asks for help elsewhere. (In a block the rest is still waited for: its
    /// lines are not meant to be run one by one.)
    /// </summary>
    private static bool IsBeyondRepair(SyntaxTree tree, Diagnostic[] errors)
    {
        SyntaxToken first = tree.GetRoot().GetFirstToken(includeZeroWidth: true);
        if (first.IsMissing || first.LeadingTrivia.Any(SyntaxKind.SkippedTokensTrivia)) return true;
        if (NameWithQuestionMark().IsMatch(tree.ToString())) return true;
        if (tree.GetText().Lines.Count > 1 || errors.Any(error => error.Id == "CS1513")) return false; // a brace is open
        return errors.Any(error => error.Id == "CS1010")
            || errors.Any(error => error.Id == "CS1039") && tree.GetRoot().DescendantNodes().OfType<InterpolatedStringExpressionSyntax>()
                .Any(text => text.StringStartToken.IsKind(SyntaxKind.InterpolatedStringStartToken) && text.StringEndToken.IsMissing);
    }

    /// <summary>
    /// A declaration at the end of a line gets the semicolon that it lacks: <c>var x = 5</c>, <c>int F() => 1</c>,
    /// <c>using System.Text</c>. Statements keep C#'s rule.
    /// </summary>
    public static string WithSemicolons(string text)
    {
        CompilationUnitSyntax script = CSharpSyntaxTree.ParseText(text, ScriptOptions).GetCompilationUnitRoot();
        SyntaxToken[] semicolons = [.. script.Usings.Select(directive => directive.SemicolonToken), .. script.Members.Select(Semicolon)];
        foreach (SyntaxToken semicolon in semicolons.Where(token => token.IsMissing).Reverse())
        {
            SyntaxToken last = semicolon.GetPreviousToken(), next = semicolon.GetNextToken();
            bool endsItsLine = next.Span.IsEmpty || text.AsSpan()[last.Span.End..next.SpanStart].Contains('\n');
            if (endsItsLine) text = text.Insert(last.Span.End, ";");
        }
        return text;

        static SyntaxToken Semicolon(MemberDeclarationSyntax member) => member switch
        {
            FieldDeclarationSyntax field => field.SemicolonToken,
            MethodDeclarationSyntax { ExpressionBody: not null } method => method.SemicolonToken,
            PropertyDeclarationSyntax { ExpressionBody: not null } property => property.SemicolonToken,
            _ => default,
        };
    }

    [GeneratedRegex(@"^\s*[\w.]+\?{1,2}\s*\z")]
    private static partial Regex NameWithQuestionMark();

    private static Diagnostic[] Errors(SyntaxTree tree) =>
        [.. tree.GetDiagnostics().Where(found => found.Severity == DiagnosticSeverity.Error)];

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
            Statement: ExpressionStatementSyntax
            {
                SemicolonToken.IsMissing: true,
                // The engine gives the last element for the value of "var (a, b) = (1, 2)" and of "(a, b) = (b, a)".
                Expression: var result and not AssignmentExpressionSyntax { Left: TupleExpressionSyntax or DeclarationExpressionSyntax },
            }
        }
            ? result
            : null;
}
