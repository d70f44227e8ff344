using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Pretrained;

/// <summary>Word vectors in a safetensors file: the table, the UTF-8 text of all words, and the number of bytes of each word.</summary>
internal static class WordVectorsContainer
{
    private const string Vectors = "vectors", Words = "words", Lengths = "word_lengths";

    /// <summary>Whether the file begins as a safetensors file does: with the length of a header and the first character of the header.</summary>
    public static bool Is(VectorStream file) =>
        !file.IsPacked
        && file.Start.Length > sizeof(ulong)
        && file.Start[sizeof(ulong)] == '{'
        && BinaryPrimitives.ReadUInt64LittleEndian(file.Start) < (ulong)file.TotalBytes;

    public static WordVectors Read(VectorStream file, LoadOptions options)
    {
        using SafeTensorsFile tensors = SafeTensorsFile.Open(file.Path);
        using Tensor vectors = tensors.ReadAs(Vectors, ScalarType.Float32, dimensions: 2);
        using Tensor text = tensors.ReadAs(Words, ScalarType.Byte, dimensions: 1);
        using Tensor lengths = tensors.ReadAs(Lengths, ScalarType.Int64, dimensions: 1);
        if (vectors.size(0) != lengths.size(0))
            throw FileFault.At(file.Path, Lengths, $"there are {lengths.size(0)} words and {vectors.size(0)} vectors.");
        if (text.size(0) > Array.MaxLength || lengths.size(0) > Array.MaxLength / sizeof(long))
            throw FileFault.At(file.Path, Words, $"{lengths.size(0)} words of {text.size(0)} bytes in all are too many.");

        ReadOnlySpan<byte> rest = text.bytes;
        int count = (int)Math.Min(lengths.size(0), options.Limit ?? int.MaxValue);
        var words = new List<string>(count);
        var indices = new Dictionary<string, int>(count);
        foreach (long length in MemoryMarshal.Cast<byte, long>(lengths.bytes)[..count])
        {
            if (length < 0 || length > rest.Length)
                throw FileFault.At(file.Path, $"word {words.Count + 1}", $"it is said to have {length} bytes, and {rest.Length} are left.");
            string word = VectorStream.Word(rest[..(int)length]) ?? throw FileFault.At(file.Path, $"word {words.Count + 1}", "it is not valid UTF-8.");
            if (!indices.TryAdd(word, words.Count)) throw FileFault.At(file.Path, $"word {words.Count + 1}", $"{FileFault.Quote(word)} comes twice.");
            words.Add(word);
            rest = rest[(int)length..];
        }
        if (count == lengths.size(0) && rest.Length > 0) throw FileFault.At(file.Path, Words, $"{rest.Length} bytes are left over.");
        options.Progress?.Report(new LoadProgress(file.TotalBytes, file.TotalBytes, count));
        return new WordVectors(words, indices, vectors.narrow(0, 0, count).DetachFromDisposeScope(), duplicateCount: 0);
    }

    public static void Write(string path, IReadOnlyCollection<string> words, Tensor vectors)
    {
        using Tensor lengths = tensor(words.Select(word => (long)Encoding.UTF8.GetByteCount(word)).ToArray());
        using Tensor text = tensor(Encoding.UTF8.GetBytes(string.Concat(words)));
        SafeTensorsFile.Save(path, new Dictionary<string, Tensor> { [Vectors] = vectors, [Words] = text, [Lengths] = lengths });
    }
}
