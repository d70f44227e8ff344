using System.Globalization;
using System.Net;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using StackExchange.Redis;

namespace EmbeddingWrapper.Orleans.Sample;

/// <summary>One silo, as a process of its own.</summary>
internal static class SiloProcess
{
    public const string Ready = "ready";

    /// <summary>
    /// Runs until the input ends: <c>siloPort gatewayPort membership folder</c>. Membership is the port of the first silo, which then
    /// keeps the list of silos in its memory, or <c>redis:PORT</c>.
    /// </summary>
    public static async Task RunAsync(string[] args)
    {
        _ = Task.Run(async () =>
        {
            await Console.In.ReadToEndAsync(); // the parent has ended
            Environment.Exit(0);
        });
        (int siloPort, int gatewayPort) = (Port(args[0]), Port(args[1]));
        (string membership, string folder) = (args[2], args[3]);
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Logging.AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace).SetMinimumLevel(LogLevel.Critical);
        builder.UseOrleans(silo =>
        {
            if (LocalCluster.RedisPort(membership) is { } redis)
                silo.UseRedisClustering(options => options.ConfigurationOptions = ConfigurationOptions.Parse($"127.0.0.1:{redis}"));
            else
                silo.UseDevelopmentClustering(new IPEndPoint(IPAddress.Loopback, Port(membership)));
            silo.ConfigureEndpoints(IPAddress.Loopback, siloPort, gatewayPort, listenOnAnyHostAddress: false);
            silo.Configure<ClusterOptions>(LocalCluster.Name);
            silo.Configure<ClusterMembershipOptions>(options =>
            {
                // A silo that dies is noticed within seconds. In a real cluster a busy silo should have longer to answer.
                options.ProbeTimeout = TimeSpan.FromSeconds(2);
                options.NumMissedProbesLimit = 3;
            });
            silo.AddEmbeddingTables(tables => Tables.Add(tables, folder));
        });
        using IHost host = builder.Build();
        await host.StartAsync();
        Console.WriteLine(Ready);
        await Task.Delay(Timeout.Infinite);
    }

    private static int Port(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
