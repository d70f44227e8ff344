namespace EmbeddingWrapper.PackageTests;

/// <summary>CONTRIBUTING.md and .ci/run agree.</summary>
public class ContributingTests
{
    [Fact]
    public void CiRunsEveryCommandOfThePageInItsOrder()
    {
        string[] lines = [.. Repository.Read(".ci/run").Split('\n').Select(line => line.Split(" 2>&1")[0].Trim())];
        string[] commands = [.. Repository.Commands("CONTRIBUTING.md")];
        Assert.NotEmpty(commands);
        int next = 0;
        foreach (string command in commands)
        {
            int found = Array.IndexOf(lines, command, next);
            Assert.True(found >= 0, $"CONTRIBUTING.md has this command; .ci/run does not run it, or runs it earlier: {command}");
            next = found + 1;
        }
    }

    [Fact]
    public void ThePageHasTheCheckOfEveryScript()
    {
        const string folder = "parity-scripts/checks/";
        IEnumerable<string?> scripts = Directory.GetFiles(Path.Combine(Repository.Root, folder), "*.py").Select(Path.GetFileName);
        Assert.Equal(
            scripts.Select(script => $"{folder}{script} check").Order(),
            Repository.Commands("CONTRIBUTING.md").Where(command => command.StartsWith(folder, StringComparison.Ordinal)).Order());
    }
}
