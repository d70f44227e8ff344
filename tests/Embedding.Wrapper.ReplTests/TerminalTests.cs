namespace EmbeddingWrapper.ReplTests;

/// <summary>The prompt in a terminal, as a person uses it.</summary>
public class TerminalTests
{
    [Fact]
    public void MistakesCostOneRedLineEach()
    {
        using Terminal terminal = Prompt();
        terminal.Enter("var embedding = new Embedding(10, 3);", ">");
        terminal.Enter("embedding.Lookup(99)", "ArgumentOutOfRangeException: index out of range in self: index 99");
        terminal.Enter("embeding", "(1,1): error CS0103: The name 'embeding' does not exist in the current context\n>");
        terminal.Enter("var x = ;", "(1,9): error CS1525: Invalid expression term ';'\n>");
        terminal.Enter("embedding", "Embedding(10, 3)\n>");

        string[] red = [.. terminal.ColouredScreen.Split('\n').Where(line => line.Contains("\e[31m"))];
        Assert.Equal(3, red.Length);
        Assert.All(["Arg", "(1,1)", "(1,9)"], start => Assert.Contains(red, line => line.StartsWith($"\e[31m{start}")));
    }

    [Fact]
    public void TheArrowsGoThroughTheHistoryAndTheLine()
    {
        using Terminal terminal = Prompt();
        terminal.Enter("1 + 1", "2");
        terminal.Enter("20 + 1", "21");
        terminal.Press("Up", "Up", "Down", "Home", "Right", "Delete");
        terminal.Type("5");
        terminal.Press("End", "BSpace");
        terminal.Type("4");
        terminal.Press("Enter");
        terminal.WaitFor("> 25 + 4\n29\n>");
    }

    [Fact]
    public void TabCompletesOrLists()
    {
        using Terminal terminal = Prompt();
        terminal.Enter("var embedding = new Embedding(10, 3);", ">");
        terminal.Type("embedding.NumE");
        terminal.Press("Tab");
        terminal.WaitFor("> embedding.NumEmbeddings");
        terminal.Press("Enter");
        terminal.WaitFor("> embedding.NumEmbeddings\n10\n>");

        terminal.Type("new Embedding(10, 3, n");
        terminal.Press("Tab");
        terminal.WaitFor("normType:");
        terminal.WaitFor("\n> new Embedding(10, 3, n");
    }

    [Fact]
    public void ABlockTakesSeveralLinesAndComesBackAsOne()
    {
        using Terminal terminal = Prompt();
        foreach (string line in new[] { "for (int i = 0; i < 2; i++)", "{", "    Print(10 + i);", "}" })
        {
            terminal.Type(line);
            terminal.Press("Enter");
        }
        const string Block = "> for (int i = 0; i < 2; i++)\n. {\n.     Print(10 + i);\n. }\n";
        terminal.WaitFor($"{Block}10\n11\n>");

        terminal.Press("Up", "Enter");
        terminal.WaitFor($"{Block}10\n11\n{Block}10\n11\n>");

        terminal.Type("Math.Max(1,");
        terminal.Press("Enter", "Enter");
        terminal.WaitFor("> Math.Max(1,\n.\n(1,12): error");
    }

    [Fact]
    public void CtrlCStopsTheLineAndNotTheSession()
    {
        using Terminal terminal = Prompt();
        terminal.Enter("var x = 5;", ">");
        for (int i = 0; i < 2; i++)
        {
            terminal.Enter($"Print({70 + i}); while(true);", $"{70 + i}"); // another line each time: the old one is still on the screen
            terminal.Press("C-c");
            terminal.WaitFor($"{70 + i}\nStopped.\n>");
            terminal.Press("C-l");
        }
        terminal.Type("not to be run");
        terminal.Press("C-c");
        terminal.WaitFor("> not to be run\n>");
        terminal.Enter("x", "5");
    }

    [Fact]
    public void CtrlDLeaves()
    {
        using Terminal terminal = Prompt();
        terminal.Press("C-d");
        terminal.WaitFor("exit code 0");
    }

    [Fact]
    public void APasteRunsLineByLine()
    {
        using Terminal terminal = Prompt();
        terminal.Paste("var x = Enumerable.Range(1, 3)\n    .Sum();\nclass A\n{\n\n\tpublic int B = 7;\n}\nx + new A().B\n");
        terminal.WaitFor("> x + new A().B\n13\n>");
        Assert.Contains("> class A\n. {\n.\n.     public int B = 7;\n. }\n", terminal.Screen);
    }

    [Fact]
    public void LongLinesAndWideCharactersAreEditedInPlace()
    {
        using Terminal terminal = Prompt();
        terminal.Type($"\"{new string('a', 130)}語\".Len");
        terminal.Press("Tab");
        terminal.WaitFor(".Length");
        terminal.Press("Home", "Right");
        terminal.Type("b");
        terminal.Press("End", "Enter");
        terminal.WaitFor($"> \"b{new string('a', 116)}\n{new string('a', 14)}語\".Length\n132\n>");
    }

    [Fact]
    public void WhatALineLeavesOpenIsNotOverwritten()
    {
        using Terminal terminal = Prompt();
        terminal.Enter("Console.Write(\"open\");", "open\n>");
    }

    [Fact]
    public void DeclarationsNeedNoSemicolonAndALineThatIsWrongFromTheStartDoesNotWait()
    {
        using Terminal terminal = Prompt();
        terminal.Enter("var x = 5", ">");
        terminal.Enter("using var e = new Embedding(10, 3)", ">");
        terminal.Enter("?e.Lookup", "(1,1): error CS1031: Type expected (and 3 more)\n>");
        terminal.Enter("x", "5\n>");
        terminal.Enter("e", "Embedding(10, 3)\n>");
        terminal.Paste("var y = 6\nvar z = 7\ny * z\n");
        terminal.WaitFor("42\n>");
    }

    [Fact]
    public void HelpAndQuitWork()
    {
        using Terminal terminal = Prompt();
        terminal.Type("help");
        terminal.Press("Enter");
        terminal.WaitFor("Ctrl-D   leave");
        terminal.Type("quit");
        terminal.Press("Enter");
        terminal.WaitFor("exit code 0");
    }

    [Fact]
    public void TheHistorySurvivesARestart()
    {
        DirectoryInfo state = Directory.CreateTempSubdirectory("embedding-wrapper-");
        try
        {
            using (Terminal first = Prompt(state.FullName), second = Prompt(state.FullName))
            {
                first.Enter("10 + 1", "11");
                second.Enter("20 + 2", "22"); // both are open
                first.Press("C-d");
                first.WaitFor("exit code 0");
                second.Press("C-d");
                second.WaitFor("exit code 0");
            }
            using Terminal again = Prompt(state.FullName);
            again.Press("Up", "Up");
            again.WaitFor("> 10 + 1");
            again.Press("Enter");
            again.WaitFor("> 10 + 1\n11\n>");
            again.Press("Up", "Up");
            again.WaitFor("> 20 + 2");
        }
        finally
        {
            state.Delete(recursive: true);
        }
    }

    [Fact]
    public void CtrlRSearchesTheHistory()
    {
        using Terminal terminal = Prompt();
        terminal.Enter("100 + 1", "101");
        terminal.Enter("var apple = 7", ">");
        terminal.Enter("100 + 2", "102");

        terminal.Press("C-r");
        terminal.Type("100");
        terminal.WaitFor("(search: 100) 100 + 2");
        terminal.Press("C-r");
        terminal.WaitFor("(search: 100) 100 + 1");
        terminal.Press("Enter");
        terminal.WaitFor("> 100 + 1\n101\n>");

        terminal.Type("typed");
        terminal.Press("C-r");
        terminal.Type("APP");
        terminal.WaitFor("(search: APP) var apple = 7");
        terminal.Type("x");
        terminal.WaitFor("(not found: APPx) var apple = 7");
        terminal.Press("Escape");
        terminal.WaitFor("> typed");
        terminal.Press("C-u", "C-r");
        terminal.Type("app");
        terminal.Press("End", "BSpace"); // any other key goes on with the line that was found
        terminal.Type("8");
        terminal.Press("Enter");
        terminal.Enter("apple", "8");
    }

    [Fact]
    public void ALineTypedAfterTheTourIsRun()
    {
        using Terminal terminal = Start("");
        terminal.WaitFor("Go on by yourself");
        terminal.Type("1 + 1");
        terminal.Press("Enter");
        terminal.WaitFor("> 1 + 1\n2\n>");
        terminal.Press("C-d");
        terminal.WaitFor("exit code 0");
    }

    private static Terminal Prompt(string? state = null)
    {
        Terminal terminal = Start("repl", state);
        try
        {
            terminal.WaitFor("\n>");
            return terminal;
        }
        catch
        {
            terminal.Dispose();
            throw;
        }
    }

    private static Terminal Start(string arguments, string? state = null)
    {
        Assert.SkipWhen(Terminal.Missing is not null, $"A terminal is needed: {Terminal.Missing}.");
        return new Terminal($"dotnet '{Shared.Program}' {arguments}", state);
    }
}
