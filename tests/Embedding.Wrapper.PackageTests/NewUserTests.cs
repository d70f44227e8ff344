namespace EmbeddingWrapper.PackageTests;

/// <summary>The packages as they reach a developer who has never seen this repository.</summary>
public class NewUserTests(Workspace workspace)
{
    private const string ConsoleApp = "Console";

    [Fact]
    public void AConsoleAppRunsTheReadmesExample()
    {
        CreateConsoleApp();
        Assert.Equal(ReadmeExample.Output, workspace.Dotnet(ConsoleApp, "run"));
    }

    [Fact]
    public void APublishedAppRunsWithCopiesOfItsOwn()
    {
        CreateConsoleApp();
        string app = Path.Combine(workspace.Root, "published");
        workspace.Dotnet(ConsoleApp, "publish", "--use-current-runtime", "--no-self-contained", "--output", app);
        Assert.DoesNotContain(Directory.GetFiles(app), file => new FileInfo(file).LinkTarget is not null);
        string program = Path.Combine(app, OperatingSystem.IsWindows() ? $"{ConsoleApp}.exe" : ConsoleApp);
        Assert.Equal(ReadmeExample.Output, workspace.Run(".", program));
        Directory.Delete(app, recursive: true); // half a gigabyte
    }

    /// <summary>One platform's libtorch, linked into the package cache: the two properties do that. Without them bin takes a gigabyte.</summary>
    [Fact]
    public void TwoPropertiesKeepBinSmall()
    {
        workspace.Write("Small/Directory.Build.props", "<Project />"); // instead of the workspace's, which has one of them
        workspace.Write("Small/Small.csproj", $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <ImplicitUsings>enable</ImplicitUsings>
                {Repository.Blocks("README.md", "xml").First()}
              </PropertyGroup>
              <ItemGroup>{Package("Embedding.Wrapper", workspace.Version)}{Package("libtorch-cpu")}</ItemGroup>
            </Project>
            """);
        workspace.Write("Small/Program.cs", ReadmeExample.Code);
        Assert.Equal(ReadmeExample.Output, workspace.Dotnet("Small", "run"));

        FileInfo[] files = new DirectoryInfo(Path.Combine(workspace.Root, "Small/bin")).GetFiles("*", SearchOption.AllDirectories);
        Assert.Contains(files, file => file.Name.Contains("torch_cpu"));
        if (OperatingSystem.IsWindows() && files.All(file => file.LinkTarget is null))
            Assert.Skip("Windows allows no symbolic links here: they need developer mode or an administrator.");
        Assert.InRange(files.Where(file => file.LinkTarget is null).Sum(file => file.Length), 0, 50_000_000);
    }

    [Fact]
    public void AFileIsAnApp()
    {
        workspace.Write("FileBased/app.cs", $"""
            #:package Embedding.Wrapper@{workspace.Version}
            #:package libtorch-cpu@{Repository.VersionOf("libtorch-cpu")}
            {ReadmeExample.Code}
            """);
        Assert.Equal(ReadmeExample.Output, workspace.Dotnet("FileBased", "run", "app.cs"));
    }

    /// <summary>The file readers alone are referenced; the layer and what its package adds to a build come with them.</summary>
    [Fact]
    public void TheFileReadersBringTheLayer()
    {
        workspace.Write("Readers/Readers.csproj", Project("Exe", Package("Embedding.Wrapper.Pretrained", workspace.Version), Package("libtorch-cpu")));
        workspace.Write("Readers/Program.cs", """
            using EmbeddingWrapper;
            using EmbeddingWrapper.Pretrained;

            File.WriteAllText("words.txt", "to 1 2.5\nbe 3 4\n");
            using var words = WordVectors.Load("words.txt");
            using Embedding layer = words.ToEmbedding();
            Console.WriteLine($"{layer}\n{layer.Lookup(0).Repr()}");
            """);
        Assert.Equal("Embedding(2, 2)\ntensor([[1.0000, 2.5000]])\n", workspace.Dotnet("Readers", "run"));
    }

    /// <summary>The package of clusters alone is referenced: the app is a silo, and a client of its own.</summary>
    [Fact]
    public void TheClustersPackageMakesASilo()
    {
        workspace.Write("Cluster/Cluster.csproj", Project("Exe", Package("Embedding.Wrapper.Orleans", workspace.Version), Package("libtorch-cpu")));
        workspace.Write("Cluster/Program.cs", """
            using System.Net;
            using System.Net.Sockets;
            using EmbeddingWrapper.Optim;
            using EmbeddingWrapper.Orleans;
            using Microsoft.Extensions.DependencyInjection;
            using Microsoft.Extensions.Hosting;
            using Orleans;
            using Orleans.Hosting;
            using TorchSharp;

            HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new());
            builder.UseOrleans(silo => silo
                .UseLocalhostClustering(FreePort(), FreePort())
                .AddEmbeddingTables(tables => tables["items"] = new EmbeddingTable(10, 3, shards: 2) { Optimizer = weights => new SGD(weights) }));
            using IHost host = builder.Build();
            await host.StartAsync();
            ShardedEmbedding items = await ShardedEmbedding.OpenAsync(host.Services.GetRequiredService<IGrainFactory>(), "items");
            using (EmbeddingBatch batch = await items.PullAsync(new long[] { 1, 9, 1 }))
            {
                batch.Embedding.call(batch.Indices).sum().backward();
                await items.PushAsync(batch);
            }
            Console.WriteLine(items);
            await host.StopAsync();

            static int FreePort()
            {
                using var listener = new TcpListener(IPAddress.Loopback, 0);
                listener.Start();
                return ((IPEndPoint)listener.LocalEndpoint).Port;
            }
            """);
        Assert.StartsWith("items: 10 rows of 3 in 2 shards, at step 1; SGD(lr=0.001,", workspace.Dotnet("Cluster", "run"));
    }

    [Fact]
    public void AnXunitProjectTestsWithIt()
    {
        workspace.Write("Xunit/Xunit.csproj", Project(
            "Exe", Package("Embedding.Wrapper", workspace.Version), Package("libtorch-cpu"), Package("xunit.v3")));
        workspace.Write("Xunit/EmbeddingTests.cs", """
            using EmbeddingWrapper;
            using Xunit;

            public class EmbeddingTests
            {
                [Fact]
                public void LooksUp()
                {
                    using var embedding = Embedding.FromPretrained(new[,] { { 1f, 2.3f, 3f }, { 4f, 5.1f, 6.3f } });
                    var row = new float[3];
                    embedding.Lookup([1], row.AsSpan());
                    Assert.Equal([4f, 5.1f, 6.3f], row);
                }
            }
            """);
        Assert.Contains("succeeded: 1", workspace.Dotnet("Xunit", "test"));
    }

    [Fact]
    public void AnAppGetsItThroughALibrary()
    {
        workspace.Write("Library/Library.csproj", Project("Library", Package("Embedding.Wrapper", workspace.Version)));
        workspace.Write("Library/Words.cs", """
            using EmbeddingWrapper;

            public static class Words
            {
                private static readonly Embedding Table = Embedding.FromPretrained(new[,] { { 1f, 2.3f, 3f }, { 4f, 5.1f, 6.3f } });

                public static string Row(long index) => $"{Table}\n{Table.Lookup(index).Repr()}";
            }
            """);
        workspace.Write("App/App.csproj", Project(
            "Exe", Package("libtorch-cpu"), """<ProjectReference Include="../Library/Library.csproj" />"""));
        workspace.Write("App/Program.cs", "Console.WriteLine(Words.Row(1));");
        Assert.Equal(ReadmeExample.Output, workspace.Dotnet("App", "run"));
    }

    /// <summary>Runs dotnet new console, adds what the README says to add, and writes its example. The tests share the app.</summary>
    private void CreateConsoleApp()
    {
        if (Directory.Exists(Path.Combine(workspace.Root, ConsoleApp))) return;
        workspace.Dotnet(".", "new", "console", "--output", ConsoleApp);
        AddPackages(ConsoleApp);
        workspace.Write($"{ConsoleApp}/Program.cs", ReadmeExample.Code);
    }

    private void AddPackages(string project)
    {
        string[] commands = [.. Repository.Commands("README.md").Where(command => command.StartsWith("dotnet add package"))];
        Assert.Equal(2, commands.Length);
        foreach (string command in commands)
        {
            // A newer version may be public when this runs.
            string[] version = command.Contains("--version") ? [] : ["--version", workspace.Version];
            workspace.Dotnet(project, [.. command.Split(' ')[1..], .. version]);
        }
    }

    internal static string Project(string outputType, params string[] items) => $"""
        <Project Sdk="Microsoft.NET.Sdk">
          <PropertyGroup>
            <OutputType>{outputType}</OutputType>
            <TargetFramework>net10.0</TargetFramework>
            <Nullable>enable</Nullable>
            <ImplicitUsings>enable</ImplicitUsings>
            <UseCurrentRuntimeIdentifier Condition="'$(OutputType)' == 'Exe'">true</UseCurrentRuntimeIdentifier>
            <SelfContained>false</SelfContained>
          </PropertyGroup>
          <ItemGroup>{string.Concat(items)}</ItemGroup>
        </Project>
        """;

    internal static string Package(string id, string? version = null) =>
        $"""<PackageReference Include="{id}" Version="{version ?? Repository.VersionOf(id)}" />""";
}
