using System.Text.RegularExpressions;

namespace EmbeddingWrapper.PackageTests;

/// <summary>
/// The build warns about a program that has no libtorch, and only about such a program. One build makes all the projects; each is named
/// after what it is.
/// </summary>
public partial class NativeRuntimeWarningTests(Workspace workspace)
{
    private const string Folder = "Runtimes", Layer = "Embedding.Wrapper", Readers = "Embedding.Wrapper.Pretrained", Cpu = "libtorch-cpu";

    // No feed has these versions of CUDA's packages but the workspace's.
    private const string CudaVersion = "2.10.0-test";
    private static readonly string[] CudaPackages =
        ["libtorch-cuda-12.8-linux-x64", "libtorch-cuda-12.8-win-x64", "libtorch-cuda-12.8-win-x64-part3-primary"];

    private static readonly Dictionary<string, string> Warned = new()
    {
        ["Console"] = Project("Exe", References(Layer)),
        ["Windowed"] = Project("WinExe", References(Layer)),
        ["ReadersOnly"] = Project("Exe", References(Readers)),
        ["FSharp"] = Project("Exe", References(Layer) + """<Compile Include="Program.fs" />"""),
        ["Tests"] = Project("Library", References(Layer), "<IsTestProject>true</IsTestProject>"),
        ["Web"] = Project("Exe", References(Layer)).Replace("Microsoft.NET.Sdk", "Microsoft.NET.Sdk.Web"),
        ["ThroughProject"] = Project("Exe", """<ProjectReference Include="../Library/Library.csproj" />"""),
        ["RuntimeOfAnotherProjectAlone"] = Project("Exe", """<ProjectReference Include="../PrivateRuntime/PrivateRuntime.csproj" />"""),
        ["LineAdded"] = Project("Exe", References(Layer)),
    };

    private static readonly Dictionary<string, string> Silent = new()
    {
        ["Library"] = Project("Library", References(Layer)),
        ["WindowsLibrary"] = Project("Library", References(Layer, Readers), """
            <TargetFramework>net10.0-windows</TargetFramework>
            <EnableWindowsTargeting>true</EnableWindowsTargeting>
            <DisableTransitiveFrameworkReferenceDownloads>true</DisableTransitiveFrameworkReferenceDownloads>
            """),
        ["PrivateRuntime"] = Project("Library", References(Layer) + $"""<PackageReference Include="{Cpu}" PrivateAssets="all" />"""),
        ["WithCpu"] = Project("Exe", References(Layer, Cpu)),
        ["WithCpuOfLinux"] = Project("Exe", References(Readers, "libtorch-cpu-linux-x64")),
        ["WithCpuOfMac"] = Project("Exe", References(Layer, "libtorch-cpu-osx-arm64")),
        ["WithCudaOfLinux"] = Project("Exe", References(Layer, CudaPackages[0])),
        ["WithCudaOfWindows"] = Project("WinExe", References(Layer, CudaPackages[1])),
        ["WithAPartOfCuda"] = Project("Exe", References(Layer, CudaPackages[2])),
        ["RuntimeThroughProject"] = Project(
            "Exe", References(Layer) + """<ProjectReference Include="../RuntimeLibrary/RuntimeLibrary.csproj" />"""),
        ["RuntimeLibrary"] = Project("Library", References(Cpu)),
        ["RuntimeThroughPackage"] = Project("Exe", References(Layer, "company.runtime")),
        ["OddlySpelled"] = Project("Exe", References(Layer, "LibTorch-CPU-linux-x64")),
        ["SwitchedOff"] = Project(
            "Exe", References(Layer), "<EmbeddingWrapperNativeRuntimeWarning>off</EmbeddingWrapperNativeRuntimeWarning>"),
        ["NotWarned"] = Project("Exe", References(Layer), "<NoWarn>$(NoWarn);EW0001</NoWarn>"),
        ["DesignTime"] = Project("Exe", References(Layer), "<DesignTimeBuild>true</DesignTimeBuild>"),
        ["WithoutTorch"] = Project("Exe", References("SharpZipLib")),
    };

    private static Lazy<string>? _output;

    public static TheoryData<string> WarnedProjects => new(Warned.Keys);

    public static TheoryData<string> SilentProjects => new(Silent.Keys);

    [Theory]
    [MemberData(nameof(WarnedProjects))]
    public void AProgramWithoutLibtorchIsWarnedAboutOnce(string project) =>
        Assert.Single(Warnings(Output()), warned => warned == project);

    [Theory]
    [MemberData(nameof(SilentProjects))]
    public void NothingElseIsWarnedAbout(string project) => Assert.DoesNotContain(project, Warnings(Output()));

    [Fact]
    public void TheWarningHasTheLineToAddAndTheWayToSwitchItOff()
    {
        string warning = Output().Split('\n').First(line => line.Contains("EW0001") && line.Contains("LineAdded"));
        string command = Regex.Match(warning, @"dotnet add package \S+ --version \S+").Value;
        Assert.Equal($"dotnet add package {Cpu} --version {Repository.VersionOf(Cpu)}", command);
        Assert.All(CudaPackages[..2], package => Assert.Contains(package, warning));
        Assert.Contains("EmbeddingWrapperNativeRuntimeWarning to off", warning);

        workspace.Dotnet($"{Folder}/LineAdded", command.Split(' ')[1..]);
        Assert.DoesNotContain("EW0001", workspace.Dotnet($"{Folder}/LineAdded", "build", "--no-restore"));
    }

    [Fact]
    public void PublishingWarnsOnceToo()
    {
        _ = Output();
        Assert.Equal(["Console"], Warnings(workspace.Dotnet($"{Folder}/Console", "publish", "--no-restore")));
    }

    [Fact]
    public void ItCanBeAnError()
    {
        _ = Output();
        Assert.Contains("error EW0001", workspace.DotnetFails(
            $"{Folder}/Console", "build", "--no-restore", "-p:WarningsAsErrors=EW0001"));
    }

    [Fact]
    public void AFileThatIsAnAppGetsALineOfItsOwn()
    {
        string package = $"#:package {Cpu}@{Repository.VersionOf(Cpu)}";
        workspace.Write("File/app.cs", $"#:package {Layer}@{workspace.Version}\nConsole.WriteLine(1);");
        string output = workspace.Dotnet("File", "build", "app.cs");
        Assert.Equal(["app"], Warnings(output));
        Assert.Contains($"Add this line: {package} (", output);

        workspace.Write("File/app.cs", $"{package}\n#:package {Layer}@{workspace.Version}\nConsole.WriteLine(1);");
        Assert.DoesNotContain("EW0001", workspace.Dotnet("File", "build", "app.cs"));
    }

    private string Output() => (_output ??= new Lazy<string>(Build)).Value;

    private string Build()
    {
        foreach (string package in CudaPackages) workspace.AddEmptyPackage(package, CudaVersion);
        workspace.AddEmptyPackage("Company.Runtime", "1.0.0", CudaPackages[0], CudaVersion);
        string[] real = [Cpu, "libtorch-cpu-linux-x64", "libtorch-cpu-osx-arm64", "SharpZipLib"];
        IEnumerable<(string Id, string Version)> versions =
            [
                .. new[] { Layer, Readers }.Select(id => (id, workspace.Version)),
                .. CudaPackages.Select(id => (id, CudaVersion)),
                .. real.Select(id => (id, Repository.VersionOf(id == "SharpZipLib" ? id : Cpu))),
                ("Company.Runtime", "1.0.0"),
            ];
        workspace.Write($"{Folder}/Directory.Packages.props", $"""
            <Project>
              <PropertyGroup><ManagePackageVersionsCentrally>true</ManagePackageVersionsCentrally></PropertyGroup>
              <ItemGroup>
                {string.Concat(versions.Select(package => $"<PackageVersion Include=\"{package.Id}\" Version=\"{package.Version}\" />\n"))}
              </ItemGroup>
            </Project>
            """);

        // Nothing here runs, so nothing of the packages is copied.
        workspace.Write($"{Folder}/Directory.Build.props", """
            <Project><PropertyGroup>
              <TargetFramework>net10.0</TargetFramework>
              <CopyLocalLockFileAssemblies>false</CopyLocalLockFileAssemblies>
              <UseAppHost>false</UseAppHost>
              <EmbeddingWrapperNativeFix>off</EmbeddingWrapperNativeFix>
            </PropertyGroup></Project>
            """);
        var paths = new List<string>();
        foreach ((string name, string text) in Warned.Concat(Silent))
        {
            bool isFSharp = text.Contains(".fs\"");
            paths.Add($"{name}/{name}.{(isFSharp ? "fs" : "cs")}proj");
            workspace.Write($"{Folder}/{paths[^1]}", text);
            if (text.Contains("Library</OutputType>")) continue;
            (string file, string code) = isFSharp ? ("Program.fs", "printfn \"1\"") : ("Program.cs", "System.Console.WriteLine(1);");
            workspace.Write($"{Folder}/{name}/{file}", code);
        }
        IEnumerable<string> projects = paths.Select(path => $"<Project Path=\"{path}\" />");
        workspace.Write($"{Folder}/All.slnx", $"<Solution>{string.Concat(projects)}</Solution>");
        return workspace.Dotnet(Folder, "build", "All.slnx");
    }

    private static string Project(string outputType, string items, string properties = "") => $"""
        <Project Sdk="Microsoft.NET.Sdk">
          <PropertyGroup><OutputType>{outputType}</OutputType>{properties}</PropertyGroup>
          <ItemGroup>{items}</ItemGroup>
        </Project>
        """;

    private static string References(params string[] ids) => string.Concat(ids.Select(id => $"<PackageReference Include=\"{id}\" />"));

    /// <summary>The names of the projects that a build warned about, one for each warning. The summary repeats the warnings.</summary>
    private static IEnumerable<string> Warnings(string output) =>
        from warning in Warning().Matches(output.Split("\nBuild succeeded")[0])
        select warning.Groups["project"].Value;

    [GeneratedRegex(@"(?<project>\w+)(\.cs)?\.(cs|fs)proj\s*: warning EW0001:")]
    private static partial Regex Warning();
}
