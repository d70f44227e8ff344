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
    [InlineData("?e.Lookup")]
    [InlineData("? e.Lookup(1,")]
    [InlineData("?? x")]
    [InlineData("e.Lookup?")]
    [InlineData("e.Lookup??")]
    [InlineData("x? ")]
    [InlineData(".Sum(")]
    [InlineData("% 2 + (")]
    [InlineData("catch {")]
    [InlineData("case 1: (")]
    [InlineData("`x (")]
    [InlineData("f(\"text)")]
    [InlineData("var s = \"text")]
    [InlineData("f('a)")]
    [InlineData("$\"text {x}")]
    [InlineData("=> f(")]
    [InlineData(") (")]
    [InlineData("else {")]
    [InlineData(", (")]
    [InlineData("&& (")]
    [InlineData("= 5 +")]
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
    [InlineData("@\"text")]
    [InlineData("$@\"text")]
    [InlineData("$\"text {x")]
    [InlineData("if (x) { f(\"text);")]
    [InlineData("{\n    f(\"text);")]
    [InlineData("x ? 1")]
    [InlineData("x > 0 ?")]
    [InlineData("x ?")]
    [InlineData("var y = x ??")]
    [InlineData("(")]
    [InlineData("{")]
    [InlineData("int x =")]
    [InlineData("int F() =>")]
    [InlineData("foreach (var x in y) Print(x)")]
    [InlineData("while (true)")]
    [InlineData("do f(); while (x)")]
    [InlineData("throw new Exception()")]
    public void OpenTextsWaitForMore(string text) => Assert.False(Submission.IsComplete(text));

    [Theory]
    [InlineData("var x = 5")]
    [InlineData("int x = 5")]
    [InlineData("using var e = new Embedding(1, 1)")]
    [InlineData("int[] a = [1, 2]")]
    [InlineData("int a, b = 3")]
    [InlineData("Func<int> f = () => 1")]
    [InlineData("int F() => 1")]
    [InlineData("using System.Text")]
    [InlineData("var x = 5 // five")]
    public void ADeclarationNeedsNoSemicolonAtItsEnd(string text)
    {
        Assert.True(Submission.IsComplete(text));
        Assert.False(Submission.IsComplete(text, moreFollows: true)); // it may go on
    }

    [Theory]
    [InlineData("var x = 5", "var x = 5;")]
    [InlineData("var x = 5  // five", "var x = 5;  // five")]
    [InlineData("var x = 5\nvar y = 6\ny", "var x = 5;\nvar y = 6;\ny")]
    [InlineData("var x = 5\n\nint F() => 1\nF()", "var x = 5;\n\nint F() => 1;\nF()")]
    [InlineData("using System.Text\nvar x = 5;", "using System.Text;\nvar x = 5;")]
    [InlineData("var x = y\n    .Sum()", "var x = y\n    .Sum();")]
    [InlineData("Action f = () =>\n{\n    g()\n}", "Action f = () =>\n{\n    g()\n};")] // the mistake inside stays one
    [InlineData("var x = 5\n// six\ny", "var x = 5;\n// six\ny")]
    [InlineData("var x = 5 /* a */", "var x = 5; /* a */")]
    [InlineData("var x = 5 var y = 6;", "var x = 5 var y = 6;")]
    [InlineData("f() g()", "f() g()")]
    [InlineData("foreach (var x in y) Print(x)", "foreach (var x in y) Print(x)")]
    [InlineData("void F()", "void F()")]
    [InlineData("var (a, b) = (1, 2)", "var (a, b) = (1, 2)")]
    [InlineData("x = 6", "x = 6")]
    [InlineData("var x = 5;", "var x = 5;")]
    public void OnlyDeclarationsAtTheEndOfALineGetASemicolon(string text, string expected) =>
        Assert.Equal(expected, Submission.WithSemicolons(text));

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
    [InlineData("var x = 5\nvar y = 6;\nx + y", "11\n", "")]
    [InlineData("var x = 5\nx", "5\n", "")]
    [InlineData("int y = 3\ny", "3\n", "")]
    [InlineData("using var e = new Embedding(2, 2)\ne", "Embedding(2, 2)\n", "")]
    [InlineData("var x = Enumerable.Range(0, 3)\n    .Sum()\nx", "3\n", "")]
    [InlineData("int x = 1;\nx = 6", "6\n", "")]
    [InlineData("var (a, b) = (1, 2)\na + b", "3\n", "")]
    [InlineData("int a = 1, b = 2;\n(a, b) = (b, a)\na", "2\n", "")]
    [InlineData("foreach (int i in new[] { 1, 2 })\n    Print(i);\n3", "1\n2\n3\n", "")]
    [InlineData("int F() => 4\nF()", "4\n", "")]
    [InlineData("var x = 5 6\n7", "7\n", "(1,11): error CS1002: ; expected\n")]
    [InlineData("?e.Lookup\n1 + 1\n2 + 2", "2\n4\n", "(1,1): error CS1031: Type expected (and 3 more)\n")]
    [InlineData("e?\n1 + 1", "2\n", "(1,3): error CS1733: Expected expression (and 2 more)\n")]
    [InlineData("Print(\"text)\n1 + 1", "2\n", "(1,7): error CS1010: Newline in constant (and 1 more)\n")]
    [InlineData("int F()\n{\n\n    return 1;\n}\nF()", "1\n", "")]
    public void PipedLinesAreRunInGroups(string text, string output, string error)
    {
        Ran ran = Shared.Pipe(text);
        Assert.Equal((output, error), (ran.Output, ran.Error));
    }
}
