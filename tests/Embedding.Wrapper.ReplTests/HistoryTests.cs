using EmbeddingWrapper.Repl.Prompt.Terminal;

namespace EmbeddingWrapper.ReplTests;

public sealed class HistoryTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("embedding-wrapper-");

    private string File => Path.Combine(_folder.FullName, "state", "history");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void ItGoesBackAndForthAndKeepsTheDraft()
    {
        var history = new History();
        Assert.Null(history.Previous("draft"));
        Assert.Null(history.Next());
        foreach (string entry in new[] { "a", "a", "b", " " }) history.Add(entry);

        Assert.Equal("b", history.Previous("draft"));
        Assert.Equal("a", history.Previous("b"));
        Assert.Null(history.Previous("a"));
        Assert.Equal("b", history.Next());
        Assert.Equal("draft", history.Next());
        Assert.Null(history.Next());
        Assert.Equal("b", history.Previous("again"));
    }

    [Fact]
    public void ASearchGoesFromTheNewestToTheOldest()
    {
        var history = new History();
        foreach (string entry in new[] { "Lookup(1)", "x", "y.lookup(2)" }) history.Add(entry);
        Assert.Equal(2, history.Find("LOOKUP", history.Count));
        Assert.Equal(0, history.Find("lookup", 2));
        Assert.Null(history.Find("lookup", 0));
        Assert.Null(history.Find("z", history.Count));
        Assert.Equal(2, history.Find("", history.Count));

        history.GoTo(0);
        Assert.Equal("x", history.Next());
        Assert.Null(new History().Find("x", 0));
    }

    [Theory]
    [InlineData("1 + 1")]
    [InlineData("if (x)\n{\n    y();\n}")]
    [InlineData("\"a\\n\\\\b\"")]
    [InlineData("a\r\nb\\")]
    [InlineData("語 \U0001F600")]
    [InlineData("\tx")]
    public void AnEntrySurvivesARestartAsItWas(string entry)
    {
        var history = new History(new HistoryFile(File));
        history.Add("first");
        history.Add(entry);
        var again = new History(new HistoryFile(File));
        Assert.Equal(2, again.Count);
        Assert.Equal(entry, again.Previous(""));
        Assert.Equal("first", again.Previous(""));
    }

    [Fact]
    public void OnlyItsUserMayReadIt()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no modes");
        if (OperatingSystem.IsWindows()) return; // the compiler does not know what a skip does
        new HistoryFile(File).Append("x");
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, System.IO.File.GetUnixFileMode(File));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute,
            System.IO.File.GetUnixFileMode(Path.GetDirectoryName(File)!));
    }

    [Fact]
    public void ItDoesNotGrowWithoutEnd()
    {
        var file = new HistoryFile(File);
        string longLine = new('x', 1000);
        for (int i = 0; i < 600; i++)
        {
            file.Append($"{i} {longLine}");
            Assert.InRange(new FileInfo(File).Length, 1, HistoryFile.MaxBytes);
        }
        List<string> entries = file.Read();
        Assert.InRange(entries.Count, 100, 300);
        Assert.Equal(Enumerable.Range(600 - entries.Count, entries.Count).Select(i => $"{i} {longLine}"), entries);

        file.Append(new string('y', HistoryFile.MaxBytes)); // it would push out all others
        Assert.Equal(entries, file.Read());
    }

    [Fact]
    public void SeveralPromptsAtOnceLoseNoEntry()
    {
        Parallel.For(0, 8, prompt =>
        {
            var history = new History(new HistoryFile(File));
            for (int i = 0; i < 25; i++) history.Add($"{prompt} {i}");
        });
        List<string> entries = new HistoryFile(File).Read();
        Assert.Equal(200, entries.Count);
        foreach (IGrouping<char, string> prompt in entries.GroupBy(entry => entry[0]))
            Assert.Equal(Enumerable.Range(0, 25).Select(i => $"{prompt.Key} {i}"), prompt);
    }

    [Fact]
    public void WithoutAFileThePromptGoesOn()
    {
        string folder = Path.Combine(_folder.FullName, "folder");
        Directory.CreateDirectory(folder);
        string[] paths = ["/dev/null", "/proc/nothing/history", folder, Path.Combine(_folder.FullName, new string('x', 300))];
        foreach (string path in OperatingSystem.IsWindows() ? paths[2..] : paths)
        {
            var history = new History(new HistoryFile(path));
            history.Add("x");
            Assert.Equal("x", history.Previous(""));
        }
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder));
    }

    [Theory]
    [InlineData("not\\escaped\\", "notescaped\\")]
    [InlineData("\n\n\nx", "x")]
    [InlineData("no line end", "no line end")]
    public void AFileThatSomebodyEditedIsRead(string content, string entry)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(File)!);
        System.IO.File.WriteAllText(File, content);
        Assert.Equal([entry], new HistoryFile(File).Read());
    }
}
