using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using EmbeddingWrapper.Pretrained;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests.Pretrained;

public class WordVectorsTests
{
    private static readonly string Glove = Path.Combine(AppContext.BaseDirectory, "Data", "glove.6B.100d.first2000.txt");

    private static readonly string Small = "north 0 1\nnortheast 1 1\neast 2 0\nnowhere 0 0\nsouth 0 -3\nnorth again 0 5\n";

    [Fact]
    public void EveryWordAndNumberOfGloveIsNumpys()
    {
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(TestFolder.Golden("glove.verified.json")));
        using var glove = TestVectors.Load(Glove);

        Assert.Equal(golden.RootElement.GetProperty("shape").Deserialize<long[]>(), glove.Vectors.shape);
        Assert.Equal(float32, glove.Vectors.dtype);
        Assert.Equal(golden.RootElement.GetProperty("words").GetInt32(), glove.Words.Count);
        Assert.Equal(golden.RootElement.GetProperty("words_sha256").GetString(), Sha256(Encoding.UTF8.GetBytes(string.Join('\n', glove.Words))));
        Assert.All(golden.RootElement.GetProperty("rows").EnumerateObject(), row =>
        {
            Assert.True(glove.TryGetIndex(row.Name, out long index));
            using Tensor vector = glove.Vectors[index];
            Assert.Equal(row.Value.GetString(), Convert.ToHexStringLower(Bits(vector)));
        });
        Assert.Equal(golden.RootElement.GetProperty("float32_sha256").GetString(), Sha256(Bits(glove.Vectors)));
        Assert.Equal(0, glove.DuplicateCount);

        static string Sha256(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
    }

    [Fact]
    public void IndicesAreThoseOfTheWords()
    {
        using var glove = TestVectors.Load(Glove);
        for (int i = 0; i < glove.Words.Count; i++)
        {
            Assert.True(glove.TryGetIndex(glove.Words[i], out long index));
            Assert.Equal(i, index);
        }
        Assert.False(glove.TryGetIndex("The", out long none));
        Assert.Equal(0, none);
    }

    [Fact]
    public void TheMostSimilarWordsComeBestFirstWithoutTheWordItself()
    {
        using var folder = new TestFolder();
        using var vectors = TestVectors.Load(folder.Write("small.txt", Small));

        var all = vectors.MostSimilar("north");

        Assert.Equal(["north again", "northeast", "east", "nowhere", "south"], all.Select(pair => pair.Word));
        float[] cosines = [1, MathF.Sqrt(0.5f), 0, 0, -1];
        Assert.All(all.Zip(cosines), pair => Assert.Equal(pair.Second, pair.First.Similarity, 1e-6f));
        Assert.Equal(all.Take(2), vectors.MostSimilar("north", 2));
        Assert.Empty(vectors.MostSimilar("north", 0));
        Assert.All(vectors.MostSimilar("nowhere"), pair => Assert.Equal(0, pair.Similarity));
        Assert.Equal(["north", "northeast", "east", "south", "north again"], vectors.MostSimilar("nowhere").Select(pair => pair.Word));
    }

    [Fact]
    public void SimilarityIsThatOfTheVectorsAsTheyAreNow()
    {
        using var folder = new TestFolder();
        using var vectors = TestVectors.Load(folder.Write("small.txt", Small));
        vectors.MostSimilar("north");
        vectors.Vectors[2] = tensor(new[] { 0f, 9f });
        Assert.Equal(new Neighbor("east", 1f), vectors.MostSimilar("north", 1)[0]);
    }

    [Fact]
    public void AnInfiniteVectorIsSimilarToNothing()
    {
        using var folder = new TestFolder();
        using var vectors = TestVectors.Load(folder.Write("small.txt", "a 1 0\nb inf 0\nc 1 1\n"));
        Assert.Equal(["c"], vectors.MostSimilar("a").Select(pair => pair.Word));
        Assert.Empty(vectors.MostSimilar("b"));
    }

    [Fact]
    public void VectorsWithANaNAreNobodysNeighbours()
    {
        using var folder = new TestFolder();
        using var vectors = TestVectors.Load(folder.Write("small.txt", "a 1 0\nb nan 1\nc 1 1\nd 1 -nan\n"));
        Assert.Equal(["c"], vectors.MostSimilar("a").Select(pair => pair.Word));
        Assert.Empty(vectors.MostSimilar("b"));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(50)]
    [InlineData(301)]
    public void TheLengthOfVectorsDoesNotMatter(int width)
    {
        // Multiplication by a power of two is exact, so the cosines are those of the vectors before it.
        using var scope = NewDisposeScope();
        using var generator = new torch.Generator(17, CPU);
        using Tensor plain = randn(200, width, generator: generator);
        string[] words = [.. Enumerable.Range(0, 200).Select(i => $"word{i}")];
        var indices = words.Select((word, i) => (word, i)).ToDictionary(pair => pair.word, pair => pair.i);
        using var unscaled = new WordVectors([.. words], indices, plain.clone().DetachFromDisposeScope(), 0, 0);
        foreach ((int smallest, int largest) in new[] { (-120, -90), (-70, 70), (-120, 120), (90, 122), (-60, -20) })
        {
            var random = new Random(3);
            float[] scales = [.. Enumerable.Range(0, 200).Select(_ => MathF.ScaleB(1, random.Next(smallest, largest)))];
            Tensor scaled = plain * tensor(scales, device: CPU).unsqueeze(1);
            using var vectors = new WordVectors([.. words], indices, scaled.DetachFromDisposeScope(), 0, 0);
            foreach (string word in new[] { "word0", "word77", "word199" })
            {
                var expected = unscaled.MostSimilar(word, 199).ToDictionary(pair => pair.Word, pair => pair.Similarity);
                var actual = vectors.MostSimilar(word, 199);
                Assert.Equal(199, actual.Count);
                Assert.All(actual, pair => Assert.Equal(expected[pair.Word], pair.Similarity, 2e-6f));
            }
        }
    }

    [Fact]
    public void TheSmallestAndTheLargestNumbersHaveCosines()
    {
        using var folder = new TestFolder();
        using var vectors = TestVectors.Load(folder.Write(
            "small.txt", "tiny 1e-45 0\nhuge 3.4e38 3.4e38\nmixed 3.4e38 1e-45\nminus -1e-45 -1e-45\nzero 0 0\n"));
        var all = vectors.MostSimilar("tiny");
        Assert.Equal(["mixed", "huge", "zero", "minus"], all.Select(pair => pair.Word));
        float[] cosines = [1, MathF.Sqrt(0.5f), 0, -MathF.Sqrt(0.5f)];
        Assert.All(all.Zip(cosines), pair => Assert.Equal(pair.Second, pair.First.Similarity, 1e-6f));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void TheLayerSharesTheVectors(bool freeze)
    {
        using var folder = new TestFolder();
        var vectors = TestVectors.Load(folder.Write("small.txt", Small));
        using Embedding embedding = vectors.ToEmbedding(freeze, paddingIdx: -1, sparse: true);

        Assert.Equal("Embedding(6, 2, padding_idx=5, sparse=True)", embedding.ToString());
        Assert.Equal(!freeze, embedding.Weight.requires_grad);
        vectors.Vectors.fill_(7);
        vectors.Dispose();
        Assert.All(Floats(embedding.Weight), value => Assert.Equal(7f, value));
    }

    [Fact]
    public void DuplicatesKeepTheFirstVectorAndAreCounted()
    {
        using var folder = new TestFolder();
        using var vectors = TestVectors.Load(folder.Write("twice.txt", "a 1\nb 2\na 3\nc 4\na 5\nb 6\nd 7\ne 8\nf 9\n"));
        Assert.Equal(["a", "b", "c", "d", "e", "f"], vectors.Words);
        Assert.Equal([1f, 2f, 4f, 7f, 8f, 9f], Floats(vectors.Vectors));
        Assert.Equal(3, vectors.DuplicateCount);
    }

    [Fact]
    public void SavedVectorsComeBackBitForBitWithTheirWords()
    {
        using var folder = new TestFolder();
        using var original = TestVectors.Load(TestFolder.Golden("gensim.verified.bin"));
        original.Save(folder["words.safetensors"]);
        using var again = TestVectors.Load(folder["words.safetensors"]);
        using var limited = TestVectors.Load(folder["words.safetensors"], limit: 3);

        Assert.Equal(original.Words, again.Words);
        AssertSameBits(original.Vectors, again.Vectors);
        Assert.Equal(original.MostSimilar("the").Select(pair => pair.Word), again.MostSimilar("the").Select(pair => pair.Word));
        Assert.Equal(original.Words.Take(3), limited.Words);
        Assert.Equal([3, 5], limited.Vectors.shape);
    }

    [Fact]
    public void SavingOverTheFileThatTheVectorsAreMappedFromWorks()
    {
        using var folder = new TestFolder();
        string path = folder["words.safetensors"];
        using (var vectors = TestVectors.Load(folder.Write("small.txt", Small))) vectors.Save(path);
        using (var mapped = TestVectors.Load(path))
        {
            mapped.Vectors.add_(1);
            mapped.Save(path);
        }
        using var again = TestVectors.Load(path);
        Assert.Equal([1f, 2f, 2f, 2f], Floats(again.Vectors)[..4]);
    }

    [Fact]
    public void TheyOutliveADisposeScopeAndLeaveNothingBehind()
    {
        using var folder = new TestFolder();
        string text = folder.Write("small.txt", Small + Small), binary = TestFolder.Golden("gensim.verified.bin"), bad = folder.Write("bad", Small + "x 1\n");
        long before = LiveTensors();
        foreach (string path in new[] { text, binary, folder["saved"] })
        {
            WordVectors vectors;
            using (NewDisposeScope())
            {
                vectors = TestVectors.Load(path);
                vectors.MostSimilar(vectors.Words[0]);
            }
            Assert.Equal(before + 1, Tensor.TotalCount);
            Assert.False(vectors.Vectors.IsInvalid);
            vectors.Save(folder["saved"]);
            vectors.Dispose();
            vectors.Dispose();
            Assert.Equal(before, Tensor.TotalCount);
        }
        Assert.Throws<InvalidDataException>(() => TestVectors.Load(bad));
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Fact]
    public void TheFileIsClosedWhenItWasReadAndWhenItWasDamaged()
    {
        using var folder = new TestFolder();
        string whole = folder.Write("small.txt", Small), damaged = folder.Write("damaged.gz", [0x1F, 0x8B, 1, 2, 3]);
        using var vectors = TestVectors.Load(whole);
        Assert.Throws<InvalidDataException>(() => TestVectors.Load(damaged));
        Assert.All([whole, damaged], path =>
        {
            using var alone = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
            Assert.NotEqual(0, alone.Length);
        });
    }

    [Fact]
    public void OpeningASavedFileCanBeCancelled()
    {
        using var folder = new TestFolder();
        using (var vectors = TestVectors.Load(folder.Write("small.txt", Small))) vectors.Save(folder["saved"]);
        Assert.ThrowsAny<OperationCanceledException>(
            () => WordVectors.Load(folder["saved"], cancellationToken: new CancellationToken(canceled: true)));
    }

    [Fact]
    public void WrongUseIsNamed()
    {
        using var folder = new TestFolder();
        string path = folder.Write("small.txt", Small);
        var vectors = TestVectors.Load(path);
        Assert.Equal("path", Assert.Throws<ArgumentNullException>(() => TestVectors.Load((string)null!)).ParamName);
        Assert.Equal("limit", Assert.Throws<ArgumentOutOfRangeException>(() => TestVectors.Load(path, limit: -1)).ParamName);
        Assert.Equal("format", Assert.Throws<ArgumentOutOfRangeException>(() => TestVectors.Load(path, (WordVectorsFormat)9)).ParamName);
        Assert.Throws<FileNotFoundException>(() => TestVectors.Load(folder["none"]));
        Assert.Equal("word", Assert.Throws<ArgumentNullException>(() => vectors.TryGetIndex(null!, out _)).ParamName);
        Assert.Equal("word", Assert.Throws<ArgumentNullException>(() => vectors.MostSimilar((string)null!)).ParamName);
        Assert.Equal("count", Assert.Throws<ArgumentOutOfRangeException>(() => vectors.MostSimilar("north", -1)).ParamName);
        Assert.Contains("'North'", Assert.Throws<KeyNotFoundException>(() => vectors.MostSimilar("North")).Message);
        Assert.Equal("undecodable", Assert.Throws<ArgumentOutOfRangeException>(() => TestVectors.Load(path, undecodable: (UndecodableText)9)).ParamName);
        Assert.Equal("path", Assert.Throws<ArgumentNullException>(() => vectors.Save(null!)).ParamName);
        Assert.Equal("paddingIdx", Assert.Throws<ArgumentOutOfRangeException>(() => vectors.ToEmbedding(paddingIdx: 6)).ParamName);
        vectors.Dispose();
        Assert.Throws<ObjectDisposedException>(() => vectors.Words);
        Assert.Throws<ObjectDisposedException>(() => vectors.Vectors);
        Assert.Throws<ObjectDisposedException>(() => vectors.DuplicateCount);
        Assert.Throws<ObjectDisposedException>(() => vectors.SkippedCount);
        Assert.Throws<ObjectDisposedException>(() => vectors.TryGetIndex("north", out _));
        Assert.Throws<ObjectDisposedException>(() => vectors.MostSimilar("north"));
        Assert.Throws<ObjectDisposedException>(() => vectors.ToEmbedding());
        Assert.Throws<ObjectDisposedException>(() => vectors.Save(folder["saved"]));
    }
}
