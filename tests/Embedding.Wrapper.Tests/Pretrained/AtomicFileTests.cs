namespace EmbeddingWrapper.Tests.Pretrained;

/// <summary>What happens to things that were there before. All writers of files go through <see cref="AtomicFile"/>.</summary>
public class AtomicFileTests
{
    private static readonly byte[] Content = [1, 2, 3];

    [Fact]
    public void ALinkStaysAndItsTargetIsReplaced()
    {
        using var folder = new TestFolder();
        Directory.CreateDirectory(folder["real/deep"]);
        Directory.CreateDirectory(folder["other"]);
        Directory.CreateSymbolicLink(folder["alias"], folder["real/deep"]);
        folder.Write("other/target", [9]);
        File.CreateSymbolicLink(folder["second"], folder["other/target"]);
        File.CreateSymbolicLink(folder["first"], "second");
        File.CreateSymbolicLink(folder["real/deep/up"], "../../other/target"); // relative to the real folder, not to the alias
        File.CreateSymbolicLink(folder["dangling"], "other/new");

        foreach (string name in new[] { "second", "first", "alias/up" })
        {
            folder.Write("other/target", [9]);
            AtomicFile.Write(folder[name], file => file.Write(Content));
            Assert.Equal(Content, File.ReadAllBytes(folder["other/target"]));
            Assert.NotNull(new FileInfo(folder[name]).LinkTarget);
        }
        AtomicFile.Write(folder["dangling"], file => file.Write(Content));
        Assert.Equal(Content, File.ReadAllBytes(folder["other/new"]));
        Assert.Equal("other/new", new FileInfo(folder["dangling"]).LinkTarget);
        Assert.Equal(["new", "target"], Directory.EnumerateFiles(folder["other"]).Select(Path.GetFileName).Order());
        Assert.Equal(["alias", "dangling", "first", "other", "real", "second"], folder.Files);

        File.CreateSymbolicLink(folder["loop"], "loop");
        Assert.Contains(folder["loop"], Assert.ThrowsAny<IOException>(() => AtomicFile.Write(folder["loop"], _ => { })).Message);
    }

    [Theory]
    [InlineData(0x180)] // 0600
    [InlineData(0x1A0)] // 0640
    [InlineData(0x1B4)] // 0664
    [InlineData(0x1FF)] // 0777
    public void TheModeIsKept(int mode)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no modes");
        if (OperatingSystem.IsWindows()) return; // the compiler does not know what a skip does
        using var folder = new TestFolder();
        string path = folder.Write("file", [9]);
        File.CreateSymbolicLink(folder["link"], path);
        File.SetUnixFileMode(path, (UnixFileMode)mode);
        AtomicFile.Write(folder["link"], file =>
        {
            if (!OperatingSystem.IsWindows())
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file.SafeFileHandle));
            file.Write(Content);
        });
        Assert.Equal((UnixFileMode)mode, File.GetUnixFileMode(path));
        Assert.Equal(Content, File.ReadAllBytes(path));
    }

    [Fact]
    public void ANewFileHasTheUsualMode()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no modes");
        if (OperatingSystem.IsWindows()) return; // the compiler does not know what a skip does
        using var folder = new TestFolder();
        AtomicFile.Write(folder["file"], file => file.Write(Content));
        Assert.Equal(File.GetUnixFileMode(folder.Write("usual", Content)), File.GetUnixFileMode(folder["file"]));
    }

    [Fact]
    public void AFileThatMayNotBeWrittenIsLeftAlone()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no modes");
        if (OperatingSystem.IsWindows()) return; // the compiler does not know what a skip does
        Assert.SkipWhen(Environment.IsPrivilegedProcess, "root may write everything");
        using var folder = new TestFolder();
        string path = folder.Write("file", [9]);
        File.SetUnixFileMode(path, UnixFileMode.UserRead);
        Assert.Contains(path, Assert.Throws<UnauthorizedAccessException>(() => AtomicFile.Write(path, file => file.Write(Content))).Message);
        Assert.Equal([9], File.ReadAllBytes(path));

        Directory.CreateDirectory(folder["locked"]);
        File.SetUnixFileMode(folder["locked"], UnixFileMode.UserRead | UnixFileMode.UserExecute);
        path = folder["locked/file"];
        var error = Assert.Throws<UnauthorizedAccessException>(() => AtomicFile.Write(path, file => file.Write(Content)));
        Assert.Equal($"Access to the path '{path}' is denied.", error.Message);
        Assert.Equal(["file", "locked"], folder.Files);
    }

    [Fact]
    public void WhatIsNoFileIsRefusedAndStays()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "elsewhere nothing is checked");
        using var folder = new TestFolder();
        string pipe = folder.Pipe("pipe");
        File.CreateSymbolicLink(folder["link"], pipe);
        Directory.CreateDirectory(folder["folder"]);

        Assert.Equal($"{pipe} is a pipe, not a regular file.", Throws<IOException>(pipe).Message);
        Assert.Equal($"{folder["link"]} is a pipe, not a regular file.", Throws<IOException>(folder["link"]).Message);
        Assert.Equal($"{folder["folder"]} is a folder, not a regular file.", Throws<IOException>(folder["folder"]).Message);
        Assert.Equal(["folder", "link", "pipe"], folder.Files);

        static TException Throws<TException>(string path) where TException : Exception =>
            Assert.Throws<TException>(() => AtomicFile.Write(path, _ => Assert.Fail("It was opened.")));
    }

    [Fact]
    public void ADeviceIsRefusedAndStays()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess, "only root makes devices");
        using var folder = new TestFolder();
        using (var process = System.Diagnostics.Process.Start("mknod", [folder["null"], "c", "1", "3"])) process.WaitForExit();
        Assert.SkipUnless(File.Exists(folder["null"]), "no devices can be made here");
        var error = Assert.Throws<IOException>(() => AtomicFile.Write(folder["null"], _ => Assert.Fail("It was opened.")));
        Assert.Equal($"{folder["null"]} is a device, not a regular file.", error.Message);
        Assert.Equal(["null"], folder.Files);
        using FileStream device = File.OpenRead(folder["null"]);
        Assert.Equal(-1, device.ReadByte());
    }

    [Fact]
    public void WhatAKilledProcessLeftIsRemovedAndNothingElse()
    {
        using var folder = new TestFolder();
        folder.Write("notes.tmp", [9]);
        folder.Write(".embedding-wrapper-killed.tmp", [9]);
        folder.Write(".embedding-wrapper-notes", [9]);
        AtomicFile.Write(folder["outer"], outer =>
        {
            outer.Write(Content);
            AtomicFile.Write(folder["inner"], inner => inner.Write(Content)); // the outer file is being written meanwhile
        });
        Assert.Equal([".embedding-wrapper-notes", "inner", "notes.tmp", "outer"], folder.Files);
        Assert.Equal(Content, File.ReadAllBytes(folder["outer"]));
    }

    [Fact]
    public void ManyWritersInOneFolderLeaveNothingBehind()
    {
        using var folder = new TestFolder();
        Parallel.For(0, 400, i => AtomicFile.Write(folder[$"file{i % 3}"], file => file.Write(Content)));
        Assert.Equal(["file0", "file1", "file2"], folder.Files);
    }

    [Fact]
    public void MessagesNameTheTarget()
    {
        using var folder = new TestFolder();
        string path = folder["no/such/file"];
        Assert.Equal($"Could not find a part of the path '{path}'.", Message<DirectoryNotFoundException>(path, _ => { }));

        Assert.Equal($"full: '{folder["file"]}'", Message<IOException>(folder["file"], file => throw new IOException($"full: '{file.Name}'")));
        Assert.Empty(folder.Files);

        static string Message<TException>(string path, Action<FileStream> write) where TException : Exception =>
            Assert.Throws<TException>(() => AtomicFile.Write(path, write)).Message;
    }
}
