using System.IO.Compression;
using System.Text;
using EmbeddingWrapper.Pretrained;
using ICSharpCode.SharpZipLib.BZip2;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests.Pretrained;

/// <summary>.gz, .bz2 and .zip files: whole, in several pieces, cut short and damaged.</summary>
public class CompressedVectorsTests
{
    private static readonly byte[] Text = Encoding.UTF8.GetBytes("a 1 2\nb 3 4\nc 5 6\n");
    private static readonly byte[] Large =
        Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, 30_000).Select(i => $"word{i} {i * 0.37} {i * -1.91}\n")));

    [Theory]
    [InlineData("gzip")]
    [InlineData("bzip2")]
    [InlineData("zip")]
    public void CompressedFilesAreReadWhateverTheyAreCalled(string compression)
    {
        using var folder = new TestFolder();
        using (var small = TestVectors.Load(folder.Write("small.txt", Pack(compression, Text)))) AssertText(small);

        using var plain = TestVectors.Load(folder.Write("plain", Large));
        using var packed = TestVectors.Load(folder.Write("packed", Pack(compression, Large)));
        Assert.Equal(plain.Words, packed.Words);
        AssertSameBits(plain.Vectors, packed.Vectors);
        using var limited = TestVectors.Load(folder["packed"], limit: 7);
        Assert.Equal(plain.Words.Take(7), limited.Words);
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("bzip2")]
    public void FilesMayBePutTogetherFromSeveral(string compression)
    {
        using var folder = new TestFolder();
        for (int cut = 0; cut <= Text.Length; cut++)
        {
            byte[] parts = [.. Pack(compression, Text[..cut]), .. Pack(compression, []), .. Pack(compression, Text[cut..])];
            using var vectors = TestVectors.Load(folder.Write("parts", parts));
            AssertText(vectors);
        }
        using var many = TestVectors.Load(folder.Write("many", [.. Large.Chunk(1000).SelectMany(part => Pack(compression, part))]));
        Assert.Equal(30_000, many.Words.Count);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(512)]
    [InlineData(65_535)]
    [InlineData(65_536)]
    [InlineData(300_000)]
    public void ZerosMayFollowAGzipFile(int zeros)
    {
        using var folder = new TestFolder();
        byte[] empty = Pack("gzip", []), packed = Pack("gzip", Text), stored = Pack("gzip", Text, CompressionLevel.NoCompression);
        foreach (byte[] file in new[] { packed, stored, [.. packed, .. empty] })
        {
            using var vectors = TestVectors.Load(folder.Write("padded", [.. file, .. new byte[zeros]]));
            AssertText(vectors);
        }
        using var large = TestVectors.Load(folder.Write("padded", [.. Pack("gzip", Large), .. new byte[zeros]]));
        Assert.Equal(30_000, large.Words.Count);
    }

    [Fact]
    public void ZerosWithinAGzipFileAreItsContent()
    {
        using var folder = new TestFolder();
        byte[] zeros = [.. "2 100000\na "u8, .. new byte[400_000], .. "b "u8, .. new byte[400_000]];
        using var vectors = TestVectors.Load(folder.Write("zeros", Pack("gzip", zeros, CompressionLevel.NoCompression)));
        Assert.Equal(["a", "b"], vectors.Words);
        Assert.All(Floats(vectors.Vectors), value => Assert.Equal(0, value));
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("bzip2")]
    public void ACutFileSaysThatItEndsEarly(string compression)
    {
        using var folder = new TestFolder();
        byte[] small = Pack(compression, Text), large = Pack(compression, Large);
        int shortest = compression == "gzip" ? 1 : 4; // "BZh" could be text
        for (int length = shortest; length < small.Length; length++) AssertEndsEarly(small[..length]);
        for (int left = 1; left < 20; left++) AssertEndsEarly(large[..^left]);
        for (int length = 100; length < large.Length; length += large.Length / 20) AssertEndsEarly(large[..length]);
        for (int length = shortest; length < small.Length; length++) AssertEndsEarly([.. small, .. small[..length]]);

        void AssertEndsEarly(byte[] file)
        {
            string path = folder.Write("cut", file);
            var error = Assert.Throws<InvalidDataException>(() => TestVectors.Load(path));
            Assert.StartsWith($"{path}, byte {file.Length}: the {compression} data cannot be read. The file ends early.", error.Message);
        }
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("bzip2")]
    [InlineData("zip")]
    public void ADamagedFileIsRefused(string compression)
    {
        using var folder = new TestFolder();
        byte[] packed = Pack(compression, Text);
        int checkedFrom = compression switch { "gzip" => 10, "bzip2" => 4, _ => 38 };
        int checkedTo = compression == "zip" ? packed.Length - 80 : packed.Length;
        for (int place = checkedFrom; place < checkedTo; place++)
        {
            byte[] damaged = [.. packed];
            damaged[place] ^= 0x55;
            var error = Record.Exception(() => TestVectors.Load(folder.Write("damaged", damaged)).Dispose());
            if (error is null) continue; // the padding bits at the end of deflate and bzip2 data
            Assert.IsType<InvalidDataException>(error);
            Assert.StartsWith(folder["damaged"], error.Message);
        }
        packed[checkedFrom + 2] ^= 0x55;
        Assert.Throws<InvalidDataException>(() => TestVectors.Load(folder.Write("damaged", packed)));
    }

    [Theory]
    [InlineData("The archive holds several files: 'a.txt', 'b/c.txt'. Unpack it and load one of them.", "a.txt", "b/c.txt")]
    [InlineData("The archive holds no file.")]
    [InlineData("The archive holds no file.", "folder/", "__MACOSX/._folder")]
    [InlineData("'10.txt' and 3 more.", "1.txt", "2.txt", "3.txt", "4.txt", "5.txt", "6.txt", "7.txt", "8.txt", "9.txt", "10.txt", "11", "12", "13")]
    public void AZipArchiveThatDoesNotHoldOneFileSaysWhatItHolds(string message, params string[] names)
    {
        using var folder = new TestFolder();
        string path = folder.Write("archive.zip", Zip(names));
        var error = Assert.Throws<InvalidDataException>(() => TestVectors.Load(path));
        Assert.StartsWith($"{path}, byte ", error.Message);
        Assert.Contains(message, error.Message);
    }

    [Theory]
    [InlineData("glove.txt")]
    [InlineData("folder/", "folder/ünï.vec")]
    [InlineData("__MACOSX/._glove.txt", "glove.txt", "__MACOSX/", ".DS_Store")]
    public void FoldersAndTheFilesOfMacOSDoNotCount(params string[] names)
    {
        using var folder = new TestFolder();
        using var vectors = TestVectors.Load(folder.Write("archive.zip", Zip(names)));
        AssertText(vectors);
    }

    [Fact]
    public void AWrongChecksumInAZipArchiveIsNoticed()
    {
        using var folder = new TestFolder();
        byte[] archive = Zip(["a"], CompressionLevel.NoCompression);
        int content = archive.AsSpan().IndexOf(Text);
        archive[content + 4] = (byte)'7'; // another number
        var error = Assert.Throws<InvalidDataException>(() => TestVectors.Load(folder.Write("archive.zip", archive)));
        Assert.Contains("The checksum of 'a' is wrong.", error.Message);
    }

    [Theory]
    [InlineData("gzip", "zip", "a zip archive")]
    [InlineData("zip", "gzip", "a gzip file")]
    [InlineData("bzip2", "bzip2", "a bzip2 file")]
    public void WhatIsCompressedTwiceIsNamed(string outer, string inner, string message)
    {
        using var folder = new TestFolder();
        string path = folder.Write("twice", Pack(outer, Pack(inner, Text)));
        Assert.StartsWith($"{path}, byte 0: this is {message}", Assert.Throws<InvalidDataException>(() => TestVectors.Load(path)).Message);
    }

    [Theory]
    [InlineData("BZh9 1 2\n")]
    [InlineData("PK 1 2\n")]
    [InlineData("BZh 1 2\n")]
    [InlineData("PKzip 1 2\n")]
    public void AWordMayBeCalledLikeASignature(string text)
    {
        using var folder = new TestFolder();
        using var vectors = TestVectors.Load(folder.Write("text", text));
        Assert.Equal([text.Split(' ')[0]], vectors.Words);
    }

    internal static byte[] Pack(string compression, byte[] content, CompressionLevel level = CompressionLevel.Optimal)
    {
        if (compression == "zip") return Zip(["file.txt"], level, content);
        var packed = new MemoryStream();
        using (Stream stream = compression == "gzip" ? new GZipStream(packed, level) : new BZip2OutputStream(packed)) stream.Write(content);
        return packed.ToArray();
    }

    private static byte[] Zip(string[] names, CompressionLevel level = CompressionLevel.Optimal, byte[]? content = null)
    {
        var packed = new MemoryStream();
        using (var archive = new ZipArchive(packed, ZipArchiveMode.Create))
        {
            foreach (string name in names)
            {
                using Stream entry = archive.CreateEntry(name, level).Open();
                if (!name.EndsWith('/')) entry.Write(content ?? Text);
            }
        }
        return packed.ToArray();
    }

    private static void AssertText(WordVectors vectors)
    {
        Assert.Equal(["a", "b", "c"], vectors.Words);
        Assert.Equal([1f, 2f, 3f, 4f, 5f, 6f], Floats(vectors.Vectors));
    }
}
