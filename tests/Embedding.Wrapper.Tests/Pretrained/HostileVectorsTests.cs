using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using EmbeddingWrapper.Pretrained;
using ICSharpCode.SharpZipLib.BZip2;

namespace EmbeddingWrapper.Tests.Pretrained;

/// <summary>Small files that hold gigabytes, and files that announce what they do not have.</summary>
public class HostileVectorsTests
{
    public static TheoryData<string, string, string> Blanks => new()
    {
        { "", "\n", "line " },
        { "a 1 2\n", "\n", "line " },
        { "a 1 2\n", "\r\n", "line " },
        { "a 1 2\n", " \t\v\f \n", "line " },
        { "a 1 2\r", "\r", "line " },
        { "5 2\n", "\n", "line " },
        { "5 2\na 1 2\n", "\n", "line " },
        { "2 1\na \0\0\u0001\0", "\n", "byte " },
        { "1 1\na \0\0\u0001\0", "\n", "byte " },
    };

    [Theory]
    [MemberData(nameof(Blanks))]
    public void GigabytesOfBlankLinesAreRefusedAfterAFewMegabytes(string before, string blank, string place)
    {
        using var folder = new TestFolder();
        // SharpZipLib takes minutes to compress two bytes again and again, and moments for one.
        foreach (bool isBzip2 in blank.Length == 1 ? new[] { false, true } : [false])
        {
            string path = Flood(folder, before, blank, isBzip2);
            long allocated = GC.GetTotalAllocatedBytes();
            long read = 0;
            var error = Assert.Throws<InvalidDataException>(() => TestVectors.Load(path, progress: new Last(progress => read = progress.BytesRead)));
            Assert.StartsWith($"{path}, {place}", error.Message);
            Assert.Contains("the file consists mostly of ", error.Message);
            Assert.InRange(GC.GetTotalAllocatedBytes() - allocated, 0, 64 << 20);
            if (!isBzip2) Assert.InRange(read, 0, new FileInfo(path).Length / 10); // a bzip2 flood fits into one read
            if (before.StartsWith("a ", StringComparison.Ordinal))
            {
                using var first = TestVectors.Load(path, limit: 1);
                Assert.Equal(["a"], first.Words);
            }
        }
    }

    [Theory]
    [InlineData("", "a 1 2\n")]
    [InlineData("", "a 1 2\n\n\n\n\n\n\n\n")]
    [InlineData("2000000000 1\n", "a \0\0\u0001\0\n")]
    public void OneRowAgainAndAgainTakesNoMemory(string before, string row)
    {
        using var folder = new TestFolder();
        string path = Flood(folder, before, row, isBzip2: false);
        long allocated = GC.GetTotalAllocatedBytes();
        using (var limited = TestVectors.Load(path, limit: 500_000))
        {
            Assert.Equal(["a"], limited.Words);
            Assert.Equal(499_999, limited.DuplicateCount);
        }
        using var source = new CancellationTokenSource();
        var cancel = new Last(progress =>
        {
            if (progress.BytesRead > 60_000) source.Cancel();
        });
        Assert.Throws<OperationCanceledException>(() => WordVectors.Load(path, progress: cancel, cancellationToken: source.Token));
        Assert.InRange(GC.GetTotalAllocatedBytes() - allocated, 0, 1 << 30); // the words as strings, which are collected at once
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true), 0, 100 << 20);
    }

    [Fact]
    public void AFloodIsCancelledBetweenRowsToo()
    {
        using var folder = new TestFolder();
        string path = Flood(folder, "", "a 1 2\n", isBzip2: false, pieces: 2); // one read of the file holds all of it
        using var source = new CancellationTokenSource();
        int reports = 0;
        var cancel = new Last(_ =>
        {
            if (++reports == 5) source.Cancel();
        });
        Assert.Throws<OperationCanceledException>(
            () => WordVectors.Load(path, progress: cancel, cancellationToken: source.Token, only: new HashSet<string> { "b" }));
        Assert.Equal(5, reports);
    }

    [Fact]
    public void LengthsOfWordsThatAreNotThereTakeNoMemory()
    {
        using var folder = new TestFolder();
        string path = folder["lengths"];
        const long words = 100_000_000;
        string json = $"{{{Entry("vectors", "F32", $"{words},1", 0, words * 4)},{Entry("word_lengths", "I64", $"{words}", words * 4, words * 12)},"
            + $"{Entry("words", "U8", "3", words * 12, words * 12 + 3)}}}";
        json = json.PadRight((json.Length + 7) / 8 * 8);
        using (FileStream file = File.Create(path))
        {
            byte[] length = new byte[8];
            BinaryPrimitives.WriteInt64LittleEndian(length, json.Length);
            file.Write(length);
            file.Write(Encoding.ASCII.GetBytes(json));
            file.SetLength(8 + json.Length + words * 12 + 3); // a hole
        }
        long allocated = GC.GetTotalAllocatedBytes();
        var error = Assert.Throws<InvalidDataException>(() => TestVectors.Load(path));
        Assert.Equal($"{path}, word 2: '' comes twice.", error.Message);
        Assert.InRange(GC.GetTotalAllocatedBytes() - allocated, 0, 16 << 20);

        static string Entry(string name, string type, string shape, long start, long end) =>
            $"\"{name}\":{{\"dtype\":\"{type}\",\"shape\":[{shape}],\"data_offsets\":[{start},{end}]}}";
    }

    [Fact]
    public void VectorsLoadWhileTheDefaultDeviceHasNoMemory()
    {
        using var folder = new TestFolder();
        string text = folder.Write("text", "a 1 2\nb 3 4\na 5 6\n");
        set_default_device(META);
        try
        {
            foreach (string path in new[] { text, TestFolder.Golden("gensim.verified.bin") })
            {
                using var vectors = TestVectors.Load(path);
                using (var some = TestVectors.Load(path, only: new HashSet<string> { vectors.Words[1] })) Assert.Equal(DeviceType.CPU, some.Vectors.device_type);
                Assert.Equal(DeviceType.CPU, vectors.Vectors.device_type);
                Assert.NotEmpty(vectors.MostSimilar(vectors.Words[0]));
                foreach (WordVectorsFormat format in new[] { WordVectorsFormat.SafeTensors, WordVectorsFormat.Word2VecBinary })
                {
                    vectors.Save(folder["saved"], format);
                    using var saved = TestVectors.Load(folder["saved"]);
                    Shared.AssertSameBits(vectors.Vectors, saved.Vectors);
                    using var part = TestVectors.Load(folder["saved"], only: new HashSet<string> { vectors.Words[1] });
                    Assert.Equal([vectors.Words[1]], part.Words);
                }
            }
            using var none = TestVectors.Load(folder.Write("none", "0 3\n"));
            Assert.Equal(DeviceType.CPU, none.Vectors.device_type);
        }
        finally
        {
            set_default_device(CPU);
        }
    }

    /// <summary>Some gigabytes in a file of some megabytes: a piece of compressed data that is repeated.</summary>
    private static string Flood(TestFolder folder, string before, string unit, bool isBzip2, int pieces = 300)
    {
        const int pieceSize = 1 << 24;
        byte[] piece = Encoding.Latin1.GetBytes(string.Concat(Enumerable.Repeat(unit, pieceSize / unit.Length)));
        byte[] start = Encoding.Latin1.GetBytes(before), packedStart = Pack(start, isBzip2), packedPiece = Pack(piece, isBzip2);
        using FileStream file = File.Create(folder["flood"]);
        file.Write(packedStart);
        for (int i = 0; i < pieces; i++) file.Write(packedPiece);
        return file.Name;
    }

    private static byte[] Pack(byte[] content, bool isBzip2)
    {
        var packed = new MemoryStream();
        using (Stream stream = isBzip2 ? new BZip2OutputStream(packed) : new GZipStream(packed, CompressionLevel.Optimal)) stream.Write(content);
        return packed.ToArray();
    }

    private sealed class Last(Action<LoadProgress> report) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value) => report(value);
    }
}
