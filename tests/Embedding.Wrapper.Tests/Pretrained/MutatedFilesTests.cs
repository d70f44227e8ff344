using System.Buffers.Binary;
using System.Text;
using System.Text.RegularExpressions;
using CsCheck;
using EmbeddingWrapper.Pretrained;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests.Pretrained;

/// <summary>
/// A damaged file is either read, or refused with its name, the place and the fault, and nothing is left behind.
/// EMBEDDING_WRAPPER_MUTATIONS sets how many files of each kind are tried; the default is 400.
/// </summary>
public class MutatedFilesTests
{
    private static readonly int Count = int.Parse(Environment.GetEnvironmentVariable("EMBEDDING_WRAPPER_MUTATIONS") ?? "400");

    private static readonly HashSet<string> Only = ["the", "naïve", "日本", "at name@domain.com", "3.14", "\uFFFD"];

    private const string Glove = "the 0.1 -0.25 3e-2\nof -1 2.5 0.125\nat name@domain.com 1 2 3\nnaïve 4 5 6\r\n\nthe 7 8 9\n日本 .5 -.5 1E2\n";

    /// <summary>Bytes that a mutation inserts: pieces of the formats, and numbers that are hard to handle.</summary>
    private static readonly string[] Pieces =
    [
        " nan", " inf", " 1e999", " -", "\n", "\r\n", " ", "\t", "\0", "0", "-1", "9", "99999999999999999999", "4294967296", "2147483647", "\uFEFF",
        "{", "}", "[", "]", "\"", ":", ",", "[0,0]", "\\ud800", "\"F64\"", "\"U32\"", "null", "1.5", "\"__metadata__\":{},", "../", "e", ".",
    ];

    private static readonly Gen<Action<List<byte>>> Mutation = Gen.Select(
        Gen.Int[0, 7], Gen.Double.Unit, Gen.Double.Unit, Gen.Byte, Gen.Int[0, Pieces.Length - 1], (what, place, other, value, piece) =>
        (Action<List<byte>>)(file =>
        {
            if (file.Count == 0) return;
            int at = (int)(place * file.Count), length = (int)(other * Math.Min(30, file.Count - at));
            switch (what)
            {
                case 0: file[at] = value; break;
                case 1: file[at] ^= (byte)(1 << (value & 7)); break;
                case 2: file.RemoveRange(at, length); break;
                case 3: file.RemoveRange(at, file.Count - at); break;
                case 4: file.InsertRange(at, file.GetRange(at, length)); break;
                case 5: file.Reverse(at, length); break;
                default: file.InsertRange(at, Encoding.UTF8.GetBytes(Pieces[piece])); break;
            }
        }));

    private static readonly Gen<Action<List<byte>>[]> Mutations = Mutation.Array[1, 4];

    [Theory]
    [InlineData("glove")]
    [InlineData("gensim.verified.txt")]
    [InlineData("gensim.verified.bin")]
    [InlineData("packed text")]
    [InlineData("packed binary")]
    [InlineData("undecodable.verified.txt")]
    [InlineData("undecodable.verified.bin")]
    [InlineData("bzip2 text")]
    [InlineData("zip binary")]
    [InlineData("saved")]
    public void WordVectorsGetACleanAnswer(string kind)
    {
        using var folder = new TestFolder();
        byte[] original = kind switch
        {
            "glove" => Encoding.UTF8.GetBytes(Glove),
            "packed text" => WordVectorsFormatTests.Pack(Encoding.UTF8.GetBytes(Glove)),
            "packed binary" => WordVectorsFormatTests.Pack(File.ReadAllBytes(TestFolder.Golden("gensim.verified.bin"))),
            "bzip2 text" => CompressedVectorsTests.Pack("bzip2", Encoding.UTF8.GetBytes(Glove)),
            "zip binary" => CompressedVectorsTests.Pack("zip", File.ReadAllBytes(TestFolder.Golden("gensim.verified.bin"))),
            "saved" => Saved(folder),
            _ => File.ReadAllBytes(TestFolder.Golden(kind)),
        };
        Try(folder["mutated"], original, kind == "saved", path =>
        {
            // The length of the file chooses the options, so that each kind is tried with each of them.
            int choice = (int)new FileInfo(path).Length % 6;
            using var vectors = TestVectors.Load(
                path, limit: choice > 3 ? 3 : null, undecodable: (UndecodableText)(choice % 3), only: choice == 5 ? Only : null);
            Assert.Equal(vectors.Words.Count, vectors.Vectors.size(0));
            Assert.Equal(vectors.Words.Count, vectors.Words.Distinct().Count());
            if (vectors.Words.Count == 0) return;
            Assert.True(vectors.TryGetIndex(vectors.Words[^1], out long index));
            Assert.Equal(vectors.Words.Count - 1, index);
            Assert.True(vectors.MostSimilar(vectors.Words[0]).Count < vectors.Words.Count);
        });
    }

    [Theory]
    [InlineData("everything.verified.safetensors")]
    [InlineData("others.verified.safetensors")]
    [InlineData("tied.verified.safetensors")]
    [InlineData("no metadata")]
    [InlineData("sharded.safetensors.index.verified.json")]
    public void SafeTensorsGetACleanAnswer(string kind)
    {
        using var folder = new TestFolder();
        bool isIndex = kind.EndsWith(".json", StringComparison.Ordinal);
        foreach (int shard in new[] { 1, 2 })
        {
            string name = $"sharded-0000{shard}-of-00002.verified.safetensors";
            folder.Write(name, File.ReadAllBytes(TestFolder.Golden(name)));
        }
        byte[] original = kind == "no metadata"
            ? SafeTensorsFileTests.Header(
                """{"__metadata__":null,"a":{"dtype":"I16","shape":[2,1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[0,3],"data_offsets":[4,4]}}""",
                [1, 2, 3, 4])
            : File.ReadAllBytes(TestFolder.Golden(kind));
        Try(folder[isIndex ? "mutated.json" : "mutated"], original, !isIndex, path =>
        {
            using var file = SafeTensorsFile.Open(path);
            foreach (string name in file.Names)
            {
                try
                {
                    using Tensor tensor = file.Read(name);
                    Bits(tensor);
                }
                catch (NotSupportedException error)
                {
                    Assert.Contains("TorchSharp does not have", error.Message);
                }
            }
        });
    }

    /// <param name="path">The path of the mutated files.</param>
    /// <param name="original">What is mutated.</param>
    /// <param name="hasHeader">If true, half of the files get a correct header length again, so that the reader gets past it.</param>
    /// <param name="read">Reads a file and everything in it.</param>
    private static void Try(string path, byte[] original, bool hasHeader, Action<string> read)
    {
        long tensors = LiveTensors();
        int refused = 0;
        Gen.Select(Mutations, Gen.Bool).Sample(
            (mutations, whole) =>
            {
                byte[] content = hasHeader && whole ? MutatedHeader(original, mutations) : Mutated(original, mutations);
                File.WriteAllBytes(path, content);
                long allocated = GC.GetTotalAllocatedBytes();
                try
                {
                    read(path);
                }
                catch (InvalidDataException error)
                {
                    refused++;
                    Assert.Matches($"^{Regex.Escape(path)}, (line \\d+|byte \\d+|word \\d+|words|word_lengths): .", error.Message);
                }
                catch (FileNotFoundException error) when (path.EndsWith(".json", StringComparison.Ordinal))
                {
                    refused++;
                    Assert.Equal(Path.GetDirectoryName(path), Path.GetDirectoryName(error.FileName));
                }
                Assert.InRange(GC.GetTotalAllocatedBytes() - allocated, 0, 8 << 20);
                Assert.Equal(tensors, Tensor.TotalCount);
            },
            iter: Count, threads: 1);
        Assert.InRange(refused, Count / 4, Count);
    }

    private static byte[] Mutated(ReadOnlySpan<byte> original, Action<List<byte>>[] mutations)
    {
        List<byte> file = [.. original];
        foreach (Action<List<byte>> mutate in mutations) mutate(file);
        return [.. file];
    }

    private static byte[] MutatedHeader(byte[] original, Action<List<byte>>[] mutations)
    {
        int dataStart = 8 + (int)BinaryPrimitives.ReadUInt64LittleEndian(original);
        byte[] json = Mutated(original.AsSpan(8..dataStart), mutations);
        return [.. BitConverter.GetBytes((ulong)json.Length), .. json, .. original.AsSpan(dataStart)];
    }

    private static byte[] Saved(TestFolder folder)
    {
        using var vectors = TestVectors.Load(folder.Write("original", Glove));
        vectors.Save(folder["saved"]);
        return File.ReadAllBytes(folder["saved"]);
    }
}
