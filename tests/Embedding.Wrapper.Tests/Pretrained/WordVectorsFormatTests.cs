using System.IO.Compression;
using System.Text;
using System.Text.Json;
using EmbeddingWrapper.Pretrained;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests.Pretrained;

public class WordVectorsFormatTests
{
    [Theory]
    [InlineData("gensim.verified.txt", WordVectorsFormat.Auto)]
    [InlineData("gensim.verified.txt", WordVectorsFormat.Word2VecText)]
    [InlineData("gensim.verified.bin", WordVectorsFormat.Auto)]
    [InlineData("gensim.verified.bin", WordVectorsFormat.Word2VecBinary)]
    public void WhatGensimWroteIsReadBitForBit(string name, WordVectorsFormat format)
    {
        using var vectors = TestVectors.Load(TestFolder.Golden(name), format);
        AssertGensims(vectors);
    }

    [Theory]
    [InlineData("gensim.verified.txt")]
    [InlineData("gensim.verified.bin")]
    public void PackedFilesAreReadDirectly(string name)
    {
        using var folder = new TestFolder();
        byte[] content = File.ReadAllBytes(TestFolder.Golden(name));
        using (var whole = TestVectors.Load(folder.Write("vectors.gz", Pack(content)))) AssertGensims(whole);

        // Several gzip files in a row are one gzip file.
        using var parts = TestVectors.Load(folder.Write("parts", [.. Pack(content[..100]), .. Pack(content[100..])]));
        AssertGensims(parts);
    }

    [Fact]
    public void BinaryRowsMayEndWithALineFeed()
    {
        using var folder = new TestFolder();
        byte[] one = BitConverter.GetBytes(1f), two = BitConverter.GetBytes(2f);
        using var vectors = TestVectors.Load(folder.Write("vectors.bin", [.. "2 1\na "u8, .. one, .. "\nb "u8, .. two, (byte)'\n']));
        Assert.Equal(["a", "b"], vectors.Words);
        Assert.Equal([1f, 2f], Floats(vectors.Vectors));
    }

    [Theory]
    [InlineData("a 1 2\nb 3 4\n")]
    [InlineData("a 1 2\nb 3 4")]
    [InlineData("a 1 2\r\nb 3 4\r\n")]
    [InlineData("a 1 2\r\nb 3 4")]
    [InlineData("a 1 2 \nb 3 4 \n")]
    [InlineData("a\t1\t2\nb\t3\t4\n")]
    [InlineData("a 1  2\nb  3 4\n")]
    [InlineData("\n\na 1 2\n \n\t\r\nb 3 4\n\n")]
    [InlineData("\uFEFFa 1 2\nb 3 4\n")]
    [InlineData("2 2\na 1 2\nb 3 4\n")]
    [InlineData("2 2\r\na 1 2 \r\nb 3 4 ")]
    [InlineData("\uFEFF2 2\na 1 2\n\nb 3 4\n")]
    [InlineData("a 1e0 +2\nb 3.0 .4e1\n")]
    [InlineData("a 1 2\rb 3 4\r")]
    [InlineData("a 1 2\rb 3 4")]
    [InlineData("\r\ra 1 2\r\r \rb 3 4\r")]
    [InlineData("2 2\ra 1 2\rb 3 4\r")]
    [InlineData("a 1 2\r\r\nb 3 4\n")]
    public void TextMayBeWrittenInMoreThanOneWay(string text)
    {
        using var folder = new TestFolder();
        using var vectors = TestVectors.Load(folder.Write("vectors.txt", text));
        Assert.Equal(["a", "b"], vectors.Words);
        Assert.Equal([2, 2], vectors.Vectors.shape);
        Assert.Equal([1f, 2f, 3f, 4f], Floats(vectors.Vectors));
    }

    [Theory]
    [InlineData("the", "of")]
    [InlineData("1", "2.5")]
    [InlineData("nan", "inf")]
    [InlineData("at name@domain.com", ". . .")]
    [InlineData("to infinity", "7 up")]
    [InlineData("", "a\u00a0b")]
    [InlineData("日本語", "\U0001F600")]
    [InlineData("\u2028", "\u0085")]
    [InlineData("\"", "\\")]
    public void AWordIsWhateverStandsBeforeTheNumbers(string first, string second)
    {
        using var folder = new TestFolder();
        using var vectors = TestVectors.Load(folder.Write("vectors.txt", $"x 0 0\n{first} 1 2\n{second} 3 4\n"));
        Assert.Equal(["x", first, second], vectors.Words);
        Assert.Equal([0f, 0f, 1f, 2f, 3f, 4f], Floats(vectors.Vectors));

        vectors.Save(folder["saved"]);
        using var saved = TestVectors.Load(folder["saved"]);
        Assert.Equal(vectors.Words, saved.Words);
    }

    [Fact]
    public void AFirstLineOfTwoNumbersIsAHeaderUnlessTheFormatIsGiven()
    {
        using var folder = new TestFolder();
        string path = folder.Write("vectors.txt", "1 1\n2 5\n");
        using (var found = TestVectors.Load(path)) Assert.Equal(["2"], found.Words);
        using (var given = TestVectors.Load(path, WordVectorsFormat.GloveText)) Assert.Equal(["1", "2"], given.Words);
    }

    [Theory]
    [InlineData("0 3\n")]
    [InlineData("0 3")]
    public void AFileMaySayThatItHoldsNoWords(string text)
    {
        using var folder = new TestFolder();
        using var vectors = TestVectors.Load(folder.Write("vectors.txt", text));
        Assert.Empty(vectors.Words);
        Assert.Equal([0, 3], vectors.Vectors.shape);
        vectors.Save(folder["saved"]);
        using var saved = TestVectors.Load(folder["saved"]);
        Assert.Equal([0, 3], saved.Vectors.shape);
    }

    [Theory]
    [InlineData("gensim.verified.txt")]
    [InlineData("gensim.verified.bin")]
    public void ALimitReadsTheFirstRows(string name)
    {
        for (int limit = 0; limit < 30; limit++)
        {
            using var vectors = TestVectors.Load(TestFolder.Golden(name), limit: limit);
            Assert.Equal(Math.Min(limit, 19), vectors.Words.Count);
            Assert.Equal([vectors.Words.Count, 5], vectors.Vectors.shape);
        }
    }

    [Theory]
    [InlineData(10)]
    [InlineData(50_000)]
    public void ALimitReadsNoMoreOfTheFileThanItNeeds(int limit)
    {
        using var folder = new TestFolder();
        LoadProgress last = default;
        using var vectors = TestVectors.Load(folder.Write("large.txt", LargeText()), limit: limit, progress: new Reporter(now => last = now));
        Assert.Equal([limit, 5], vectors.Vectors.shape);
        Assert.Equal($"word{limit - 1}", vectors.Words[^1]);
        Assert.InRange(last.BytesRead, 1, last.TotalBytes - 1);
    }

    [Fact]
    public void AFaultFarDownABinaryFileIsNamedWithItsByte()
    {
        using var folder = new TestFolder();
        byte[] content = LargeBinary();
        int word = content.Length - 32 - "word99999 ".Length;
        content[word] = 0xFF;
        string path = folder.Write("large.bin", content);
        var error = Assert.Throws<InvalidDataException>(() => TestVectors.Load(path));
        Assert.StartsWith($"{path}, byte {word}: the word is not valid UTF-8", error.Message);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void ManyBlocksGiveWhatOneLineAtATimeWould(bool packed)
    {
        const int rows = 120_000;
        using var folder = new TestFolder();
        var random = new Random(3);
        var text = new StringBuilder();
        var numbers = new float[rows * 4];
        for (int row = 0; row < rows; row++)
        {
            // Long rows come first, then short ones, so the start of the file does not tell the size of the table.
            text.Append("word").Append(row % 90_000);
            for (int i = 0; i < 4; i++)
            {
                float number = row < 2000 ? random.NextSingle() * 1e-20f : random.Next(10);
                numbers[row * 4 + i] = number;
                text.Append(' ').Append(number.ToString(row < 2000 ? "E30" : "R", System.Globalization.CultureInfo.InvariantCulture));
            }
            text.Append('\n', row % 7 == 0 ? 2 : 1);
        }
        byte[] content = Encoding.UTF8.GetBytes(text.ToString());
        using var vectors = TestVectors.Load(folder.Write("vectors", packed ? Pack(content) : content));

        Assert.Equal(90_000, vectors.Words.Count);
        Assert.Equal(30_000, vectors.DuplicateCount);
        Assert.Equal(Enumerable.Range(0, 90_000).Select(i => $"word{i}"), vectors.Words);
        Assert.Equal(numbers[..(90_000 * 4)], Floats(vectors.Vectors));
    }

    [Fact]
    public void ARowMayBeLongerThanABlock()
    {
        using var folder = new TestFolder();
        const int width = 900_000;
        string row = string.Concat(Enumerable.Repeat(" 0.5", width));
        using var vectors = TestVectors.Load(folder.Write("vectors.txt", $"a{row}\nb{row}\n"));
        Assert.Equal([2, width], vectors.Vectors.shape);
        Assert.All(Floats(vectors.Vectors), value => Assert.Equal(0.5f, value));
    }

    [Theory]
    [InlineData("large.txt")]
    [InlineData("large.gz")]
    [InlineData("large.bin")]
    public void ProgressGoesToTheEndAndCanBeCancelled(string name)
    {
        using var folder = new TestFolder();
        byte[] content = name.EndsWith(".bin", StringComparison.Ordinal) ? LargeBinary() : Encoding.UTF8.GetBytes(LargeText());
        if (name.EndsWith(".gz", StringComparison.Ordinal)) content = Pack(content);
        string path = folder.Write(name, content);
        var reports = new List<LoadProgress>();
        using (TestVectors.Load(path, progress: new Reporter(reports.Add)))
        {
            Assert.True(reports.Count > 2);
            Assert.Equal(new LoadProgress(content.Length, content.Length, 100_000), reports[^1]);
            Assert.All(reports.Zip(reports.Skip(1)), pair =>
            {
                Assert.True(pair.First.BytesRead <= pair.Second.BytesRead);
                Assert.True(pair.First.Words <= pair.Second.Words);
            });
        }

        long before = LiveTensors();
        using var source = new CancellationTokenSource();
        var cancelling = new Reporter(progress =>
        {
            if (progress.Words > 0) source.Cancel();
        });
        Assert.ThrowsAny<OperationCanceledException>(() => WordVectors.Load(path, progress: cancelling, cancellationToken: source.Token));
        Assert.Equal(before, Tensor.TotalCount);
        Assert.ThrowsAny<OperationCanceledException>(() => WordVectors.Load(path, cancellationToken: source.Token));
    }

    private sealed class Reporter(Action<LoadProgress> report) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value) => report(value);
    }

    private static string LargeText() => string.Concat(Enumerable.Range(0, 100_000).Select(i => $"word{i} 0.25 -{i % 1000} 1e-5 3.125 {i * 7 % 999}\n"));

    private static byte[] LargeBinary()
    {
        var content = new MemoryStream();
        content.Write("100000 8\n"u8);
        for (int i = 0; i < 100_000; i++)
        {
            content.Write(Encoding.UTF8.GetBytes($"word{i} "));
            content.Write(new byte[32]);
        }
        return content.ToArray();
    }

    internal static byte[] Pack(byte[] content)
    {
        var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest)) gzip.Write(content);
        return packed.ToArray();
    }

    private static void AssertGensims(WordVectors vectors)
    {
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(TestFolder.Golden("gensim.verified.json")));
        Assert.Equal(golden.RootElement.GetProperty("words").Deserialize<string[]>(), vectors.Words);
        Assert.Equal(golden.RootElement.GetProperty("shape").Deserialize<long[]>(), vectors.Vectors.shape);
        Assert.Equal(golden.RootElement.GetProperty("float32").GetString(), Convert.ToHexStringLower(Bits(vectors.Vectors)));
    }
}
