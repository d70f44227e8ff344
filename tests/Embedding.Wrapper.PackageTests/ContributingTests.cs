namespace EmbeddingWrapper.PackageTests;

/// <summary>CONTRIBUTING.md, .ci/run and the workflows agree.</summary>
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

    /// <summary>The workflows run the commands that need .NET alone: the other systems do not have the PyTorch of the goldens.</summary>
    [Fact]
    public void TheWorkflowsRunThePagesCommandsOfDotnetInItsOrder()
    {
        string[] commands = [.. Repository.Commands("CONTRIBUTING.md").Where(command =>
            command.Contains("dotnet ") && !command.Contains("dotnet format") && !command.Contains("--filter"))];
        Assert.Equal(commands, Steps("ci.yml").Where(step => step.Contains("dotnet ")));
        Assert.Contains(".ci/run", Steps("ci.yml"));
        Assert.Equal(
            commands.Where(command => command.StartsWith("dotnet pack")).Select(command => $"{command} --output packages"),
            Steps("release.yml").Where(step => step.StartsWith("dotnet pack")));

        static IEnumerable<string> Steps(string workflow) =>
            from line in Repository.Read($".github/workflows/{workflow}").Split('\n')
            where line.Contains("- run: ")
            select line.Split("- run: ")[1];
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
