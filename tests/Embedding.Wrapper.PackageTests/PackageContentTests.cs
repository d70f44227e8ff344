using System.IO.Compression;
using System.Text;
using System.Xml.Linq;

namespace EmbeddingWrapper.PackageTests;

/// <summary>What is in the packages, and what NuGet shows of them.</summary>
public sealed class PackageContentTests(Workspace workspace)
{
    private const string Layer = "Embedding.Wrapper", Pretrained = "Embedding.Wrapper.Pretrained", Orleans = "Embedding.Wrapper.Orleans";

    public static TheoryData<string> Packages => new(Layer, Pretrained, Orleans);

    [Fact]
    public void TheLayersHoldsTheLibraryItsDocumentationAndTheBuildsPart() => Assert.Equal(
            [
                "CHANGELOG.md",
                "Embedding.Wrapper.nuspec",
                "README.md",
                "buildTransitive/net10.0/Embedding.Wrapper.targets",
                "buildTransitive/net10.0/NativeFixTask.cs",
                .. Pages(page => page is not ("PROMPTS.md" or "MANY-MACHINES.md")),
                "icon.png",
                "lib/net10.0/Embedding.Wrapper.dll",
                "lib/net10.0/Embedding.Wrapper.xml",
            ],
            Files(Layer));

    [Fact]
    public void TheReadersHoldsTheLibraryAndItsDocumentation() => Assert.Equal(
            [
                "CHANGELOG.md",
                "Embedding.Wrapper.Pretrained.nuspec",
                "README.md",
                .. Pages(page => page is "DIFFERENCES.md" or "RECIPES.md"),
                "icon.png",
                "lib/net10.0/Embedding.Wrapper.Pretrained.dll",
                "lib/net10.0/Embedding.Wrapper.Pretrained.xml",
            ],
            Files(Pretrained));

    [Fact]
    public void TheClustersHoldsTheLibraryAndAPageOfItsOwn()
    {
        Assert.Equal(
            [
                "CHANGELOG.md",
                "Embedding.Wrapper.Orleans.nuspec",
                "README.md",
                "docs/MANY-MACHINES.md",
                "icon.png",
                "lib/net10.0/Embedding.Wrapper.Orleans.dll",
                "lib/net10.0/Embedding.Wrapper.Orleans.xml",
            ],
            Files(Orleans));
        Assert.StartsWith("# Embedding.Wrapper.Orleans", Text(Orleans, "README.md"));
        Assert.StartsWith("# Embedding.Wrapper\n", Text(Layer, "README.md"));
    }

    [Theory]
    [MemberData(nameof(Packages))]
    public void NuGetIsToldWhatItShows(string id)
    {
        Assert.Equal(id, Metadata(id, "id"));
        Assert.Equal("MIT", Metadata(id, "license"));
        Assert.Equal("README.md", Metadata(id, "readme"));
        Assert.Equal("icon.png", Metadata(id, "icon"));
        Assert.Contains(id switch { Layer => "nn.Embedding", Pretrained => "word vectors", _ => "Orleans cluster" }, Metadata(id, "description"));
        Assert.Contains("pytorch", Metadata(id, "tags").Split(' '));
    }

    [Theory]
    [MemberData(nameof(Packages))]
    public void TheReadmeIsThePackagesOwn(string id) => Assert.StartsWith($"# {id}\n", Text(id, "README.md"));

    // TorchSharp asks for versions of SharpZipLib and SkiaSharp that do not exist. The application chooses the native runtime.
    [Fact]
    public void TheLayersDependenciesAreVersionsThatExistAndNoNativeRuntime() =>
        Assert.Equal(new[] { "SharpZipLib", "SkiaSharp", "TorchSharp" }.Select(id => (id, Repository.RangeOf(id))), Dependencies(Layer));

    [Fact]
    public void TorchSharpIsOfTheMinorVersionThatWasTested()
    {
        Version tested = Version.Parse(Repository.VersionOf("TorchSharp"));
        Assert.Contains(("TorchSharp", $"[{tested}, {tested.Major}.{tested.Minor + 1}.0)"), Dependencies(Layer));
    }

    [Fact]
    public void TheReadersDependOnTheLayerOfTheSameVersion() =>
        Assert.Equal(
            Dependencies(Layer).Prepend((Layer, Metadata(Layer, "version"))),
            Dependencies(Pretrained));

    [Fact]
    public void TheClustersDependsOnTheReadersAndOnOrleans() =>
        Assert.Equal(
            Dependencies(Layer)
                .Append((Pretrained, Metadata(Pretrained, "version")))
                .Concat(new[] { "Microsoft.Orleans.Runtime", "Microsoft.Orleans.Sdk" }.Select(id => (id, Repository.VersionOf(id)))).Order(),
            Dependencies(Orleans));

    [Theory]
    [MemberData(nameof(Packages))]
    public void TheChangelogSaysWhatThisVersionAnswersTo(string id)
    {
        string changelog = Text(id, "CHANGELOG.md");
        string newest = changelog[changelog.IndexOf("\n## ", StringComparison.Ordinal)..].Split("\n## ")[1];
        Assert.StartsWith($"{Metadata(id, "version")} ", newest);
        Assert.Contains($"TorchSharp {Repository.VersionOf("TorchSharp")}", newest);
        Assert.Contains($"libtorch {Repository.VersionOf("libtorch-cpu")}", newest);
        Assert.Contains("PyTorch 2.14.1", newest);
    }

    [Theory]
    [MemberData(nameof(Packages))]
    public void TheReadmeHasNoLinksThatNuGetCannotFollow(string id) => Assert.DoesNotMatch(@"\]\((?!https://|#)", Text(id, "README.md"));

    [Theory]
    [MemberData(nameof(Packages))]
    public void TheSymbolsCarryTheSourcesAndNoPathOfThisMachine(string id)
    {
        byte[] library = Bytes(workspace.Package(id), $"lib/net10.0/{id}.dll");
        byte[] database = Bytes(Path.ChangeExtension(workspace.Package(id), ".snupkg"), $"lib/net10.0/{id}.pdb");
        Assert.DoesNotContain(Repository.Root, Encoding.Latin1.GetString(library));
        Assert.DoesNotContain(Repository.Root, Encoding.Latin1.GetString(database));
        Assert.Contains($"/_/src/{id}/", Encoding.Latin1.GetString(library));
        Assert.Contains(EmbeddedSource, Encoding.Latin1.GetString(database));
    }

    // The GUID that marks embedded sources in a portable PDB, as its bytes are stored: 0E8A571B-6926-466E-B4AD-8AB04611F5FE.
    private static string EmbeddedSource => Encoding.Latin1.GetString(new Guid("0E8A571B-6926-466E-B4AD-8AB04611F5FE").ToByteArray());

    private static IEnumerable<string> Pages(Func<string, bool> isBrought) =>
        Directory.GetFiles(Path.Combine(Repository.Root, "docs"), "*.md").Select(page => Path.GetFileName(page))
            .Where(isBrought).Select(page => $"docs/{page}").Order(StringComparer.Ordinal);

    private IEnumerable<string> Files(string id)
    {
        string[] packaging = ["_rels/", "package/", "[Content_Types].xml"];
        using ZipArchive package = ZipFile.OpenRead(workspace.Package(id));
        return [.. package.Entries.Select(entry => entry.FullName).Where(name => !packaging.Any(name.StartsWith)).Order(StringComparer.Ordinal)];
    }

    private IEnumerable<(string Id, string Version)> Dependencies(string id) =>
        Nuspec(id).Descendants().Where(element => element.Name.LocalName == "dependency")
            .Select(element => (element.Attribute("id")!.Value, element.Attribute("version")!.Value)).Order();

    private XDocument Nuspec(string id) => XDocument.Parse(Text(id, $"{id}.nuspec").TrimStart('\uFEFF'));

    private string Metadata(string id, string name) => Nuspec(id).Descendants().First(element => element.Name.LocalName == name).Value;

    private string Text(string id, string name) => Encoding.UTF8.GetString(Bytes(workspace.Package(id), name)).ReplaceLineEndings("\n");

    private static byte[] Bytes(string package, string name)
    {
        using ZipArchive archive = ZipFile.OpenRead(package);
        using Stream content = archive.GetEntry(name)!.Open();
        using var copy = new MemoryStream();
        content.CopyTo(copy);
        return copy.ToArray();
    }
}
