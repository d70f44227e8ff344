using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using System.Text.RegularExpressions;

// The tests share one workspace, and each of their commands keeps two cores busy.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]
[assembly: AssemblyFixture(typeof(EmbeddingWrapper.PackageTests.Workspace))]

namespace EmbeddingWrapper.PackageTests;

/// <summary>
/// A temporary folder that stands for the machine of a developer who has never seen the packages. It has a feed with the packages,
/// which are packed once, and a package cache of its own, which is empty at the start. NuGet reads a package that this cache lacks from
/// the machine's own package folder, which only saves downloads. EMBEDDING_WRAPPER_EMPTY_CACHE=1 turns that off: libtorch is then
/// downloaded again.
/// </summary>
public sealed partial class Workspace : IDisposable
{
    private static readonly string Prefix = $"embedding-wrapper-package-tests-{Environment.UserName}-";

    private readonly Lazy<string[]> _packages;

    public Workspace()
    {
        RemoveWhatKilledRunsLeft();
        Root = Directory.CreateDirectory(
            Path.Combine(Path.GetTempPath(), Prefix + Environment.ProcessId.ToString(CultureInfo.InvariantCulture))).FullName;
        Feed = Directory.CreateDirectory(Path.Combine(Root, "feed")).FullName;

        // Adds the feed to the machine's own sources, for every project below the folder.
        Write("nuget.config", $"""
            <configuration><packageSources><add key="embedding-wrapper" value="{Feed}" /></packageSources></configuration>
            """);
        File.Copy(Path.Combine(Repository.Root, "global.json"), Path.Combine(Root, "global.json"));

        // libtorch is 480 MB for each platform, so builds link to it instead of copying it. Publishing still copies.
        Write("Directory.Build.props", """
            <Project><PropertyGroup>
              <CreateSymbolicLinksForCopyLocalIfPossible>true</CreateSymbolicLinksForCopyLocalIfPossible>
            </PropertyGroup></Project>
            """);
        _packages = new Lazy<string[]>(() => [.. new[] { "Embedding.Wrapper", "Embedding.Wrapper.Pretrained", "Embedding.Wrapper.Orleans" }.Select(Pack)]);
    }

    public string Root { get; }

    public string Feed { get; }

    /// <summary>The version that the packages have.</summary>
    public string Version => Path.GetFileNameWithoutExtension(_packages.Value[0])["Embedding.Wrapper.".Length..];

    /// <summary>The .nupkg file of a package, in a feed that every project of the workspace sees.</summary>
    public string Package(string id) => Path.Combine(Feed, $"{id}.{Version}.nupkg");

    /// <summary>Writes a file below the root.</summary>
    public void Write(string name, string text)
    {
        string path = Path.Combine(Root, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }

    /// <summary>Runs a command line below the root. The test fails if the command fails or a restore gives a warning.</summary>
    /// <returns>What the command wrote to the standard output, with \n after each line.</returns>
    public string Run(string folder, string command, params string[] arguments)
    {
        (int exitCode, string output, string error) = Try(folder, command, arguments);
        string all = $"{command} {string.Join(' ', arguments)}\n{output}{error}";
        Assert.True(exitCode == 0, $"Exit code {exitCode} of {all}");
        Assert.False(RestoreWarning().IsMatch(all), all);
        return output;
    }

    public string Dotnet(string folder, params string[] arguments) => Run(folder, "dotnet", arguments);

    /// <summary>Runs dotnet below the root. The test fails if the command succeeds.</summary>
    /// <returns>What the command wrote, with \n after each line.</returns>
    public string DotnetFails(string folder, params string[] arguments)
    {
        (int exitCode, string output, string error) = Try(folder, "dotnet", arguments);
        Assert.True(exitCode != 0, $"dotnet {string.Join(' ', arguments)} succeeded:\n{output}{error}");
        return output + error;
    }

    /// <summary>Puts a package into the feed that holds nothing. It may depend on one other package.</summary>
    public void AddEmptyPackage(string id, string version, string? dependency = null, string? dependencyVersion = null)
    {
        _ = _packages.Value;
        using ZipArchive package = ZipFile.Open(Path.Combine(Feed, $"{id}.{version}.nupkg"), ZipArchiveMode.Create);
        using var nuspec = new StreamWriter(package.CreateEntry($"{id}.nuspec").Open());
        nuspec.Write($"""
            <package><metadata>
              <id>{id}</id><version>{version}</version><authors>test</authors><description>test</description>
              <dependencies><group targetFramework="netstandard2.0">
                {(dependency is null ? "" : $"<dependency id=\"{dependency}\" version=\"{dependencyVersion}\" />")}
              </group></dependencies>
            </metadata></package>
            """);
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);

    private string Pack(string project)
    {
        string[] before = Directory.GetFiles(Feed, "*.nupkg");
        (int exitCode, string output, string error) = Start(
            Repository.Root, "dotnet", ["pack", $"src/{project}", "--output", Feed]);
        Assert.True(exitCode == 0, output + error);
        return Assert.Single(Directory.GetFiles(Feed, "*.nupkg").Except(before));
    }

    private (int ExitCode, string Output, string Error) Try(string folder, string command, string[] arguments)
    {
        _ = _packages.Value;
        (int exitCode, string output, string error) = Start(Path.Combine(Root, folder), command, arguments);
        if (exitCode != 0 && NoSource().Match(output + error) is { Success: true } match)
            Assert.Skip($"No package source can be reached: {match.Value}");
        return (exitCode, NotAudited().Replace(output, ""), error);
    }

    private (int ExitCode, string Output, string Error) Start(string folder, string command, string[] arguments)
    {
        var start = new ProcessStartInfo(command, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };

        // A test runs inside `dotnet test`, whose build settings a new user would not have.
        foreach (string name in start.Environment.Keys.Where(IsOfThisBuild).ToArray()) start.Environment.Remove(name);
        if (folder.StartsWith(Root, StringComparison.Ordinal))
        {
            start.Environment["NUGET_PACKAGES"] = Path.Combine(Root, "packages");
            if (MachinesPackages.Value is { } packages) start.Environment["NUGET_FALLBACK_PACKAGES"] = packages;
            // On Linux a file-based app is built in this folder. .NET ignores the variable if the folder does not exist.
            start.Environment["XDG_DATA_HOME"] = Directory.CreateDirectory(Path.Combine(Root, "data")).FullName;
        }
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1"; // a build node that keeps running would hold the pipes open
        start.Environment["DOTNET_NOLOGO"] = "1";
        start.Environment["DOTNET_CLI_UI_LANGUAGE"] = "en";

        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        if (!Task.WaitAll([output, error], TimeSpan.FromMinutes(5)))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{command} {string.Join(' ', arguments)} did not end.");
        }
        process.WaitForExit();
        return (process.ExitCode, Lines(output.Result), Lines(error.Result));

        static bool IsOfThisBuild(string name) =>
            name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)
            || name.StartsWith("TESTINGPLATFORM", StringComparison.OrdinalIgnoreCase);

        static string Lines(string text) => text.ReplaceLineEndings("\n");
    }

    private static readonly Lazy<string?> MachinesPackages = new(() =>
    {
        if (Environment.GetEnvironmentVariable("EMBEDDING_WRAPPER_EMPTY_CACHE") == "1") return null;
        string folder = Environment.GetEnvironmentVariable("NUGET_PACKAGES")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        return Directory.Exists(folder) ? folder : null;
    });

    private static void RemoveWhatKilledRunsLeft()
    {
        foreach (string folder in Directory.GetDirectories(Path.GetTempPath(), Prefix + "*"))
        {
            string id = Path.GetFileName(folder)[Prefix.Length..];
            bool runs = Process.GetProcesses().Any(process => process.Id.ToString(CultureInfo.InvariantCulture) == id);
            if (!runs) Directory.Delete(folder, recursive: true);
        }
    }

    [GeneratedRegex(@"error\s*:?\s*NU1301.*")]
    private static partial Regex NoSource();

    [GeneratedRegex(@"warn(ing)?\s*:?\s*NU(?!1900)\d+")]
    private static partial Regex RestoreWarning();

    // NU1900: a source did not give its list of vulnerabilities, for example because it cannot be reached.
    [GeneratedRegex(@"^.*warning NU1900:.*\n", RegexOptions.Multiline)]
    private static partial Regex NotAudited();
}
