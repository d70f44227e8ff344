using EmbeddingWrapper.Orleans.Sample;

namespace EmbeddingWrapper.OrleansTests;

/// <summary>docs/MANY-MACHINES.md.</summary>
public class PageTests
{
    private static readonly string Page = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "MANY-MACHINES.md"));

    [Fact]
    public void ThePageShowsWhatTheSimulationPrints() => Assert.Contains(string.Join('\n', Skew.Lines()), Page.ReplaceLineEndings("\n"));
}
