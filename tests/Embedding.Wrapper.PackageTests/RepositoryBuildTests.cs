using System.IO.Compression;
using System.Text;
using System.Text.RegularExpressions;

namespace EmbeddingWrapper.PackageTests;

/// <summary>What the repository's own build promises, tried in a copy of the repository.</summary>
public partial class RepositoryBuildTests(Workspace workspace)
{
    /// <summary>Also in a clone that knows the repository's address, and in a folder whose name has a space.</summary>
    [Fact]
    public void AnotherFolderGivesTheSameBytes()
    {
        Copy("a clone");
        // The version of an assembly has the commit in it, if there is one.
        string nuspec = Encoding.UTF8.GetString(Entry(workspace.Package("Embedding.Wrapper"), "Embedding.Wrapper.nuspec"));
        if (Commit().Match(nuspec) is { Success: true } commit)
        {
            workspace.Write("a clone/.git/HEAD", commit.Groups["id"].Value);
            workspace.Write("a clone/.git/config", "[remote \"origin\"]\n\turl = https://github.com/owner/name\n");
            Directory.CreateDirectory(Path.Combine(workspace.Root, "a clone/.git/objects"));
            Directory.CreateDirectory(Path.Combine(workspace.Root, "a clone/.git/refs"));
        }
        foreach (string id in new[] { "Embedding.Wrapper", "Embedding.Wrapper.Pretrained" })
        {
            workspace.Dotnet("a clone", "pack", $"src/{id}", "--output", "packages");
            string package = Path.Combine(workspace.Root, "a clone", "packages", Path.GetFileName(workspace.Package(id)));
            Assert.Equal(Entry(workspace.Package(id), $"{id}.dll"), Entry(package, $"{id}.dll"));
            Assert.Equal(Entry(Symbols(workspace.Package(id)), $"{id}.pdb"), Entry(Symbols(package), $"{id}.pdb"));
        }

        static string Symbols(string package) => Path.ChangeExtension(package, ".snupkg");
    }

    [Fact]
    public void APublicMemberIsInThePublicApiOrTheBuildFails()
    {
        Copy("changed");
        workspace.Write("changed/src/Embedding.Wrapper/Unlisted.cs", """
            namespace EmbeddingWrapper;

            /// <summary>Is not in PublicAPI.Unshipped.txt.</summary>
            public static class Unlisted;
            """);
        File.AppendAllText(
            Path.Combine(workspace.Root, "changed/src/Embedding.Wrapper/PublicAPI.Unshipped.txt"), "EmbeddingWrapper.Missing\n");
        string output = workspace.DotnetFails("changed", "build", "src/Embedding.Wrapper");
        Assert.Matches("error RS0016: .*Unlisted", output);
        Assert.Matches("error RS0017: .*EmbeddingWrapper.Missing", output);
    }

    [GeneratedRegex("commit=\"(?<id>\\w+)\"")]
    private static partial Regex Commit();

    /// <summary>Copies what a clone has for the build of the packages, without outputs of builds.</summary>
    private void Copy(string name)
    {
        string[] files =
            [
                .. Directory.GetFiles(Repository.Root),
                .. new[] { "src", "docs" }.SelectMany(folder =>
                    Directory.GetFiles(Path.Combine(Repository.Root, folder), "*", SearchOption.AllDirectories)),
            ];
        foreach (string file in files.Select(file => Path.GetRelativePath(Repository.Root, file)))
        {
            if (file.Split(Path.DirectorySeparatorChar).Any(part => part is "bin" or "obj" or ".git")) continue;
            string copy = Path.Combine(workspace.Root, name, file);
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(Path.Combine(Repository.Root, file), copy);
        }
    }

    private static byte[] Entry(string package, string name)
    {
        using ZipArchive archive = ZipFile.OpenRead(package);
        using Stream content = archive.Entries.Single(entry => entry.Name == name).Open();
        using var copy = new MemoryStream();
        content.CopyTo(copy);
        return copy.ToArray();
    }
}
