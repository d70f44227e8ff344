using Microsoft.Extensions.DependencyInjection;

namespace EmbeddingWrapper.Orleans;

/// <summary>Adds sharded tables to the silos of an Orleans cluster.</summary>
public static class EmbeddingTablesExtensions
{
    /// <summary>Tells a silo which tables the cluster has. Every silo needs the same tables.</summary>
    /// <param name="silo">The silo.</param>
    /// <param name="configure">
    /// Adds tables by name: <c>tables => tables["items"] = new EmbeddingTable(1_000_000, 64, shards: 12)</c>.
    /// </param>
    /// <returns>The silo.</returns>
    /// <remarks>
    /// A shard is a grain of Orleans. It is placed when a client first opens the table, and stays until its silo stops. Orleans decides
    /// where it is placed.
    /// </remarks>
    /// <exception cref="ArgumentNullException"><paramref name="silo"/> or <paramref name="configure"/> is null.</exception>
    public static ISiloBuilder AddEmbeddingTables(this ISiloBuilder silo, Action<IDictionary<string, EmbeddingTable>> configure)
    {
        ArgumentNullException.ThrowIfNull(silo);
        ArgumentNullException.ThrowIfNull(configure);
        silo.Services.Configure<EmbeddingTables>(tables => configure(tables.ByName));
        return silo;
    }
}

/// <summary>The tables of a silo, as its services hold them.</summary>
internal sealed class EmbeddingTables
{
    public Dictionary<string, EmbeddingTable> ByName { get; } = [];
}
