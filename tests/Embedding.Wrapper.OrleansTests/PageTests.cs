using EmbeddingWrapper.Orleans.Sample;

namespace EmbeddingWrapper.OrleansTests;

/// <summary>docs/MANY-MACHINES.md.</summary>
public class PageTests
{
    [Fact]
    public void ThePageShowsWhatTheSimulationPrints() => Assert.Contains(
        string.Join('\n', Skew.Lines()), File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "MANY-MACHINES.md")).ReplaceLineEndings("\n"));
}
