using System.Text;
using EmbeddingWrapper.Pretrained;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests.Pretrained;

/// <summary>Every format that is read can be saved. <see cref="PythonTests"/> has gensim read the files.</summary>
public class WordVectorsSaveTests
{
    public static readonly WordVectorsFormat[] RowFormats =
        [WordVectorsFormat.GloveText, WordVectorsFormat.Word2VecText, WordVectorsFormat.Word2VecBinary];

    public static TheoryData<WordVectorsFormat> Formats => [.. RowFormats, WordVectorsFormat.SafeTensors];

    [Theory]
    [MemberData(nameof(Formats))]
    public void SavedFilesComeBackBitForBit(WordVectorsFormat format)
    {
        using var folder = new TestFolder();
        using var original = TestVectors.Load(TestFolder.Golden("gensim.verified.bin"));
        original.Save(folder["saved"], format);
        foreach (WordVectorsFormat read in new[] { WordVectorsFormat.Auto, format })
        {
            using var again = TestVectors.Load(folder["saved"], read);
            Assert.Equal(original.Words, again.Words);
            AssertSameBits(original.Vectors, again.Vectors);
        }
    }

    [Fact]
    public void BinaryFilesAreThoseOfGensim()
    {
        using var folder = new TestFolder();
        using var vectors = TestVectors.Load(TestFolder.Golden("gensim.verified.bin"));
        vectors.Save(folder["saved"], WordVectorsFormat.Word2VecBinary);
        Assert.Equal(File.ReadAllBytes(TestFolder.Golden("gensim.verified.bin")), File.ReadAllBytes(folder["saved"]));
    }

    [Theory]
    [InlineData("1 0.5\n2 3\n")]
    [InlineData("5 3\n")]
    [InlineData("0 -0\n")]
    public void NumbersThatLookLikeAHeaderComeBack(string text)
    {
        using var folder = new TestFolder();
        using var original = TestVectors.Load(folder.Write("text", text), WordVectorsFormat.GloveText);
        foreach (WordVectorsFormat format in RowFormats)
        {
            original.Save(folder["saved"], format);
            using var again = TestVectors.Load(folder["saved"], format == WordVectorsFormat.Word2VecBinary ? format : WordVectorsFormat.Auto);
            Assert.Equal(original.Words, again.Words);
            AssertSameBits(original.Vectors, again.Vectors);
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void EveryKindOfNumberComesBack(WordVectorsFormat format)
    {
        using var folder = new TestFolder();
        var random = new Random(5);
        var content = new MemoryStream();
        content.Write("2000 50\n"u8);
        for (int i = 0; i < 2000; i++)
        {
            content.Write(Encoding.ASCII.GetBytes($"word{i} "));
            for (int j = 0; j < 50; j++)
            {
                uint bits = (uint)random.NextInt64(1L << 32);
                content.Write(BitConverter.GetBytes(float.IsNaN(BitConverter.UInt32BitsToSingle(bits)) ? 0x7FC00000 : bits));
            }
        }
        using var original = TestVectors.Load(folder.Write("binary", content.ToArray()));
        original.Save(folder["saved"], format);
        using var again = TestVectors.Load(folder["saved"]);
        Assert.Equal(original.Words, again.Words);
        AssertSameBits(original.Vectors, again.Vectors);
    }

    [Theory]
    [InlineData("new york", true)]
    [InlineData(" ", true)]
    [InlineData("", true)]
    [InlineData("a\nb", true)]
    [InlineData("half of a surrogate pair", true)]
    [InlineData("a\tb", false)]
    [InlineData("\t", false)]
    [InlineData("a\rb", false)]
    public void AWordThatAFormatCannotHoldIsRefusedBeforeAnythingIsWritten(string word, bool alsoInBinary)
    {
        if (word == "half of a surrogate pair") word = "\ud800"; // which does not survive as an argument
        using var folder = new TestFolder();
        folder.Write("saved", "an older file");
        using Tensor table = Table(3, 2);
        using var vectors = new WordVectors(["first", word, "third"], new Dictionary<string, int>(), table.clone(), 0, 0);
        foreach (WordVectorsFormat format in RowFormats)
        {
            if (format == WordVectorsFormat.Word2VecBinary && !alsoInBinary) continue;
            var error = Assert.Throws<ArgumentException>(() => vectors.Save(folder["saved"], format));
            Assert.Equal("format", error.ParamName);
            Assert.StartsWith($"{format} cannot hold word 2, ", error.Message);
            Assert.Equal("an older file", File.ReadAllText(folder["saved"]));
            Assert.Equal(["saved"], folder.Files);
        }
    }

    [Theory]
    [InlineData("\u00A0")]
    [InlineData("\u3000")]
    [InlineData("\u2028")]
    [InlineData("\u0085")]
    [InlineData("\v")]
    [InlineData("<unk>")]
    [InlineData("BZh9")]
    [InlineData("PAR1")]
    [InlineData("GGUF")]
    [InlineData("PK")]
    [InlineData("7z")]
    [InlineData("ustar")]
    [InlineData("version")]
    [InlineData("<html>")]
    [InlineData("nan")]
    [InlineData("1e5")]
    public void AnyOtherWordComesBackAlsoAsTheFirstOne(string word)
    {
        using var folder = new TestFolder();
        using Tensor table = Table(3, 2);
        using var vectors = new WordVectors([word, "second", "third"], new Dictionary<string, int>(), table.clone(), 0, 0);
        foreach (WordVectorsFormat format in RowFormats)
        {
            vectors.Save(folder["saved"], format);
            using var again = TestVectors.Load(folder["saved"], format == WordVectorsFormat.Word2VecBinary ? format : WordVectorsFormat.Auto);
            Assert.Equal(vectors.Words, again.Words);
            AssertSameBits(table, again.Vectors);
        }
    }

    [Fact]
    public void TablesThatAFormatCannotHoldAreRefused()
    {
        using var folder = new TestFolder();
        using var empty = TestVectors.Load(folder.Write("empty", "0 3\n"));
        Assert.Equal("format", Assert.Throws<ArgumentException>(() => empty.Save(folder["saved"], WordVectorsFormat.GloveText)).ParamName);
        foreach (WordVectorsFormat format in new[] { WordVectorsFormat.Word2VecText, WordVectorsFormat.Word2VecBinary })
        {
            empty.Save(folder["saved"], format);
            using var again = TestVectors.Load(folder["saved"], format);
            Assert.Equal([0, 3], again.Vectors.shape);
        }
        using var narrow = new WordVectors(["a"], new Dictionary<string, int>(), zeros(1, 0), 0, 0);
        foreach (WordVectorsFormat format in RowFormats) Assert.Throws<ArgumentException>(() => narrow.Save(folder["none"], format));
        using var longWord = new WordVectors([new string('a', 65_536)], new Dictionary<string, int>(), zeros(1, 1), 0, 0);
        Assert.Throws<ArgumentException>(() => longWord.Save(folder["none"], WordVectorsFormat.Word2VecBinary));
        using var wide = new WordVectors(["a"], new Dictionary<string, int>(), full(1, 2_000_000, 0.123456789f), 0, 0);
        Assert.Throws<ArgumentException>(() => wide.Save(folder["none"], WordVectorsFormat.GloveText)); // a line of more than 16 MiB
        Assert.DoesNotContain("none", folder.Files);
        Assert.Equal("format", Assert.Throws<ArgumentOutOfRangeException>(() => empty.Save(folder["none"], WordVectorsFormat.Auto)).ParamName);
        Assert.Equal("format", Assert.Throws<ArgumentOutOfRangeException>(() => empty.Save(folder["none"], (WordVectorsFormat)9)).ParamName);
    }
}
