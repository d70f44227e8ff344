using System.Text.RegularExpressions;

namespace EmbeddingWrapper.PackageTests;

/// <summary>The README's first example in C#, and the output that its comments promise.</summary>
internal static partial class ReadmeExample
{
    public static string Code { get; } = Repository.Blocks("README.md", "csharp").First();

    public static string Output { get; } =
        string.Concat(Printing().Matches(Code).Select(line => $"{line.Groups["output"].Value}\n"));

    [GeneratedRegex(@"^Console\.WriteLine\(.*\); +// (?<output>.*)$", RegexOptions.Multiline)]
    private static partial Regex Printing();
}
