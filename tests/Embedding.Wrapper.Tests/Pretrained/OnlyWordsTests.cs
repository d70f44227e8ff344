using System.Collections.Frozen;
using System.Text;
using EmbeddingWrapper.Pretrained;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests.Pretrained;

/// <summary><c>only:</c> keeps the words of a set.</summary>
public class OnlyWordsTests
{
    private const string Text = "the 1 2\nnew york 3 4\nnew 5 6\nThe 7 8\nthe 9 10\n 11 12\nü 13 14\nlast 15 16\n";

    public static TheoryData<string[], string[]> Sets => new()
    {
        { [], [] },
        { ["the"], ["the"] },
        { ["new york"], ["new york"] },
        { ["new"], ["new"] },
        { ["york"], [] },
        { ["last", "the", "missing"], ["the", "last"] },
        { ["", "ü"], ["", "ü"] },
        { ["the", "new york", "new", "The", "", "ü", "last"], ["the", "new york", "new", "The", "", "ü", "last"] },
    };

    [Theory]
    [MemberData(nameof(Sets))]
    public void TheWordsOfTheSetAreKeptInTheOrderOfTheFile(string[] only, string[] expected)
    {
        using var folder = new TestFolder();
        string glove = folder.Write("glove", Text), header = folder.Write("header", "8 2\n" + Text), packed = folder["packed"], saved = folder["saved"];
        File.WriteAllBytes(packed, WordVectorsFormatTests.Pack(Encoding.UTF8.GetBytes(Text)));
        using var all = TestVectors.Load(glove);
        all.Save(saved);
        foreach (string path in new[] { glove, header, packed, saved })
        {
            foreach (IReadOnlySet<string> set in new IReadOnlySet<string>[] { only.ToHashSet(), only.ToFrozenSet(), new SortedSet<string>(only, StringComparer.Ordinal) })
            {
                using var some = TestVectors.Load(path, only: set);
                AssertPartOf(all, expected, some);
            }
        }
    }

    [Fact]
    public void BinaryFilesKeepTheWordsOfTheSet()
    {
        using var all = TestVectors.Load(TestFolder.Golden("gensim.verified.bin"));
        for (int i = 0; i < all.Words.Count; i++)
        {
            using var one = TestVectors.Load(TestFolder.Golden("gensim.verified.bin"), only: new HashSet<string> { all.Words[i] });
            AssertPartOf(all, [all.Words[i]], one);
        }
    }

    [Fact]
    public void TheSetDecidesHowWordsAreCompared()
    {
        using var folder = new TestFolder();
        using var vectors = TestVectors.Load(
            folder.Write("text", Text), only: new HashSet<string>(["THE", "NEW YORK"], StringComparer.OrdinalIgnoreCase));
        Assert.Equal(["the", "new york", "The"], vectors.Words);
        Assert.Equal(1, vectors.DuplicateCount);
    }

    [Fact]
    public void TheLimitCountsTheRowsThatAreKept()
    {
        using var folder = new TestFolder();
        string text = folder.Write("text", string.Concat(Enumerable.Range(0, 100_000).Select(i => $"word{i} {i} 1 2 3\n")));
        IReadOnlySet<string> even = Enumerable.Range(0, 50_000).Select(i => $"word{i * 2}").ToHashSet();
        foreach (int limit in new[] { 0, 1, 7, 20_000, 50_000, 60_000 })
        {
            using var vectors = TestVectors.Load(text, limit: limit, only: even);
            int kept = Math.Min(limit, 50_000);
            Assert.Equal(Enumerable.Range(0, kept).Select(i => $"word{i * 2}"), vectors.Words);
            Assert.Equal([kept, 4], vectors.Vectors.shape);
        }
    }

    [Fact]
    public void MemoryFollowsTheSet()
    {
        using var folder = new TestFolder();
        string numbers = string.Concat(Enumerable.Repeat(" 0.125", 50));
        string text = folder.Write("text", string.Concat(Enumerable.Range(0, 100_000).Select(i => $"word{i}{numbers}\n")));
        var only = new HashSet<string> { "word10", "word99999" };
        TestVectors.Load(text, only: only).Dispose();

        long before = GC.GetAllocatedBytesForCurrentThread();
        using var vectors = TestVectors.Load(text, only: only);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 2 << 20); // 31 MB of text, 5 MB of words

        Assert.Equal(["word10", "word99999"], vectors.Words);
    }

    [Fact]
    public void RowsThatAreLeftOutAreNotParsed()
    {
        using var folder = new TestFolder();
        string text = folder.Write("text", [.. "a 1 2\nb x y\n"u8, 0xFF, .. " 1 2\nc 3 4\n"u8]);
        using var vectors = TestVectors.Load(text, only: new HashSet<string> { "c", "a", "none" });
        Assert.Equal(["a", "c"], vectors.Words);
        Assert.Equal([1f, 2f, 3f, 4f], Floats(vectors.Vectors));
        Assert.Throws<InvalidDataException>(() => TestVectors.Load(text, only: new HashSet<string> { "b" }));
        Assert.Throws<InvalidDataException>(() => TestVectors.Load(folder.Write("bad", "a 1 2\nb 3\n"), only: new HashSet<string> { "a", "none" }));
    }

    [Fact]
    public void ReadingEndsWhenAllWordsAreFound()
    {
        using var folder = new TestFolder();
        string text = folder.Write("text", "9 2\na 1 2\nb 3 4\nthis is not a row\n");
        using var vectors = TestVectors.Load(text, only: new HashSet<string> { "b" });
        Assert.Equal(["b"], vectors.Words);
    }

    [Fact]
    public void ReplacedWordsCanBeAskedFor()
    {
        using var vectors = TestVectors.Load(
            TestFolder.Golden("undecodable.verified.bin"), undecodable: UndecodableText.Replace, only: new HashSet<string> { "na\uFFFDve", "end" });
        Assert.Equal(["end", "na\uFFFDve"], vectors.Words);
    }

    private static void AssertPartOf(WordVectors all, string[] expected, WordVectors part)
    {
        Assert.Equal(expected, part.Words);
        Assert.Equal([expected.Length, all.Vectors.size(1)], part.Vectors.shape);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.True(all.TryGetIndex(expected[i], out long index));
            AssertSameBits(all.Vectors[index], part.Vectors[i]);
        }
    }
}
