using System.Text.RegularExpressions;

namespace EmbeddingWrapper.ParityTests.Page;

/// <summary>The documentation page, as it was copied.</summary>
internal static partial class PageText
{
    public static string Whole { get; } = File.ReadAllText(PathOf("embedding.txt")).Split(Rule, 2)[1];

    /// <summary>The text of the page. The lines of the file above it name the source and the licence.</summary>
    private const string Rule = "--------------------------------------------------------------------------------\n";

    public static string PathOf(string file) => Path.Combine(AppContext.BaseDirectory, "Page", file);

    /// <summary>The arguments of a signature on the page: <c>freeze=True</c>.</summary>
    public static string[] Arguments(string function)
    {
        string escaped = Regex.Escape(function).Replace("\\ ", "\\s+");
        return Regex.Match(Whole, $@"{escaped}\s*\(([^)]*)\)\[source\]").Groups[1].Value.Split(", ");
    }

    /// <summary>Removes all white space: the copy has lost some of it ("index.max_norm", "Default2"), so none is compared.</summary>
    public static string WithoutWhiteSpace(string text) => WhiteSpace().Replace(text, "");

    [GeneratedRegex(@"\s+")]
    private static partial Regex WhiteSpace();
}
