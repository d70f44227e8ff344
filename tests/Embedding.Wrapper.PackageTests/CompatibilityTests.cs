using System.Text.RegularExpressions;

namespace EmbeddingWrapper.PackageTests;

/// <summary>What NuGet says to projects that the packages do not fit.</summary>
public class CompatibilityTests(Workspace workspace)
{
    private const string Layer = "Embedding.Wrapper", Readers = "Embedding.Wrapper.Pretrained";

    [Fact]
    public void AnOlderFrameworkIsToldWhichOneIsSupported()
    {
        string[] frameworks = ["net8.0", "net9.0", "netstandard2.0"];
        workspace.Write("Older/Older.csproj", $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <TargetFrameworks>{string.Join(';', frameworks)}</TargetFrameworks>
                <DisableImplicitFrameworkReferences>true</DisableImplicitFrameworkReferences>
              </PropertyGroup>
              <ItemGroup>{NewUserTests.Package(Layer, workspace.Version)}{NewUserTests.Package(Readers, workspace.Version)}</ItemGroup>
            </Project>
            """);
        string output = workspace.DotnetFails("Older", "restore");
        foreach (string package in new[] { Layer, Readers }.Select(id => $"{id} {workspace.Version}"))
        {
            Assert.All(frameworks, framework => Assert.Matches(
                $@"NU1202: Package {Regex.Escape(package)} is not compatible with {framework} .*supports: net10\.0 ", output));
        }
    }

    /// <summary>TorchSharp's range: NuGet refuses what the library was not tested with, unless the project itself asks for it.</summary>
    [Fact]
    public void AnotherTorchSharpIsTakenOnlyWhenTheProjectAsksForIt()
    {
        const string older = "0.106.9-test", newer = "0.108.1-test"; // no feed has them but the workspace's
        workspace.AddEmptyPackage("TorchSharp", older);
        workspace.AddEmptyPackage("TorchSharp", newer);
        workspace.AddEmptyPackage("Needs.Newer.TorchSharp", "1.0.0", "TorchSharp", newer);
        Write("AsksForNewer", NewUserTests.Package("TorchSharp", newer));
        Write("AsksForOlder", NewUserTests.Package("TorchSharp", older));
        Write("NeedsNewer", NewUserTests.Package("Needs.Newer.TorchSharp", "1.0.0"));
        Write("NeedsAndAsksForNewer", NewUserTests.Package("Needs.Newer.TorchSharp", "1.0.0"), NewUserTests.Package("TorchSharp", newer));

        Assert.Contains("error NU1605", workspace.DotnetFails("Range/AsksForOlder", "restore"));
        Assert.Contains("error NU1107", workspace.DotnetFails("Range/NeedsNewer", "restore"));
        foreach (string project in new[] { "AsksForNewer", "NeedsAndAsksForNewer" })
        {
            Assert.Contains("error NU1608", workspace.DotnetFails($"Range/{project}", "restore", "-p:TreatWarningsAsErrors=true"));
            workspace.Dotnet($"Range/{project}", "restore", "-p:NoWarn=NU1608");
        }

        void Write(string name, params string[] packages) => workspace.Write(
            $"Range/{name}/{name}.csproj", NewUserTests.Project("Library", [NewUserTests.Package(Layer, workspace.Version), .. packages]));
    }
}
