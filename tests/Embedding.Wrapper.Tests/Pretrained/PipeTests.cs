using System.Diagnostics;
using System.Text;
using EmbeddingWrapper.Pretrained;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests.Pretrained;

/// <summary>Word vectors from pipes and streams.</summary>
public class PipeTests
{
    private static readonly byte[] Text = Encoding.UTF8.GetBytes("a 1 2\nb 3 4\nc 5 6\n");

    [Theory]
    [InlineData("gensim.verified.txt")]
    [InlineData("gensim.verified.bin")]
    public void AStreamMayGiveAFewBytesAtATime(string name)
    {
        byte[] content = File.ReadAllBytes(TestFolder.Golden(name));
        using var whole = TestVectors.Load(TestFolder.Golden(name));
        foreach (string compression in new[] { "", "gzip", "bzip2" })
        {
            byte[] packed = compression.Length == 0 ? content : CompressedVectorsTests.Pack(compression, content);
            foreach (int step in new[] { 1, 3, 100, 1 << 20 })
            {
                using var stream = new SlowStream(packed, step);
                using var vectors = TestVectors.Load(stream);
                Assert.Equal(whole.Words, vectors.Words);
                AssertSameBits(whole.Vectors, vectors.Vectors);
                Assert.False(stream.IsDisposed);
            }
        }
    }

    [Fact]
    public void AStreamIsReadFromItsPositionAndStaysOpen()
    {
        using var stream = new MemoryStream([.. "something else\n"u8, .. Text]) { Position = 15 };
        using (var vectors = TestVectors.Load(stream)) AssertText(vectors);
        Assert.True(stream.CanRead);

        using var zip = new MemoryStream(CompressedVectorsTests.Pack("zip", Text));
        using (var vectors = TestVectors.Load(zip)) AssertText(vectors);
        Assert.True(zip.CanRead);
    }

    [Fact]
    public void WhatCannotBeReadFromFrontToBackSaysSo()
    {
        using var folder = new TestFolder();
        using var zip = new SlowStream(CompressedVectorsTests.Pack("zip", Text), 10);
        Assert.Contains("zip archive", Assert.Throws<NotSupportedException>(() => TestVectors.Load(zip)).Message);

        using (var vectors = TestVectors.Load(folder.Write("text", Text))) vectors.Save(folder["saved"]);
        using var saved = new MemoryStream(File.ReadAllBytes(folder["saved"]));
        Assert.Contains("safetensors", Assert.Throws<NotSupportedException>(() => TestVectors.Load(saved)).Message);
    }

    [Fact]
    public void ExceptionsOfAStreamAreLeftAlone()
    {
        foreach (Exception thrown in new Exception[] { new IOException("torn"), new InvalidDataException("mine"), new ArgumentException("odd") })
        {
            using var plain = new SlowStream(Text, 5, thrown);
            Assert.Same(thrown, Assert.Throws(thrown.GetType(), () => TestVectors.Load(plain)));
            using var packed = new SlowStream(CompressedVectorsTests.Pack("gzip", Text), 20, thrown);
            Assert.Same(thrown, Assert.Throws(thrown.GetType(), () => TestVectors.Load(packed)));
        }
        using var file = new FileStream(TestFolder.Golden("gensim.verified.txt"), FileMode.Open);
        file.Dispose();
        Assert.Equal("stream", Assert.Throws<ArgumentException>(() => TestVectors.Load(file)).ParamName);
        Assert.Equal("stream", Assert.Throws<ArgumentNullException>(() => TestVectors.Load((Stream)null!)).ParamName);
    }

    [Fact]
    public void AMessageNamesTheFileOfAFileStream()
    {
        using var folder = new TestFolder();
        using var file = new FileStream(folder.Write("bad", "a 1\nb\n"), FileMode.Open);
        Assert.StartsWith($"{folder["bad"]}, line 2: ", Assert.Throws<InvalidDataException>(() => TestVectors.Load(file)).Message);
        using var memory = new MemoryStream("a 1\nb\n"u8.ToArray());
        Assert.StartsWith("the stream, line 2: ", Assert.Throws<InvalidDataException>(() => TestVectors.Load(memory)).Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("gzip")]
    public void ANamedPipeIsReadAlsoWhenItsWriterPauses(string compression)
    {
        using var folder = new TestFolder();
        string pipe = MakePipe(folder), link = folder["link"];
        File.CreateSymbolicLink(link, pipe);
        byte[] content = compression.Length == 0 ? Text : CompressedVectorsTests.Pack(compression, Text);
        foreach (string path in new[] { pipe, link })
        {
            Thread writer = Write(pipe, content[..9], content[9..]);
            using (var vectors = TestVectors.Load(path)) AssertText(vectors);
            writer.Join();
        }
    }

    [Fact]
    public void AWriterThatBreaksOffOrWritesNothingIsNoticed()
    {
        using var folder = new TestFolder();
        string pipe = MakePipe(folder);
        Thread writer = Write(pipe, [.. "4 2\n"u8, .. Text]);
        Assert.StartsWith($"{pipe}, line 5: the file ends after 3 rows", Assert.Throws<InvalidDataException>(() => TestVectors.Load(pipe)).Message);
        writer.Join();
        writer = Write(pipe, []);
        Assert.StartsWith($"{pipe}, line 1: the file is empty.", Assert.Throws<InvalidDataException>(() => TestVectors.Load(pipe)).Message);
        writer.Join();
    }

    /// <summary>A writer that came next would otherwise write to a pipe that is about to be closed, and its bytes would be lost.</summary>
    [Theory]
    [InlineData("a 1 2\nb 3 4\n")]
    [InlineData("4 2\na 1 2\n")]
    [InlineData("")]
    public void ThePipeIsClosedWhenTheLoadReturnsOrThrows(string text)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the open files come from /proc");
        using var folder = new TestFolder();
        string pipe = MakePipe(folder);
        for (int i = 0; i < 50; i++)
        {
            Thread writer = Write(pipe, pause: 0, Encoding.UTF8.GetBytes(text));
            Exception? error = Record.Exception(() => TestVectors.Load(pipe).Dispose());
            Assert.DoesNotContain(pipe, Directory.EnumerateFiles("/proc/self/fd").Select(file => new FileInfo(file).LinkTarget));
            Assert.Equal(text.StartsWith('a'), error is null);
            writer.Join();
        }
    }

    [Fact]
    public void WaitingForAPipeCanBeCancelled()
    {
        using var folder = new TestFolder();
        string pipe = MakePipe(folder);
        long before = LiveTensors();
        using (var source = new CancellationTokenSource(100)) // nobody opens the pipe
            Assert.Throws<OperationCanceledException>(() => WordVectors.Load(pipe, cancellationToken: source.Token));

        using (var open = new FileStream(pipe, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0)) // nobody writes the rest
        {
            open.Write(Text);
            using var source = new CancellationTokenSource(100);
            Assert.Throws<OperationCanceledException>(() => WordVectors.Load(pipe, cancellationToken: source.Token));
        }
        Assert.Equal(before, LiveTensors());
    }

    private static string MakePipe(TestFolder folder)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no mkfifo");
        using Process process = Process.Start("mkfifo", folder["pipe"]);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
        return folder["pipe"];
    }

    private static Thread Write(string pipe, params byte[][] pieces) => Write(pipe, pause: 50, pieces);

    private static Thread Write(string pipe, int pause, params byte[][] pieces)
    {
        var thread = new Thread(() =>
        {
            using var file = new FileStream(pipe, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            foreach (byte[] piece in pieces)
            {
                file.Write(piece);
                Thread.Sleep(pause);
            }
        });
        thread.Start();
        return thread;
    }

    private static void AssertText(WordVectors vectors)
    {
        Assert.Equal(["a", "b", "c"], vectors.Words);
        Assert.Equal([1f, 2f, 3f, 4f, 5f, 6f], Floats(vectors.Vectors));
    }

    /// <summary>Gives a few bytes at a time, cannot seek, and may throw at its end.</summary>
    private sealed class SlowStream(byte[] content, int step, Exception? atEnd = null) : MemoryStream(content)
    {
        public bool IsDisposed { get; private set; }

        public override bool CanSeek => false;

        public override long Length => throw new NotSupportedException();

        public override int Read(Span<byte> buffer)
        {
            int read = base.Read(buffer[..Math.Min(step, buffer.Length)]);
            return read == 0 && atEnd is not null ? throw atEnd : read;
        }

        protected override void Dispose(bool disposing)
        {
            IsDisposed = true;
            base.Dispose(disposing);
        }
    }
}
