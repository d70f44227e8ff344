using EmbeddingWrapper.Repl.Prompt;
using static EmbeddingWrapper.ReplTests.Shared;

namespace EmbeddingWrapper.ReplTests;

/// <summary>The sessions that pages show are what really happens at the prompt.</summary>
public class DocumentationTests
{
    [Theory]
    [InlineData("docs/PROMPTS.md", "## This one")]
    [InlineData("docs/PROMPTS.md", "### Word vectors")]
    public void SessionsOnAPageAreWhatHappens(string page, string heading)
    {
        string[] session = [.. Block(page, heading, "text").Where(line => !line.StartsWith('$'))];
        using var output = new StringWriter { NewLine = "\n" };
        string folder = Environment.CurrentDirectory;
        Environment.CurrentDirectory = Root;
        var shell = new Shell(output, output);
        foreach (string line in session.Where(line => line.StartsWith("> ", StringComparison.Ordinal)))
        {
            output.WriteLine(line);
            shell.Piped(new StringReader(line[2..]));
        }
        Environment.CurrentDirectory = folder;
        Assert.NotEmpty(session);
        Assert.Equal(session, output.ToString().TrimEnd('\n').Split('\n'));
    }

    [Fact]
    public async Task TheExampleOfTheReadmeCanBePasted()
    {
        string[] code = Block("README.md", "## Example", "csharp");
        Ran ran = await Start("dotnet", [Shared.Program, "repl"], string.Join('\n', code));
        IEnumerable<string> expected = code.Where(line => line.StartsWith("Console.", StringComparison.Ordinal))
            .Select(line => $"{line.Split("// ")[1]}\n");
        Assert.Equal(new Ran(0, string.Concat(expected), ""), ran);
    }

    /// <summary>The lines of the first block of a language below a heading.</summary>
    private static string[] Block(string page, string heading, string language) =>
        [.. File.ReadLines(Path.Combine(Root, page))
            .SkipWhile(line => line != heading)
            .SkipWhile(line => line != $"```{language}").Skip(1)
            .TakeWhile(line => line != "```")];
}
