using System.Collections.Concurrent;
using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;
using StackExchange.Redis;

namespace EmbeddingWrapper.Orleans.Sample;

/// <summary>Silo processes on the loopback interface, and a client of them in this process.</summary>
internal sealed class LocalCluster : IAsyncDisposable
{
    private static readonly ConcurrentBag<Process> Children = [];
    private static readonly ConcurrentBag<DirectoryInfo> Folders = [];

    private readonly Dictionary<int, Process> _silos = []; // by port
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("embedding-wrapper-");
    private IHost? _client;

    private LocalCluster() => Folders.Add(_folder);

    public static Action<ClusterOptions> Name => options => (options.ClusterId, options.ServiceId) = ("sample", "sample");

    public IClusterClient Client => _client!.Services.GetRequiredService<IClusterClient>();

    /// <summary>Starts the silos and connects to them.</summary>
    /// <param name="silos">How many.</param>
    /// <param name="redis">The port of a Redis server that keeps the list of silos. Without one the first silo keeps it.</param>
    public static async Task<LocalCluster> StartAsync(int silos, int? redis = null)
    {
        var cluster = new LocalCluster();
        int[] ports = FreePorts(2 * silos);
        string membership = redis is null ? Text(ports[0]) : $"redis:{redis}";
        for (int i = 0; i < silos; i++)
        {
            Process process = StartChild(
                Path.ChangeExtension(typeof(LocalCluster).Assembly.Location, OperatingSystem.IsWindows() ? ".exe" : null),
                "silo", Text(ports[2 * i]), Text(ports[(2 * i) + 1]), membership, cluster._folder.FullName);
            cluster._silos[ports[2 * i]] = process;
        }
        foreach (Process process in cluster._silos.Values)
        {
            if (await process.StandardOutput.ReadLineAsync() != SiloProcess.Ready)
                throw new InvalidOperationException("A silo did not start.");
            _ = process.StandardOutput.ReadToEndAsync();
        }

        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new());
        builder.UseOrleansClient(client =>
        {
            if (redis is not null)
                client.UseRedisClustering(options => options.ConfigurationOptions = ConfigurationOptions.Parse($"127.0.0.1:{redis}"));
            else
                client.UseStaticClustering([.. ports.Where((_, i) => i % 2 == 1).Select(port => new IPEndPoint(IPAddress.Loopback, port))]);
            client.Configure<ClusterOptions>(Name);
            client.Configure<ClientMessagingOptions>(options => options.ResponseTimeout = TimeSpan.FromSeconds(10)); // of a dead silo
            client.Configure<GatewayOptions>(options => options.GatewayListRefreshPeriod = TimeSpan.FromSeconds(2));
        });
        cluster._client = builder.Build();
        await cluster._client.StartAsync();
        return cluster;
    }

    /// <summary>Starts a Redis server that keeps nothing on the disk. Null if it is not installed.</summary>
    public static Process? StartRedis(out int port)
    {
        port = FreePorts(1)[0];
        try
        {
            Process redis = StartChild("redis-server", "--port", Text(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no");
            _ = redis.StandardOutput.ReadToEndAsync();
            return redis;
        }
        catch (Win32Exception)
        {
            Console.WriteLine("skipped: redis-server is not installed");
            return null;
        }
    }

    /// <summary>A program that ends with this one.</summary>
    private static Process StartChild(string program, params string[] arguments)
    {
        Process process = Process.Start(
            new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        Children.Add(process);
        return process;
    }

    /// <summary>The processes and folders that end with this program.</summary>
    public static void CleanUp()
    {
        foreach (Process child in Children)
        {
            child.Kill();
            child.WaitForExit();
        }
        foreach (DirectoryInfo folder in Folders)
            if (Directory.Exists(folder.FullName)) folder.Delete(recursive: true);
    }

    private static int[] FreePorts(int count)
    {
        TcpListener[] listeners = [.. Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0))];
        foreach (TcpListener listener in listeners) listener.Start();
        int[] ports = [.. listeners.Select(listener => ((IPEndPoint)listener.LocalEndpoint).Port)];
        foreach (TcpListener listener in listeners) listener.Dispose();
        return ports;
    }

    public static int? RedisPort(string membership) =>
        membership.StartsWith("redis:", StringComparison.Ordinal)
            ? int.Parse(membership["redis:".Length..], CultureInfo.InvariantCulture) : null;

    /// <summary>How many shards each silo has, as text.</summary>
    public async Task<string> ShardsBySiloAsync() => string.Join(", ", (await CountShardsAsync()).Values);

    /// <summary>Kills the silo that has the most shards: SIGKILL, which no process can answer. The first silo is spared.</summary>
    /// <returns>How many shards it had.</returns>
    public async Task<int> KillOneAsync()
    {
        (int port, int shards) = (await CountShardsAsync()).Skip(1).MaxBy(silo => silo.Value);
        _silos[port].Kill();
        return shards;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (Process silo in _silos.Values)
        {
            silo.Kill();
            await silo.WaitForExitAsync();
        }
        _client?.Dispose();
        if (Directory.Exists(_folder.FullName)) _folder.Delete(recursive: true);
    }

    private async Task<Dictionary<int, int>> CountShardsAsync()
    {
        DetailedGrainStatistic[] grains = await Client.GetGrain<IManagementGrain>(0).GetDetailedGrainStatistics();
        int[] ports = [.. grains.Where(grain => grain.GrainType.Contains("EmbeddingWrapper.Orleans.Shard", StringComparison.Ordinal))
            .Select(grain => grain.SiloAddress.Endpoint.Port)];
        return _silos.Keys.ToDictionary(port => port, port => ports.Count(each => each == port));
    }

    private static string Text(int port) => port.ToString(CultureInfo.InvariantCulture);
}
