using EmbeddingWrapper.Orleans;
using Orleans.Configuration;
using Orleans.TestingHost;

namespace EmbeddingWrapper.OrleansTests;

/// <summary>Clusters in this process.</summary>
internal static class TestClusters
{
    public static async Task<InProcessTestCluster> StartAsync(
        int silos, Action<IDictionary<string, EmbeddingTable>> tables, Action<IClientBuilder>? client = null)
    {
        var builder = new InProcessTestClusterBuilder((short)silos);
        builder.Options.ConfigureFileLogging = false;
        builder.ConfigureSilo((_, silo) => silo.AddEmbeddingTables(tables).Configure<ClusterMembershipOptions>(membership =>
        {
            membership.ProbeTimeout = TimeSpan.FromSeconds(1); // so that a silo that is killed is noticed soon
            membership.NumMissedProbesLimit = 1;
        }));
        if (client is not null) builder.ConfigureClient(client);
        InProcessTestCluster cluster = builder.Build();
        await cluster.DeployAsync();
        return cluster;
    }
}
