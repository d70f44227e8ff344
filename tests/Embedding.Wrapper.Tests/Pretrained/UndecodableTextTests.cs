using System.Text;
using System.Text.Json;
using EmbeddingWrapper.Pretrained;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests.Pretrained;

/// <summary>Words that are not valid UTF-8. The goldens are what gensim reads with <c>unicode_errors='replace'</c>.</summary>
public class UndecodableTextTests
{
    private static readonly JsonElement Golden =
        JsonDocument.Parse(File.ReadAllBytes(TestFolder.Golden("undecodable.verified.json"))).RootElement;

    [Theory]
    [InlineData("undecodable.verified.txt")]
    [InlineData("undecodable.verified.bin")]
    public void ReplacedWordsAreThoseOfGensim(string name)
    {
        using var vectors = TestVectors.Load(TestFolder.Golden(name), undecodable: UndecodableText.Replace);
        AssertGolden("replace", vectors);
        Assert.Equal(0, vectors.SkippedCount);
        Assert.Equal(Golden.GetProperty("rows").GetInt32() - vectors.Words.Count, vectors.DuplicateCount);
        Assert.True(vectors.DuplicateCount > 100);
    }

    [Theory]
    [InlineData("undecodable.verified.txt")]
    [InlineData("undecodable.verified.bin")]
    public void SkippedRowsAreCountedAndDoNotCountForTheLimit(string name)
    {
        using var vectors = TestVectors.Load(TestFolder.Golden(name), undecodable: UndecodableText.Skip);
        AssertGolden("skip", vectors);
        Assert.Equal(Golden.GetProperty("skip").GetProperty("skipped").GetInt32(), vectors.SkippedCount);

        for (int limit = 0; limit <= vectors.Words.Count; limit++)
        {
            using var limited = TestVectors.Load(TestFolder.Golden(name), limit: limit, undecodable: UndecodableText.Skip);
            Assert.Equal(limit, limited.Words.Count + limited.DuplicateCount);
            Assert.Equal(vectors.Words.Take(limited.Words.Count), limited.Words);
        }
    }

    [Theory]
    [InlineData("undecodable.verified.txt", "line 6")]
    [InlineData("undecodable.verified.bin", "byte 67")]
    public void TheMessageNamesTheOption(string name, string place)
    {
        string path = TestFolder.Golden(name);
        var error = Assert.Throws<InvalidDataException>(() => TestVectors.Load(path));
        Assert.Equal($"{path}, {place}: the word is not valid UTF-8. UndecodableText.Replace or .Skip loads the file.", error.Message);
    }

    [Fact]
    public void CompressedAndSavedFilesFollowTheOptionToo()
    {
        using var folder = new TestFolder();
        string packed = folder.Write("packed", WordVectorsFormatTests.Pack(File.ReadAllBytes(TestFolder.Golden("undecodable.verified.bin"))));
        using (var vectors = TestVectors.Load(packed, undecodable: UndecodableText.Replace)) AssertGolden("replace", vectors);

        using var scope = NewDisposeScope();
        SafeTensorsFile.Save(folder["saved"], new Dictionary<string, Tensor>
        {
            ["vectors"] = Table(4, 2), ["words"] = tensor(new byte[] { 97, 0xFF, 0xFE, 98 }), ["word_lengths"] = ones(4, int64),
        });
        Assert.Throws<InvalidDataException>(() => TestVectors.Load(folder["saved"]));
        using var replaced = TestVectors.Load(folder["saved"], undecodable: UndecodableText.Replace);
        Assert.Equal(["a", "\uFFFD", "b"], replaced.Words);
        Assert.Equal([0f, 1f, 2f, 3f, 6f, 7f], Floats(replaced.Vectors));
        Assert.Equal(1, replaced.DuplicateCount);
        using var skipped = TestVectors.Load(folder["saved"], undecodable: UndecodableText.Skip);
        Assert.Equal(["a", "b"], skipped.Words);
        Assert.Equal([0f, 1f, 6f, 7f], Floats(skipped.Vectors));
        Assert.Equal(2, skipped.SkippedCount);
    }

    [Fact]
    public void WordsWithSpacesAndDamagedRowsAreToldApart()
    {
        using var folder = new TestFolder();
        string good = folder.Write("good", [.. "a 1 2\nb "u8, 0xE9, .. " 3 4\n"u8, 0xE9, .. "\t5\t6\nc 7 8\n"u8]);
        using var skipped = TestVectors.Load(good, undecodable: UndecodableText.Skip);
        Assert.Equal(["a", "c"], skipped.Words);
        Assert.Equal(2, skipped.SkippedCount);
        using var replaced = TestVectors.Load(good, undecodable: UndecodableText.Replace);
        Assert.Equal(["a", "b \uFFFD", "\uFFFD", "c"], replaced.Words);

        // The word is valid here, and the number is not.
        string damaged = folder.Write("damaged", [.. "a 1 2\nb 3 4"u8, 0xE9, .. "\n"u8]);
        var error = Assert.Throws<InvalidDataException>(() => TestVectors.Load(damaged, undecodable: UndecodableText.Skip));
        Assert.Contains("line 2: '4\uFFFD' is not a number", error.Message);
    }

    [Fact]
    public void ManyBlocksSkipTheSameRows()
    {
        using var folder = new TestFolder();
        var text = new MemoryStream();
        for (int i = 0; i < 200_000; i++)
        {
            text.Write(Encoding.UTF8.GetBytes($"word{i}"));
            if (i % 3 == 0) text.WriteByte(0xC3);
            text.Write(Encoding.UTF8.GetBytes($" {i} 1\n"));
        }
        using var vectors = TestVectors.Load(folder.Write("many", text.ToArray()), undecodable: UndecodableText.Skip);
        Assert.Equal(66_667, vectors.SkippedCount);
        Assert.Equal(Enumerable.Range(0, 200_000).Where(i => i % 3 != 0).Select(i => $"word{i}"), vectors.Words);
        Assert.Equal(Enumerable.Range(0, 200_000).Where(i => i % 3 != 0).SelectMany(i => new[] { i, 1f }), Floats(vectors.Vectors));
    }

    private static void AssertGolden(string name, WordVectors vectors)
    {
        JsonElement golden = Golden.GetProperty(name);
        Assert.Equal(golden.GetProperty("words").Deserialize<string[]>(), vectors.Words);
        Assert.Equal(golden.GetProperty("shape").Deserialize<long[]>(), vectors.Vectors.shape);
        Assert.Equal(golden.GetProperty("float32").GetString(), Convert.ToHexStringLower(Bits(vectors.Vectors)));
    }
}
