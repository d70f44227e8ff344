using EmbeddingWrapper.Pretrained;
using EmbeddingWrapper.Repl;
using EmbeddingWrapper.Repl.Prompt;
using static EmbeddingWrapper.ReplTests.Shared;

namespace EmbeddingWrapper.ReplTests;

public class PromptTests
{
    private const string Seeded = "torch.manual_seed(0); var embedding = new Embedding(10, 3);";

    [Theory]
    [InlineData("embedding", "Embedding(10, 3)")]
    [InlineData("new Embedding(4, 2, paddingIdx: 0, sparse: true)", "Embedding(4, 2, padding_idx=0, sparse=True)")]
    [InlineData("embedding.Lookup(1)", "tensor([[-0.4339,  0.8487,  0.6920]], requires_grad=True)")]
    [InlineData("zeros(2)", "tensor([0., 0.])")]
    [InlineData("torch.ones(2, 2).max(1)", "(tensor([1., 1.]), tensor([0, 0]))")]
    [InlineData("new[] { zeros(1), ones(1) }", "[tensor([0.]),\n tensor([1.])]")]
    [InlineData("new Embedding(1, 1) { Weight = new Parameter(zeros(1, 1)) }.state_dict()",
        "{\"weight\": Parameter containing:\ntensor([[0.]], requires_grad=True)}")]
    [InlineData("nn.Sequential((\"words\", embedding), (\"out\", nn.Linear(3, 1)))",
        "Sequential(\n  (words): Embedding(10, 3)\n  (out): Linear(...)\n)")]
    public void WhatIsPyTorchsIsShownAsPyTorchPrintsIt(string code, string expected) =>
        Assert.Equal(expected, Value(Seeded, code));

    [Fact]
    public void AParameterBeginsWithPyTorchsLine() =>
        Assert.StartsWith(
            "Parameter containing:\ntensor([[-1.1258, -1.1524, -0.2506],\n", Value(Seeded, "embedding.Weight"));

    [Theory]
    [InlineData("1 + 1", "2")]
    [InlineData("\"text\"", "\"text\"")]
    [InlineData("embedding.Weight.shape", "long[2] { 10, 3 }")]
    [InlineData("new float[,] { { 1, 2.5f } }", "float[1, 2] { { 1, 2.5 } }")]
    [InlineData("(string)null", "null")]
    [InlineData("await Task.FromResult(5)", "5")]
    public void OtherValuesAreShownAsInCSharpInteractive(string code, string expected) =>
        Assert.Equal(expected, Value(Seeded, code));

    [Theory]
    [InlineData("var x = 1;")]
    [InlineData("using var x = new Embedding(2, 2);")]
    [InlineData("void F() { }", "F()")]
    [InlineData("// nothing")]
    [InlineData("", "  ")]
    public void WhatHasNoValueShowsNothing(params string[] lines) => Assert.Equal("", Value(lines));

    [Fact]
    public void PrintWritesLikePython() =>
        Assert.Equal("text\n1\ntensor([0.])", Value("Print(\"text\"); Print(1); Print(zeros(1));"));

    [Fact]
    public void TheLayerKeepsItsNameBesideTorchSharpsModules() =>
        Assert.Equal("Embedding(2, 2)", Value("using TorchSharp.Modules;", "new Embedding(2, 2)"));

    [Theory]
    [InlineData("embedding.Lookup(99)",
        "ArgumentOutOfRangeException: index out of range in self: index 99 at position [0] is not in [0, 10)")]
    [InlineData("embeding", "(1,1): error CS0103: The name 'embeding' does not exist in the current context")]
    [InlineData("embedding.Wieght", "(1,11): error CS1061: 'Embedding' does not contain a definition for 'Wieght'\n")]
    [InlineData("f() g()", "(1,5): error CS1002: ; expected")]
    [InlineData("?embedding.Lookup", "(1,1): error CS1031: Type expected")]
    [InlineData("zeros(2).reshape(7)", "ExternalException: shape '[7]' is invalid for input of size 2")]
    [InlineData("throw new Exception(\"first\\nsecond\");", "Exception: first")]
    [InlineData("#load \"nowhere.csx\"", "(1,7): error CS1504: Source file 'nowhere.csx' could not be opened")]
    [InlineData("#r \"nowhere.dll\"", "(1,1): error CS0006: Metadata file 'nowhere.dll' could not be found")]
    public void AMistakeCostsOneLineAndNotTheSession(string mistake, string expected)
    {
        Ran ran = Pipe(Seeded, mistake, "embedding");
        Assert.StartsWith(expected, ran.Error);
        Assert.Equal((1, "Embedding(10, 3)\n", 1), (ran.ExitCode, ran.Output, ran.Error.Count('\n')));
    }

    [Fact]
    public void WhatIsStillOpenAtTheEndIsAMistake() =>
        Assert.Equal(new Ran(1, "", "(1,7): error CS1733: Expected expression (and 1 more)\n"), Pipe("foo(1,"));

    [Fact]
    public void TheRestOfAnErrorIsShownOnRequest()
    {
        Ran ran = Pipe("zeros(2).reshape(7)", "#error");
        Assert.Contains("Exception raised from", ran.Output);
        Assert.Contains("TorchSharp.torch.Tensor.reshape(long[])", ran.Output);
        Assert.DoesNotContain("EmbeddingWrapper.Repl", ran.Output);

        Assert.Equal(
            "(1,6): error CS0103: The name 'y' does not exist in the current context\n    2 + (y)\n         ^\n",
            Pipe("2 + (y)", "#error").Output);
        Assert.Equal("Nothing has failed.\n", Pipe("#error").Output);
    }

    [Fact]
    public void AShapeThatMatmulRefusesDoesNotEndTheProcess()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "elsewhere the runtime itself catches C++ exceptions");
        Ran ran = Pipe("var x = zeros(2);", "x.matmul(zeros(3))", "x");
        Assert.StartsWith("ExternalException: inconsistent tensor size, expected tensor [2] and src [3]", ran.Error);
        Assert.Equal("tensor([0., 0.])\n", ran.Output);
    }

    [Fact]
    public void GradientModeHoldsFromLineToLine() =>
        Assert.Equal("false", Value("var off = torch.no_grad();", "await Task.Delay(1);", "torch.is_grad_enabled()"));

    [Fact]
    public void AMissingLibTorchIsToldInOneSentence()
    {
        var error = new TypeInitializationException("TorchSharp.torch", new NotSupportedException("a text\nand a trace"));
        Assert.Equal(Repl.Program.NoLibTorch, Failure.Of(error).Line);
        Assert.Equal(Repl.Program.NoLibTorch, Failure.Of(new TypeInitializationException("My.Type", error)).Line);
    }

    [Fact]
    public void ThePagesExamplesCanBePasted()
    {
        int pasted = 0;
        foreach (TourStep step in TourRecorder.Record(report => new GuidedTour(report).Run()))
        {
            if (step.Heading.StartsWith("Real vectors", StringComparison.Ordinal)) break;
            Ran ran = Pipe(step.Code.Split('\n'));
            Assert.Equal(string.Concat(step.Results.Select(result => $"{result}\n")), ran.Output + ran.Error);
            pasted++;
        }
        Assert.True(pasted >= 8, $"{pasted} steps");
    }

    public static TheoryData<string> Types => [.. new[] { typeof(Embedding).Assembly, typeof(WordVectors).Assembly }
        .SelectMany(assembly => assembly.GetExportedTypes()).Where(type => !type.IsNested).Select(type => type.FullName!)];

    [Theory]
    [MemberData(nameof(Types))]
    public void EveryTypeOfTheLibraryIsThereWithoutAUsing(string type)
    {
        string name = type[(type.LastIndexOf('.') + 1)..];
        Assert.Equal($"\"{type}\"", Value($"typeof({name}).FullName"));
        Assert.Equal($"\"{type}\"", Value("using TorchSharp.Modules;", $"typeof({name}).FullName"));
    }

    [Theory]
    [InlineData("help", "#load")]
    [InlineData("help()", "#load")]
    [InlineData("help;", "#load")]
    [InlineData("#help", "#load")]
    public void HelpHelps(string line, string part) => Assert.Contains(part, Pipe(line).Output);

    [Theory]
    [InlineData("quit")]
    [InlineData("exit")]
    [InlineData("quit()")]
    [InlineData("exit();")]
    [InlineData(" exit ")]
    [InlineData("#quit")]
    [InlineData("#exit")]
    public void QuitLeaves(string line) => Assert.Equal(new Ran(0, "1\n", ""), Pipe("1", line, "2"));

    [Theory]
    [InlineData("int exit = 7;", "exit", "7")]
    [InlineData("int Quit = 0; string quit() => \"mine\";", "quit()", "\"mine\"")]
    [InlineData("var help = \"mine\"", "help", "\"mine\"")]
    public void AVariableOfThatNameWins(string declaration, string line, string value)
    {
        Assert.Equal(value, Value(declaration, line));
        Assert.Equal("", Value(declaration, "#quit", "1"));
    }

    [Fact]
    public void ResetForgets() => Assert.Contains("CS0103", Pipe("var x = 5;", "#reset", "x").Error);
}
