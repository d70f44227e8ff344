using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace EmbeddingWrapper.PackageTests;

/// <summary>Reads this repository's pages and build files.</summary>
internal static partial class Repository
{
    public static string Root { get; } = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "../.."));

    public static string Read(string name) => File.ReadAllText(Path.Combine(Root, name)).ReplaceLineEndings("\n");

    /// <summary>The code blocks of a page in a language, in order.</summary>
    public static IEnumerable<string> Blocks(string page, string language) =>
        from block in CodeBlock().Matches(Read(page))
        where block.Groups["language"].Value == language
        select block.Groups["code"].Value;

    /// <summary>The commands in a page's bash blocks, without their comments.</summary>
    public static IEnumerable<string> Commands(string page) =>
        from block in Blocks(page, "bash")
        from line in block.Split('\n')
        let command = line.Split(" #")[0].Trim()
        where command.Length > 0
        select command;

    /// <summary>The version that the repository builds with: of a range, the lowest.</summary>
    public static string VersionOf(string package) => RangeOf(package).Split(',')[0].TrimStart('[');

    /// <summary>The version, or the range of versions, that a packed library depends on.</summary>
    public static string RangeOf(string package) =>
        Regex.Match(Read("Directory.Packages.props"), $"Include=\"{Regex.Escape(package)}\" Version=\"([^\"]+)\"").Groups[1].Value;

    [GeneratedRegex(@"^```(?<language>\w+)\n(?<code>.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex CodeBlock();

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
