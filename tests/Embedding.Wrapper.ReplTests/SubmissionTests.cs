using EmbeddingWrapper.Repl.Prompt;

namespace EmbeddingWrapper.ReplTests;

public class SubmissionTests
{
    [Theory]
    [InlineData("1 + 1")]
    [InlineData("var x = 5;")]
    [InlineData("void F()\n{\n\n}")]
    [InlineData("using var e = new Embedding(1, 1);")]
    [InlineData("\"\"\"\nraw\n\"\"\"")]
    [InlineData("a b c")]
    [InlineData("}")]
    [InlineData("#r \"x.dll\"")]
    [InlineData("")]
    public void CompleteTextsRunAtOnce(string text) => Assert.True(Submission.IsComplete(text));

    [Theory]
    [InlineData("f(1,")]
    [InlineData("for (int i = 0; i < 2; i++)")]
    [InlineData("class A")]
    [InlineData("void F()")]
    [InlineData("if (x) {")]
    [InlineData("var e = new Embedding(10,")]
    [InlineData("using var e = new Embedding(10,")]
    [InlineData("\"\"\"\nraw")]
    [InlineData("/* comment")]
    [InlineData("1 +")]
    public void OpenTextsWaitForMore(string text) => Assert.False(Submission.IsComplete(text));

    [Theory]
    [InlineData("var x = 5")]
    [InlineData("int x = 5")]
    [InlineData("using var e = new Embedding(1, 1)")]
    public void AMissingSemicolonIsAMistakeUnlessMoreFollows(string text)
    {
        Assert.True(Submission.IsComplete(text));
        Assert.False(Submission.IsComplete(text, moreFollows: true));
    }

    [Theory]
    [InlineData("using var x = y;", "      var x = y;")]
    [InlineData("using System;\nusing var x = y;", "using System;\n      var x = y;")]
    [InlineData("{ using var x = y; }", "{ using var x = y; }")]
    [InlineData("using (x) { }", "using (x) { }")]
    [InlineData("await using var x = y;", "await using var x = y;")]
    [InlineData("var using_ = 1;", "var using_ = 1;")]
    public void UsingVarBecomesVar(string text, string expected) => Assert.Equal(expected, Submission.WithoutUsingVar(text));

    [Theory]
    [InlineData("var x = Enumerable.Range(0, 3)\n    .Sum();\nx", "3\n", "")]
    [InlineData("var x = 5\nvar y = 6;\ny", "6\n", "(1,10): error CS1002: ; expected\n")]
    [InlineData("var x = 5", "", "(1,10): error CS1002: ; expected\n")]
    [InlineData("int F()\n{\n\n    return 1;\n}\nF()", "1\n", "")]
    public void PipedLinesAreRunInGroups(string text, string output, string error)
    {
        Ran ran = Shared.Pipe(text);
        Assert.Equal((output, error), (ran.Output, ran.Error));
    }
}
