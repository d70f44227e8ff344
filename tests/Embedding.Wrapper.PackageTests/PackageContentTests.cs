using System.IO.Compression;
using System.Text;
using System.Xml.Linq;

namespace EmbeddingWrapper.PackageTests;

/// <summary>What is in the package, and what NuGet shows of it.</summary>
public sealed class PackageContentTests(Workspace workspace) : IDisposable
{
    private readonly ZipArchive _package = ZipFile.OpenRead(workspace.Package);

    public void Dispose() => _package.Dispose();

    [Fact]
    public void ItHoldsTheLibraryItsDocumentationAndTheBuildsPart()
    {
        string[] packaging = ["_rels/", "package/", "[Content_Types].xml"];
        string[] names = [.. _package.Entries.Select(entry => entry.FullName).Where(name => !packaging.Any(name.StartsWith))];
        Assert.Equal(
            [
                "CHANGELOG.md",
                "Embedding.Wrapper.nuspec",
                "README.md",
                "buildTransitive/Embedding.Wrapper.targets",
                "buildTransitive/NativeFixTask.cs",
                "docs/MOVING-FROM-PYTORCH.md",
                "docs/MOVING-FROM-TORCHSHARP.md",
                "icon.png",
                "lib/net10.0/Embedding.Wrapper.dll",
                "lib/net10.0/Embedding.Wrapper.xml",
            ],
            names.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void NuGetIsToldWhatItShows()
    {
        Assert.Equal("Embedding.Wrapper", Metadata("id"));
        Assert.Equal("MIT", Metadata("license"));
        Assert.Equal("README.md", Metadata("readme"));
        Assert.Equal("icon.png", Metadata("icon"));
        Assert.Contains("nn.Embedding", Metadata("description"));
        Assert.Contains("pytorch", Metadata("tags").Split(' '));
    }

    [Fact]
    public void ItsDependenciesAreVersionsThatExistAndNoNativeRuntime()
    {
        // TorchSharp asks for versions of the last two that do not exist. The application chooses the native runtime.
        Assert.Equal(
            new[] { "SharpZipLib", "SkiaSharp", "TorchSharp" }.Select(id => (id, Repository.VersionOf(id))),
            Nuspec().Descendants().Where(element => element.Name.LocalName == "dependency")
                .Select(element => (element.Attribute("id")!.Value, element.Attribute("version")!.Value)).Order());
    }

    [Fact]
    public void TheChangelogSaysWhatThisVersionAnswersTo()
    {
        string changelog = Text("CHANGELOG.md");
        string newest = changelog[changelog.IndexOf("\n## ", StringComparison.Ordinal)..].Split("\n## ")[1];
        Assert.StartsWith($"{Metadata("version")} ", newest);
        Assert.Contains($"TorchSharp {Repository.VersionOf("TorchSharp")}", newest);
        Assert.Contains($"libtorch {Repository.VersionOf("libtorch-cpu")}", newest);
        Assert.Contains("PyTorch 2.14.1", newest);
    }

    [Fact]
    public void TheReadmeHasNoLinksThatNuGetCannotFollow() => Assert.DoesNotMatch(@"\]\((?!https://|#)", Text("README.md"));

    [Fact]
    public void TheSymbolsCarryTheSourcesAndNoPathOfThisMachine()
    {
        byte[] library = Bytes(_package, "lib/net10.0/Embedding.Wrapper.dll");
        using ZipArchive symbols = ZipFile.OpenRead(Path.ChangeExtension(workspace.Package, ".snupkg"));
        byte[] database = Bytes(symbols, "lib/net10.0/Embedding.Wrapper.pdb");
        Assert.DoesNotContain(Repository.Root, Encoding.Latin1.GetString(library));
        Assert.DoesNotContain(Repository.Root, Encoding.Latin1.GetString(database));
        Assert.Contains("/_/src/Embedding.Wrapper/", Encoding.Latin1.GetString(library));
        Assert.Contains(EmbeddedSource, Encoding.Latin1.GetString(database));
    }

    // The GUID of portable PDB's "embedded source", 0E8A571B-6926-466E-B4AD-8AB04611F5FE, as it is stored.
    private static string EmbeddedSource => Encoding.Latin1.GetString(new Guid("0E8A571B-6926-466E-B4AD-8AB04611F5FE").ToByteArray());

    private XDocument Nuspec() => XDocument.Parse(Text("Embedding.Wrapper.nuspec").TrimStart('\uFEFF'));

    private string Metadata(string name) => Nuspec().Descendants().First(element => element.Name.LocalName == name).Value;

    private string Text(string name) => Encoding.UTF8.GetString(Bytes(_package, name)).ReplaceLineEndings("\n");

    private static byte[] Bytes(ZipArchive archive, string name)
    {
        using Stream content = archive.GetEntry(name)!.Open();
        using var copy = new MemoryStream();
        content.CopyTo(copy);
        return copy.ToArray();
    }
}
