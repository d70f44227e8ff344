using System.Text.RegularExpressions;

namespace EmbeddingWrapper.PackageTests;

/// <summary>The links of the pages lead somewhere.</summary>
public partial class LinksTests
{
    public static TheoryData<string> Pages =>
    [
        .. from folder in new[] { ".", ".github", "docs", "parity-scripts", "src", "tests" }
           from file in Directory.GetFiles(
               Path.Combine(Repository.Root, folder), "*.md", folder is "." or "docs" ? SearchOption.TopDirectoryOnly : SearchOption.AllDirectories)
           let page = Path.GetRelativePath(Repository.Root, file).Replace('\\', '/')
           where !page.Split('/').Any(part => part is "bin" or "obj")
           select page,
    ];

    [Theory]
    [MemberData(nameof(Pages))]
    public void ALinkToAFileNamesOneThatIsThereAndAHeadingOfIt(string page)
    {
        foreach (string target in from match in Link().Matches(Repository.Read(page)) select match.Groups[1].Value)
        {
            if (target.StartsWith("https://", StringComparison.Ordinal)) continue;
            string[] parts = target.Split('#');
            string file = parts[0].Length == 0 ? page : Path.GetRelativePath(
                Repository.Root, Path.GetFullPath(Path.Combine(Repository.Root, Path.GetDirectoryName(page)!, parts[0])));
            Assert.True(File.Exists(Path.Combine(Repository.Root, file)), $"{page}: {target}");
            if (parts.Length > 1) Assert.Contains(parts[1], Heading().Matches(Repository.Read(file)).Select(match => Anchor(match.Groups[1].Value)));
        }
    }

    /// <summary>The anchor that GitHub gives to a heading.</summary>
    private static string Anchor(string heading) => Dropped().Replace(heading.ToLowerInvariant(), "").Replace(' ', '-');

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex("^#+ (.+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"[^\w\- ]")]
    private static partial Regex Dropped();
}
