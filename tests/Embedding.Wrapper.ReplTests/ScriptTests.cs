using static EmbeddingWrapper.ReplTests.Shared;

namespace EmbeddingWrapper.ReplTests;

/// <summary>The program as a process: pipes, files, exit codes.</summary>
public sealed class ScriptTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("embedding-wrapper-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task PipedInputRunsWithoutPrompts()
    {
        Ran ran = await Repl(["repl"], "var e = new Embedding(10, 3);\ne\n\n1 + 1");
        Assert.Equal(new Ran(0, "Embedding(10, 3)\n2\n", ""), ran);
    }

    [Fact]
    public async Task APipedMistakeSetsTheExitCodeAndTheRestRuns()
    {
        Ran ran = await Repl(["repl"], "embeding\n1 + 1\n");
        Assert.Equal(
            new Ran(1, "2\n", "(1,1): error CS0103: The name 'embeding' does not exist in the current context\n"), ran);
    }

    [Theory]
    [InlineData("repl", "x.csx", "a", "b")]
    [InlineData("x.csx", "a", "b")]
    public async Task AFileRunsWithItsArguments(params string[] arguments)
    {
        Write("other.csx", "int Twice(int n) => 2 * n;");
        Write("x.csx", """
            #load "other.csx"
            using var e = new Embedding(2, 2);
            Print(string.Join(' ', Args));
            Twice(4)
            """);
        Assert.Equal(new Ran(0, "a b\n8\n", ""), await Repl(arguments));
    }

    [Fact]
    public async Task ALoadedFileMayHaveUsingVarAsAScriptMay()
    {
        Write("inner.csx", "using var inner = new Embedding(3, 3);\n");
        Write("x.csx", """
            #load "inner.csx"
            using System.Text;
            using var e = new Embedding(2, 2);
            int sum = 0;
            for (int i = 0; i < 3; i++) sum += i;
            Print(e);
            """);
        Ran loaded = await Repl(["repl"], "#load \"x.csx\"\ne\ninner\nsum");
        Assert.Equal(new Ran(0, "Embedding(2, 2)\nEmbedding(2, 2)\nEmbedding(3, 3)\n3\n", ""), loaded);
        Assert.Equal(new Ran(0, "Embedding(2, 2)\n", ""), await Repl(["x.csx"]));
    }

    [Fact]
    public async Task AMistakeInALoadedFileNamesItsLineAndColumn()
    {
        string path = Write("x.csx", "using var e = new Embedding(2, 2);\nwhile (true) { wrong(); }\n");
        string expected = $"{path}(2,16): error CS0103: The name 'wrong' does not exist in the current context\n";
        Assert.Equal(new Ran(1, "", expected), await Repl(["repl"], "#load \"x.csx\""));
        Assert.Equal(new Ran(1, "", expected), await Repl(["x.csx"]));
    }

    [Fact]
    public async Task AFileKeepsTheRulesOfCSharp()
    {
        string path = Write("x.csx", "var x = 5\nPrint(x);\n");
        Assert.Equal(new Ran(1, "", $"{path}(1,10): error CS1002: ; expected\n"), await Repl(["x.csx"]));
    }

    [Fact]
    public async Task AFileThatFailsNamesTheLine()
    {
        string path = Write("x.csx", "var e = new Embedding(2, 2);\n\ne.Lookup(2);\n");
        Ran ran = await Repl(["x.csx"]);
        Assert.StartsWith($"{path}(3): ArgumentOutOfRangeException: index out of range in self", ran.Error);
        Assert.Equal((1, "", 1), (ran.ExitCode, ran.Output, ran.Error.Count('\n')));
    }

    [Fact]
    public async Task AFileThatDoesNotCompileRunsNothing()
    {
        string path = Write("x.csx", "Print(1);\nembeding\n");
        Assert.Equal(
            new Ran(1, "", $"{path}(2,1): error CS0103: The name 'embeding' does not exist in the current context\n"),
            await Repl(["x.csx"]));
    }

    [Fact]
    public async Task AMissingFileIsNamed() =>
        Assert.Equal(
            new Ran(1, "", $"There is no file {Path.Combine(_folder.FullName, "x.csx")}.\n"), await Repl(["x.csx"]));

    [Fact]
    public async Task AnAssemblyCanBeReferenced()
    {
        File.Copy(typeof(Xunit.Assert).Assembly.Location, Path.Combine(_folder.FullName, "asserts.dll"));
        Ran ran = await Repl(["repl"], "#r \"asserts.dll\"\ntypeof(Xunit.Assert).Name\n");
        Assert.Equal(new Ran(0, "\"Assert\"\n", ""), ran);
    }

    private string Write(string name, string text)
    {
        string path = Path.Combine(_folder.FullName, name);
        File.WriteAllText(path, text);
        return path;
    }

    private Task<Ran> Repl(IEnumerable<string> arguments, string input = "") =>
        Start("dotnet", [Shared.Program, .. arguments], input, _folder.FullName);
}
