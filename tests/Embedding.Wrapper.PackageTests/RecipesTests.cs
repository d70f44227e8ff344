using System.Diagnostics;
using System.Text.RegularExpressions;

namespace EmbeddingWrapper.PackageTests;

/// <summary>Each program of docs/RECIPES.md compiles against the packages, runs, and prints what the page says.</summary>
public partial class RecipesTests(Workspace workspace)
{
    private const string WebService = "A web service";

    private static readonly string[] Sections = Repository.Read("docs/RECIPES.md").Split("\n## ")[1..];

    public static TheoryData<string> Programs => [.. Sections.Select(Heading).Where(heading => heading != WebService)];

    [Theory]
    [MemberData(nameof(Programs))]
    public void TheProgramPrintsWhatThePageSays(string heading)
    {
        string section = Sections.Single(section => Heading(section) == heading);
        string folder = CreateProject(heading, section, "Microsoft.NET.Sdk");
        IEnumerable<string> output = Commands(section).DefaultIfEmpty("dotnet run")
            .Select(command => workspace.Dotnet(folder, command.Split(' ')[1..]));
        Assert.Equal(Block(section, "text"), string.Concat(output));
    }

    [Fact]
    public async Task TheWebServiceAnswersWhatThePageSays()
    {
        string section = Sections.Single(section => Heading(section) == WebService);
        string folder = CreateProject(WebService, section, "Microsoft.NET.Sdk.Web");
        workspace.Dotnet(folder, "build");
        var start = new ProcessStartInfo("dotnet", ["run", "--no-build", "--urls", "http://127.0.0.1:0"])
        {
            WorkingDirectory = Path.Combine(workspace.Root, folder),
            RedirectStandardOutput = true,
        };
        using Process service = Process.Start(start)!;
        try
        {
            string? line;
            do line = await service.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken);
            while (line is not null && !line.Contains("Now listening on:"));
            Assert.NotNull(line);
            using var client = new HttpClient { BaseAddress = new Uri(line.Split("Now listening on:")[1].Trim()) };
            string path = Regex.Match(section, "`GET (/[^`]+)`").Groups[1].Value;
            Assert.Equal(Block(section, "text").TrimEnd(), await client.GetStringAsync(path, TestContext.Current.CancellationToken));
            Assert.Equal(System.Net.HttpStatusCode.NotFound,
                (await client.GetAsync("/similar/qwertyuiop", TestContext.Current.CancellationToken)).StatusCode);
        }
        finally
        {
            service.Kill(entireProcessTree: true);
            await service.WaitForExitAsync(TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Creates a project with the program of a section, its packages, and the word vectors that it may read.</summary>
    private string CreateProject(string heading, string section, string sdk)
    {
        string folder = $"Recipes/{NotAName().Replace(heading, "")}";
        bool isFSharp = section.Contains("```fsharp");
        string project = NewUserTests.Project("Exe",
        [
            NewUserTests.Package("Embedding.Wrapper.Pretrained", workspace.Version), NewUserTests.Package("libtorch-cpu"),
            .. AddedPackage().Matches(section).Select(match => NewUserTests.Package(match.Groups["id"].Value, match.Groups["version"].Value)),
            isFSharp ? """<Compile Include="Program.fs" />""" : "",
        ]);
        workspace.Write($"{folder}/Recipe.{(isFSharp ? "fsproj" : "csproj")}", project.Replace("Microsoft.NET.Sdk", sdk));
        workspace.Write($"{folder}/Program.{(isFSharp ? "fs" : "cs")}", Block(section, isFSharp ? "fsharp" : "csharp"));
        if (section.Contains("glove"))
        {
            File.CreateSymbolicLink(
                Path.Combine(workspace.Root, folder, "glove.6B.100d.txt"),
                Path.Combine(Repository.Root, "src/Embedding.Wrapper.Repl/Data/glove.6B.100d.first2000.txt"));
        }
        return folder;
    }

    private static string Heading(string section) => section[..section.IndexOf('\n')];

    private static IEnumerable<string> Commands(string section) => RunCommand().Matches(section).Select(match => match.Groups[1].Value);

    private static string Block(string section, string language) => section.Split($"\n```{language}\n")[1].Split("```\n")[0];

    [GeneratedRegex("`(dotnet run[^`]*)`")]
    private static partial Regex RunCommand();

    [GeneratedRegex("`dotnet add package (?<id>[^ ]+) --version (?<version>[^` ]+)`")]
    private static partial Regex AddedPackage();

    [GeneratedRegex("[^A-Za-z]")]
    private static partial Regex NotAName();
}
