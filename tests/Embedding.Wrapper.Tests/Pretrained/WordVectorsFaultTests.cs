using System.Text;
using EmbeddingWrapper.Pretrained;
using static EmbeddingWrapper.Tests.Pretrained.WordVectorsFormatTests;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests.Pretrained;

/// <summary>Damaged and hostile files of word vectors are refused, and the error names the fault and its place.</summary>
public class WordVectorsFaultTests
{
    [Theory]
    [InlineData("", "line 1: the file is empty.")]
    [InlineData("\n\n", "line 1: the file is empty.")]
    [InlineData("a\n", "line 1: 'a' is not a row: a word, then numbers, between spaces.")]
    [InlineData("\n\na b\n", "line 3: 'a b' is not a row: a word, then numbers, between spaces.")]
    [InlineData("a 1 2\nb 3\n", "line 2: 1 numbers, and a row has 2.")]
    [InlineData("a 1 2\nb 3 4\nc\n", "line 3: 0 numbers, and a row has 2.")]
    [InlineData("a 1 2\n\nb 3 4 5\n", "line 3: 3 numbers, and a row has 2.")]
    [InlineData("a 1 2\nb 3 4 5 6\n", "line 2: 4 numbers, and a row has 2.")]
    [InlineData("a 1 2\nb c 3\n", "line 2: 'c' is not a number, and stands where number 1 of 2 should.")]
    [InlineData("a 1 2\nb 3 4,5\n", "line 2: '4,5' is not a number, and stands where number 2 of 2 should.")]
    [InlineData("a 1 2\nb 3 0x10\n", "line 2: '0x10' is not a number, and stands where number 2 of 2 should.")]
    [InlineData("3 2\na 1 2\nb 3 4\n", "line 4: the file ends after 2 rows, and the header says 3.")]
    [InlineData("1 2\na 1 2\nb 3 4\n", "line 3: a row too many: the header says 1. With limit: 1 these rows are read.")]
    [InlineData("1 2\na 1 2\nb 3 4\n<unk> 5 6\n", "line 3: a row too many: the header says 1. With limit: 1 these rows are read.")]
    [InlineData("1 2\na 1 2\n<unk> 3 4\nb 5 6\n", "line 4: a row too many: the header says 1. With limit: 1 these rows are read.")]
    [InlineData("1 2\na 1 2\n<unk> 3 4\n<unk> 5 6\n", "line 4: a row too many: the header says 1. With limit: 1 these rows are read.")]
    [InlineData("1 2\na 1 2\n<unk>k 3 4\n", "line 3: a row too many: the header says 1. With limit: 1 these rows are read.")]
    [InlineData("3 2\na 1 2\n<unk> 3 4\n", "line 4: the file ends after 2 rows, and the header says 3.")]
    [InlineData("a 1 2\nb\r 3 4\n", "line 2: the line holds a carriage return and a line feed, and only one of them ends lines here.")]
    [InlineData("a 1 2\r\nb 3 4\rc 5 6\r\n", "line 2: the line holds a carriage return and a line feed")]
    [InlineData("2 3\na 1 2\nb 3 4\n", "line 2: 2 numbers, and a row has 3.")]
    [InlineData("2 1\na 1 2\nb 3 4\n", "line 2: 2 numbers, and a row has 1.")]
    [InlineData("2 0\na\nb\n", "line 1: the header asks for rows of 0 numbers, and they have 1 to 8388608.")]
    [InlineData("2 99999999999\na 1\n", "line 1: the header asks for rows of 99999999999 numbers, and they have 1 to 8388608.")]
    [InlineData("99999999999 2\na 1 2\n", "line 1: the header asks for 99999999999 words, and there can be 2147483591.")]
    [InlineData("2000000000 2\na 1 2\n", "line 3: the file ends after 1 rows, and the header says 2000000000.")]
    [InlineData("2 8000000\na 1 2\nb 3 4\n", "line 2: 2 numbers, and a row has 8000000.")]
    [InlineData("a 1 2\nb 1x 2\n", "line 2: '1x' is not a number, and stands where number 1 of 2 should.")]
    [InlineData("a 1 2\nbbbbbbbb\n", "line 2: 0 numbers, and a row has 2.")]
    public void ADamagedTextIsNamedWithItsLine(string text, string fault) => AssertFault(Encoding.UTF8.GetBytes(text), fault);

    [Fact]
    public void ALongLineIsCutInMessages()
    {
        using var folder = new TestFolder();
        string path = folder.Write("vectors.txt", new string('a', 41));
        var error = Assert.Throws<InvalidDataException>(() => TestVectors.Load(path));
        Assert.StartsWith($"{path}, line 1: '{new string('a', 40)}…' is not a row", error.Message);
    }

    [Fact]
    public void TheFirstFaultOfManyIsNamed()
    {
        // Several blocks are parsed at once, so a fault in a later block may be found first.
        var text = new StringBuilder();
        for (int i = 0; i < 300_000; i++) text.Append($"word{i} 0.123456 0.5{(i == 90_000 ? "x" : "")}{(i is 100_000 or 280_000 ? " 1 2 3" : "")}\n");
        byte[] content = Encoding.UTF8.GetBytes(text.ToString());
        AssertFault(content, "line 90001: '0.5x' is not a number");
        AssertFault([.. content, .. new byte[VectorStream.LongestRow + 1]], "line 90001: '0.5x' is not a number");
    }

    [Fact]
    public void InvalidUtf8IsNamed()
    {
        AssertFault([.. "a 1\nb"u8, 0xC3, .. " 2\n"u8], "line 2: the word is not valid UTF-8.");
        AssertFault([.. "a 1\nb"u8, 0xC3, .. " 2\n"u8], "line 2: the word is not valid UTF-8. UndecodableText.Replace or .Skip loads the file.");
        AssertFault([.. "2 1\nb"u8, 0xC3, .. " \0\0\0\0c \0\0\0\0"u8], "byte 4: the word is not valid UTF-8.");
    }

    [Theory]
    [InlineData("2 1\na \0\0\0\0b \0\0\0", "byte 15: the file ends within row 2, 1 bytes early.")]
    [InlineData("2 1\na \0\0\0\0", "byte 10: the end of the word of row 2 is not found.")]
    [InlineData("2 1\na \0\0\0\0b", "byte 10: the end of the word of row 2 is not found.")]
    [InlineData("1 1\na \0\0\0\0b \0\0\0\0", "byte 10: there is more than the 1 rows that the header says. With limit: 1 these rows are read.")]
    [InlineData("2 1\na \0\0\0\0  \0\0\0\0", "byte 10: the word of row 2 is empty or begins with a space, which the format cannot hold.")]
    [InlineData("1 2\n", "byte 4: the end of the word of row 1 is not found.")]
    [InlineData("2000000000 4000000\na \0\0\0\0", "byte 25: the file ends within row 1, 15999996 bytes early.")]
    [InlineData("1 4194305\na \0\0\0\0", "line 1: the header asks for rows of 4194305 numbers, and they have 1 to 4194304.")]
    [InlineData("a 1\n", "line 1: 'a 1' is not a header")]
    [InlineData("", "byte 0: the end of the header is not found.")]
    public void ADamagedBinaryIsNamedWithItsByte(string latin1, string fault) =>
        AssertFault(Encoding.Latin1.GetBytes(latin1), fault, WordVectorsFormat.Word2VecBinary);

    [Fact]
    public void ADamagedGzipIsNamed()
    {
        byte[] packed = Pack(Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, 5000).Select(i => $"word{i} {i * 0.37} {i * -1.91}\n"))));
        for (int cut = 1; cut < packed.Length - 2; cut += cut < 20 ? 1 : packed.Length / 40)
            AssertFault(packed[..^cut], "byte ");
        AssertFault([.. packed, 1], "byte ");
        AssertFault([.. packed, 0, 1], "byte ");
        AssertFault([.. packed, .. packed[..^1]], "byte ");
        for (int place = 3; place < packed.Length; place += packed.Length / 40)
        {
            byte[] damaged = [.. packed];
            damaged[place] ^= 0x55;
            if (place is > 3 and < 10) continue; // the date, the level and the system, which no reader checks
            AssertFault(damaged, "");
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void AGigabyteOnOneLineIsRefusedWithoutMakingRoomForIt(bool packed)
    {
        using var folder = new TestFolder();
        string path = folder["line.txt"];
        using (FileStream file = File.Create(path))
        {
            if (packed)
            {
                using var gzip = new System.IO.Compression.GZipStream(file, System.IO.Compression.CompressionLevel.Fastest);
                for (int i = 0; i < 1024; i++) gzip.Write(new byte[1 << 20]);
            }
            else
            {
                file.Write("word 1 2 3 "u8);
                file.SetLength(1 << 30); // a hole: it takes no room on the disk
            }
        }
        long before = GC.GetTotalAllocatedBytes();
        AssertFault(path, "line 1: the line is longer than 16777216 bytes.");
        AssertFault(path, "byte 0: the end of the header is not found.", WordVectorsFormat.Word2VecBinary);
        Assert.InRange(GC.GetTotalAllocatedBytes() - before, 0, 200 << 20);
    }

    [Theory]
    [InlineData("vectors", "there is no tensor 'vectors'.")]
    [InlineData("words", "there is no tensor 'words'.")]
    [InlineData("word_lengths", "there is no tensor 'word_lengths'.")]
    public void ASafeTensorsFileWithoutWordVectorsSaysWhatItLacks(string left, string fault)
    {
        Saved(tensors => tensors.Remove(left), $"byte 0: {fault}");
    }

    [Fact]
    public void ASavedFileWhoseTensorsDoNotFitTogetherIsNamed()
    {
        Saved(tensors => tensors["word_lengths"] = tensor(new long[] { 1, 1 }), "word_lengths: there are 2 words and 3 vectors.");
        Saved(tensors => tensors["word_lengths"] = tensor(new long[] { 1, 9, 1 }), "word 2: it is said to have 9 bytes, and 2 are left.");
        Saved(tensors => tensors["word_lengths"] = tensor(new long[] { 1, -1, 1 }), "word 2: it is said to have -1 bytes, and 2 are left.");
        Saved(tensors => tensors["word_lengths"] = tensor(new long[] { 1, 1, 0 }), "words: 1 bytes are left over.");
        Saved(tensors => tensors["words"] = tensor("aba"u8.ToArray()), "word 3: 'a' comes twice.");
        Saved(tensors => tensors["words"] = tensor(new byte[] { 97, 0xFF, 99 }), "word 2: the word is not valid UTF-8.");
        Saved(tensors => tensors["vectors"] = zeros(3), "byte ");
        Saved(tensors => tensors["vectors"] = zeros(3, 2, dtype: float64), "byte ");
    }

    private static void Saved(Action<Dictionary<string, Tensor>> damage, string fault)
    {
        using var folder = new TestFolder();
        using var scope = NewDisposeScope();
        var tensors = new Dictionary<string, Tensor>
        {
            ["vectors"] = Table(3, 2), ["words"] = tensor("abc"u8.ToArray()), ["word_lengths"] = tensor(new long[] { 1, 1, 1 }),
        };
        damage(tensors);
        SafeTensorsFile.Save(folder["saved"], tensors);
        AssertFault(folder["saved"], fault);
    }

    private static void AssertFault(byte[] content, string fault, WordVectorsFormat format = WordVectorsFormat.Auto)
    {
        using var folder = new TestFolder();
        AssertFault(folder.Write("vectors", content), fault, format);
    }

    private static void AssertFault(string path, string fault, WordVectorsFormat format = WordVectorsFormat.Auto)
    {
        var error = Assert.Throws<InvalidDataException>(() => TestVectors.Load(path, format));
        Assert.StartsWith($"{path}, {fault}", error.Message);
    }
}
