using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace EmbeddingWrapper.Repl.Prompt;

/// <summary>What Tab can put at a place of a text.</summary>
/// <param name="Start">Where the word begins that a name would take the place of.</param>
/// <param name="Names">The names that begin with it, sorted; those of arguments come first and end with a colon.</param>
internal sealed record Completion(int Start, IReadOnlyList<string> Names)
{
    /// <summary>Members after a dot, names of arguments after a parenthesis, and else all that is in scope.</summary>
    /// <param name="text">What was typed so far.</param>
    /// <param name="position">Where the cursor is in it.</param>
    /// <param name="compile">The compilation of a text.</param>
    public static Completion At(string text, int position, Func<string, Compilation> compile)
    {
        int start = position;
        while (start > 0 && SyntaxFacts.IsIdentifierPartCharacter(text[start - 1])) start--;
        string prefix = text[start..position];
        if (start == 0 && prefix.Length == 0 || prefix.Length > 0 && !SyntaxFacts.IsIdentifierStartCharacter(prefix[0]))
            return new Completion(start, []);

        // A name must stand there for the parser to see what it is a name of.
        Compilation compilation = compile(prefix.Length > 0 ? text : text.Insert(position, "x"));
        SyntaxTree tree = compilation.SyntaxTrees.Last();
        SyntaxNode? name = tree.GetRoot().FindToken(start).Parent;
        SemanticModel model = compilation.GetSemanticModel(tree);

        if (Receiver(name) is { } receiver) return new Completion(start, [.. Matching(Members(model, start, receiver))]);
        IEnumerable<string> names = Matching(Arguments(model, name));
        return new Completion(start, [.. prefix.Length > 0 ? names.Concat(Matching(InScope(model, start))) : names]);

        IEnumerable<string> Matching(IEnumerable<string> candidates) => candidates
            .Where(candidate => candidate.StartsWith(prefix, StringComparison.Ordinal))
            .Where(candidate => prefix.Length > 0 || candidate[0] != '_')
            .Distinct()
            .Order(StringComparer.OrdinalIgnoreCase).ThenBy(candidate => candidate, StringComparer.Ordinal);
    }

    /// <summary>What all names have in common at their start: the word itself, or more of it.</summary>
    public string CommonPrefix() => Names.Aggregate((common, name) =>
        common[..common.AsSpan().CommonPrefixLength(name)]);

    private static SyntaxNode? Receiver(SyntaxNode? name) => name?.Parent switch
    {
        MemberAccessExpressionSyntax access when access.Name == name => access.Expression,
        QualifiedNameSyntax qualified when qualified.Right == name => qualified.Left,
        MemberBindingExpressionSyntax => name.FirstAncestorOrSelf<ConditionalAccessExpressionSyntax>()?.Expression,
        _ => null,
    };

    private static IEnumerable<string> Members(SemanticModel model, int position, SyntaxNode receiver)
    {
        ISymbol? symbol = model.GetSymbolInfo(receiver).Symbol;
        if (symbol is INamespaceOrTypeSymbol container)
        {
            return Shown(model.LookupSymbols(position, container)
                .Where(member => container.IsNamespace || member.IsStatic || member is ITypeSymbol));
        }
        return model.GetTypeInfo(receiver).Type is { } type
            ? Shown(model.LookupSymbols(position, type, includeReducedExtensionMethods: true)
                .Where(member => !member.IsStatic && member is not ITypeSymbol))
            : [];
    }

    private static IEnumerable<string> Arguments(SemanticModel model, SyntaxNode? name)
    {
        if (name?.Parent is not ArgumentSyntax { Parent: ArgumentListSyntax { Parent: { } call } }) return [];
        IEnumerable<ISymbol> callees = call switch
        {
            ObjectCreationExpressionSyntax made when model.GetSymbolInfo(made.Type).Symbol is INamedTypeSymbol type =>
                type.InstanceConstructors,
            InvocationExpressionSyntax { Expression: var called } => model.GetMemberGroup(called),
            _ => [],
        };
        return callees.OfType<IMethodSymbol>()
            .Where(method => method.DeclaredAccessibility == Accessibility.Public)
            .SelectMany(method => method.Parameters)
            .Select(parameter => $"{parameter.Name}:");
    }

    private static IEnumerable<string> InScope(SemanticModel model, int position) =>
        Shown(model.LookupSymbols(position))
            .Concat(SyntaxFacts.GetReservedKeywordKinds().Select(SyntaxFacts.GetText))
            .Append("var");

    private static IEnumerable<string> Shown(IEnumerable<ISymbol> symbols) => symbols
        .Where(symbol => symbol.CanBeReferencedByName && !symbol.GetAttributes().Any(IsHidden))
        .Select(symbol => symbol.Name);

    /// <summary><c>[EditorBrowsable(EditorBrowsableState.Never)]</c></summary>
    private static bool IsHidden(AttributeData attribute) =>
        attribute.AttributeClass?.Name == "EditorBrowsableAttribute"
        && attribute.ConstructorArguments is [{ Value: (int)System.ComponentModel.EditorBrowsableState.Never }];
}
