using EmbeddingWrapper.Pretrained;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests.Pretrained;

/// <summary>Rows of real files that are no plain word with numbers.</summary>
public class WordVectorsOddRowsTests
{
    [Fact]
    public void NaNsAreReadAsTheyAre()
    {
        using var folder = new TestFolder();
        uint[] bits = [0x7FC00001, 0xFFC12345, 0x7F800001, 0x3F800000];
        byte[] numbers = [.. bits.SelectMany(BitConverter.GetBytes)];
        using (var text = TestVectors.Load(folder.Write("text", "a nan 1\nb -nan NaN\nc d +NAN 2\n")))
        {
            Assert.Equal(["a", "b", "c d"], text.Words);
            Assert.Equal([0x7FC00000, 0x3F800000, 0xFFC00000, 0x7FC00000, 0x7FC00000, 0x40000000], BitsOf(text));
        }
        using var binary = TestVectors.Load(folder.Write("binary", [.. "2 2\na "u8, .. numbers[..8], .. "b "u8, .. numbers[8..]]));
        Assert.Equal(bits, BitsOf(binary));
        binary.Save(folder["saved"]);
        using var saved = TestVectors.Load(folder["saved"]);
        Assert.Equal(bits, BitsOf(saved));

        static uint[] BitsOf(WordVectors vectors) => [.. Floats(vectors.Vectors).Select(BitConverter.SingleToUInt32Bits)];
    }

    [Theory]
    [InlineData("2 2\na 1 2\nb 3 4\n<unk> 5 6\n", null, 3)]
    [InlineData("2 2\na 1 2\nb 3 4\n<unk> 5 6", null, 3)]
    [InlineData("2 2\na 1 2\nb 3 4\n<unk> 5 6\n\n", 3, 3)]
    [InlineData("2 2\na 1 2\nb 3 4\n<unk> 5 6\n", 2, 2)]
    [InlineData("2 2\na 1 2\nb 3 4\nc 5 6\nd 7 8\n", 2, 2)]
    [InlineData("2 2\na 1 2\n<unk> 3 4\n", null, 2)]
    [InlineData("2 2\n<unk> 1 2\nb 3 4\n<unk> 5 6\n", null, 2)]
    public void TheRowOfUnknownWordsMayFollowThoseOfTheHeader(string text, int? limit, int words)
    {
        using var folder = new TestFolder();
        using var vectors = TestVectors.Load(folder.Write("vectors.txt", text), limit: limit);
        Assert.Equal(words, vectors.Words.Count);
        Assert.Equal([words, 2], vectors.Vectors.shape);
    }

    [Theory]
    [InlineData("  1 2\n", " ")]
    [InlineData("   1 2\n", "  ")]
    [InlineData("\t 1 2\n", "\t")]
    [InlineData(" \t 1 2\n", " \t")]
    [InlineData("\t1\t2\n", "")]
    [InlineData("\v 1 2\n", "\v")]
    [InlineData("\u00A0 1 2\n", "\u00A0")]
    [InlineData("\u3000 1 2\n", "\u3000")]
    [InlineData("\u2009\u2009 1 2\n", "\u2009\u2009")]
    public void AWordOfWhiteSpaceIsAWordOfItsOwn(string row, string word)
    {
        using var folder = new TestFolder();
        using var vectors = TestVectors.Load(folder.Write("vectors.txt", $"x 5 6\n{row}y 7 8\n"));
        Assert.Equal(["x", word, "y"], vectors.Words);
        Assert.Equal([5f, 6f, 1f, 2f, 7f, 8f], Floats(vectors.Vectors));
    }
}
