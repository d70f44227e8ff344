using EmbeddingWrapper.Pretrained;
using EmbeddingWrapper.Tests.Pretrained;

namespace EmbeddingWrapper.Tests.BadInput;

// Calls on files. The fault tests of the readers cover the content of files.
public partial class BadInputTests
{
    private static IEnumerable<BadCall> FileCalls()
    {
        const string open = "SafeTensorsFile.Open", save = "SafeTensorsFile.Save", load = "WordVectors.Load";
        const string similar = "WordVectors.MostSimilar", words = "WordVectors.WordVectors", layer = "WordVectors.ToEmbedding";
        const string projector = "WordVectors.SaveProjector";
        return
        [
            Throws<ArgumentException>(open, "no path", _ => SafeTensorsFile.Open(""), "path"),
            Throws<ArgumentException>(open, "no characters of a path", _ => SafeTensorsFile.Open("a\0b"), "path"),
            Throws<FileNotFoundException>(open, "no file", world => SafeTensorsFile.Open(world["none"]), "none"),
            Throws<DirectoryNotFoundException>(open, "no folder", world => SafeTensorsFile.Open(world["no/file"]), "no/file"),
            Throws<UnauthorizedAccessException>(open, "a folder", world => SafeTensorsFile.Open(world[""]), "ew-"),
            Throws<InvalidDataException>(open, "a file of words", world => SafeTensorsFile.Open(world["words.txt"]),
                "words.txt, byte 0"),
            Throws<KeyNotFoundException>("SafeTensorsFile.Read", "no such name", world => world.File.Read("chair"), "'chair'"),

            Throws<ArgumentException>(save, "no path", _ => SafeTensorsFile.Save("", new Dictionary<string, Tensor>()), "path"),
            Throws<DirectoryNotFoundException>(save, "no folder", world => SafeTensorsFile.Save(world["no/file"], Two(zeros(1)))),
            Throws<IOException>(save, "a folder", world => SafeTensorsFile.Save(world[""], Two(zeros(1)))),
            Throws<ArgumentException>(save, "a null tensor", world => SafeTensorsFile.Save(world["table"], Two(null!)),
                "The tensor 'second' is null"),
            Throws<ObjectDisposedException>(save, "a disposed tensor", world => SafeTensorsFile.Save(world["table"], Two(world.Dead)),
                "second"),
            Throws<ArgumentException>(save, "a sparse tensor",
                world => SafeTensorsFile.Save(world["table"], Two(ones(2, 2).to_sparse())), "'second' is sparse"),
            Throws<ArgumentException>(save, "a meta tensor",
                world => SafeTensorsFile.Save(world["table"], Two(zeros(1, device: META))), "meta device"),
            Throws<NotSupportedException>(save, "complex128",
                world => SafeTensorsFile.Save(world["table"], Two(zeros(1, ScalarType.ComplexFloat64))), "second"),
            Throws<OutOfMemoryException>(save, "more than the memory, over a file",
                world => SafeTensorsFile.Save(world["table"], Two(zeros(1).expand(1L << 50))),
                "can't allocate memory"),
            Throws<InvalidOperationException>(save, "more than can be counted, over a file",
                world => SafeTensorsFile.Save(world["table"], Two(zeros(1).expand(1L << 62))), "overflowed"),

            Throws<ArgumentException>(load, "no path", _ => TestVectors.Load(""), "path"),
            Throws<FileNotFoundException>(load, "no file", world => TestVectors.Load(world["none"]), "none"),
            Throws<UnauthorizedAccessException>(load, "a folder", world => TestVectors.Load(world[""]), "ew-"),
            Throws<ArgumentOutOfRangeException>(load, "limit negative",
                world => TestVectors.Load(world["words.txt"], limit: int.MinValue), "limit", "-2147483648"),
            Throws<ArgumentOutOfRangeException>(load, "no format",
                world => TestVectors.Load(world["words.txt"], (WordVectorsFormat)99), "format", "99"),
            Throws<OperationCanceledException>(load, "cancelled",
                world => WordVectors.Load(world["words.txt"], cancellationToken: new CancellationToken(true))),
            Throws<ArgumentOutOfRangeException>(load, "no way with words that are not UTF-8",
                world => TestVectors.Load(world["words.txt"], undecodable: (UndecodableText)3), "undecodable", "3"),
            Throws<ArgumentException>(load, "a stream that cannot be read", world =>
            {
                using var stream = new FileStream(world["new"], FileMode.CreateNew, FileAccess.Write);
                File.Delete(world["new"]);
                TestVectors.Load(stream);
            }, "stream"),
            Throws<NotSupportedException>(load, "a stream of tensors", world =>
            {
                using FileStream stream = File.OpenRead(world["table"]);
                TestVectors.Load(stream);
            }, "safetensors"),
            Throws<InvalidDataException>(load, "a file of tensors that are no words", world => TestVectors.Load(world["table"]),
                "'vectors'"),

            Throws<KeyNotFoundException>("WordVectors.MostSimilar", "no such word", world => world.Words.MostSimilar("North"),
                "'North'"),
            Throws<ArgumentOutOfRangeException>("WordVectors.MostSimilar", "count negative",
                world => world.Words.MostSimilar("north", int.MinValue), "count"),
            Throws<ObjectDisposedException>("WordVectors.MostSimilar", "vectors disposed", world =>
            {
                world.Words.Vectors.Dispose();
                world.Words.MostSimilar("north");
            }, "Vectors"),
            Throws<InvalidOperationException>("WordVectors.MostSimilar", "more vectors than words",
                world => Reset(world, zeros(9, 2)).MostSimilar("north"),
                "There are 3 words, and Vectors is now [9, 2]"),
            Throws<InvalidOperationException>("WordVectors.MostSimilar", "vectors 1-d",
                world => Reset(world, zeros(3)).MostSimilar("north"), "now [3]"),
            Throws<KeyNotFoundException>(similar, "no such negative word", world => world.Words.MostSimilar(["north"], ["East"]), "'East'"),
            Throws<ArgumentException>(similar, "a null word", world => world.Words.MostSimilar(["north", null!]), "A word is null", "positive"),
            Throws<ArgumentException>(similar, "a null negative word", world => world.Words.MostSimilar(["north"], [null!]), "negative"),
            Throws<ArgumentException>(similar, "no word", world => world.Words.MostSimilar(Array.Empty<string>(), []), "At least one word"),
            Throws<ArgumentOutOfRangeException>(similar, "positive words, count negative",
                world => world.Words.MostSimilar(["north"], count: -1), "count"),
            Throws<InvalidOperationException>(similar, "positive words, vectors 1-d",
                world => Reset(world, zeros(3)).MostSimilar(["north"]), "now [3]"),
            Throws<ArgumentException>(similar, "vector too long", world => world.Words.MostSimilar(new float[3]),
                "A vector has 2 numbers here, and this one has 3", "vector"),
            Throws<ArgumentException>(similar, "vector empty", world => world.Words.MostSimilar(ReadOnlySpan<float>.Empty), "has 0"),
            Throws<ArgumentOutOfRangeException>(similar, "vector, count negative",
                world => world.Words.MostSimilar(new float[2], -1), "count"),
            Throws<InvalidOperationException>(similar, "vector, vectors 1-d",
                world => Reset(world, zeros(3)).MostSimilar(new float[2]), "now [3]"),

            Throws<KeyNotFoundException>("WordVectors.Similarity", "no such word", world => world.Words.Similarity("north", "South"), "'South'"),
            Throws<ObjectDisposedException>("WordVectors.Similarity", "vectors disposed", world =>
            {
                world.Words.Vectors.Dispose();
                world.Words.Similarity("north", "south");
            }, "Vectors"),
            Throws<InvalidOperationException>("WordVectors.Similarity", "vectors 1-d",
                world => Reset(world, zeros(3)).Similarity("north", "south"), "now [3]"),
            Throws<ArgumentNullException>("WordVectors.TryGetVector", "null", world => world.Words.TryGetVector(null!, new float[2]), "word"),
            Throws<ArgumentException>("WordVectors.TryGetVector", "destination too short",
                world => world.Words.TryGetVector("north", new float[1]), "A vector has 2 numbers, and the destination 1", "destination"),
            Throws<ArgumentException>("WordVectors.TryGetVector", "destination too long, no such word",
                world => world.Words.TryGetVector("North", new float[3]), "destination"),
            Throws<InvalidOperationException>("WordVectors.TryGetVector", "fewer vectors than words",
                world => Reset(world, zeros(1, 2)).TryGetVector("south", new float[2]), "now [1, 2]"),

            Throws<ArgumentException>(words, "too few words", _ => new WordVectors(["a"], zeros(2, 3)), "There are 1 words and 2 vectors", "words"),
            Throws<ArgumentException>(words, "a null word", _ => new WordVectors(["a", null!], zeros(2, 3)), "Word 1 is null", "words"),
            Throws<ArgumentException>(words, "a word twice", _ => new WordVectors(["a", "b", "a"], zeros(3, 3)), "Words 0 and 2 are both 'a'"),
            Throws<ArgumentException>(words, "1-d", _ => new WordVectors(["a"], zeros(1)), "2-dimensional", "1 dimensions", "vectors"),
            Throws<ArgumentException>(words, "3-d", _ => new WordVectors(["a"], zeros(1, 1, 1)), "2-dimensional", "3 dimensions"),
            Throws<ArgumentException>(words, "float64", _ => new WordVectors(["a"], zeros(1, 1, float64)), "Float32", "Float64", "vectors"),
            Throws<ArgumentException>(words, "bfloat16", _ => new WordVectors(["a"], zeros(1, 1, bfloat16)), "BFloat16"),
            Throws<ArgumentException>(words, "sparse", _ => new WordVectors(["a"], zeros(1, 1).to_sparse()), "sparse", "vectors"),
            Throws<ArgumentException>(words, "meta", _ => new WordVectors(["a"], zeros(1, 1, device: META)), "meta device"),
            Throws<ArgumentException>(words, "negated",
                _ => new WordVectors(["a"], zeros(1, 1, ScalarType.ComplexFloat32).conj().imag), "lazily negated"),
            Throws<ArgumentException>(words, "too wide", _ => new WordVectors(["a"], zeros(1, 1).expand(1, 1L << 40)), "1099511627776"),
            Throws<ObjectDisposedException>(words, "disposed", world => new WordVectors(["a"], world.Dead), "vectors"),

            Throws<ArgumentException>(layer, "vocabulary with null", world => world.Words.ToEmbedding(["north", null!], out _), "Word 1 is null"),
            Throws<ArgumentOutOfRangeException>(layer, "vocabulary, padding index",
                world => world.Words.ToEmbedding(["north"], out _, paddingIdx: 1), "1 is not in [-1, 1)"),
            Throws<InvalidOperationException>(layer, "vocabulary, vectors 1-d",
                world => Reset(world, zeros(3)).ToEmbedding(["north"], out _), "now [3]"),
            Throws<ArgumentOutOfRangeException>("WordVectors.ToEmbedding", "padding index",
                world => world.Words.ToEmbedding(paddingIdx: 3), "3 is not in [-3, 3)"),
            Throws<ObjectDisposedException>("WordVectors.ToEmbedding", "vectors disposed", world =>
            {
                world.Words.Vectors.Dispose();
                world.Words.ToEmbedding();
            }, "embeddings"),
            Throws<ObjectDisposedException>("WordVectors.Save", "vectors disposed, over a file", world =>
            {
                world.Words.Vectors.Dispose();
                world.Words.Save(world["words.txt"]);
            }, "Vectors"),
            Throws<ArgumentOutOfRangeException>("WordVectors.Save", "no format, over a file",
                world => world.Words.Save(world["words.txt"], WordVectorsFormat.Auto), "format"),
            Throws<InvalidOperationException>("WordVectors.Save", "more vectors than words, over a file",
                world => Reset(world, zeros(9, 2)).Save(world["words.txt"], WordVectorsFormat.GloveText),
                "There are 3 words, and Vectors is now [9, 2]"),
            Throws<ArgumentException>("WordVectors.Save", "no path", world => world.Words.Save(""), "path"),
            Throws<ArgumentException>(projector, "no folder", world => world.Words.SaveProjector(""), "folder"),
            Throws<ArgumentException>(projector, "no characters of a path", world => world.Words.SaveProjector("a\0b"), "path"),
            Throws<IOException>(projector, "a file", world => world.Words.SaveProjector(world["words.txt"]), "words.txt"),
            Throws<ObjectDisposedException>(projector, "vectors disposed", world =>
            {
                world.Words.Vectors.Dispose();
                world.Words.SaveProjector(world["new"]);
            }, "Vectors"),
            Throws<InvalidOperationException>(projector, "vectors 1-d", world => Reset(world, zeros(3)).SaveProjector(world["new"]), "now [3]"),
            Throws<InvalidOperationException>(projector, "vectors of one number",
                world => Reset(world, zeros(3, 1)).SaveProjector(world["new"]), "2 numbers or more", "[3, 1]"),
            Throws<InvalidOperationException>(projector, "not a number",
                world => Reset(world, full(3, 2, float.NaN)).SaveProjector(world["new"]), "'north' has NaN"),
            Throws<InvalidOperationException>(projector, "an infinity",
                world => Reset(world, full(3, 2, float.NegativeInfinity)).SaveProjector(world["new"]), "'north' has -Infinity"),
        ];

        static Dictionary<string, Tensor> Two(Tensor second) => new() { ["first"] = zeros(1), ["second"] = second };

        static WordVectors Reset(World world, Tensor vectors)
        {
            world.Words.Vectors.set_(vectors);
            return world.Words;
        }
    }
}
