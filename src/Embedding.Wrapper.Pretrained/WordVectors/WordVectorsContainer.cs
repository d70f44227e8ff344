using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using EmbeddingWrapper.Native;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Pretrained;

/// <summary>Word vectors in a safetensors file: the table, the UTF-8 text of all words, and the number of bytes of each word.</summary>
internal static class WordVectorsContainer
{
    private const string Vectors = "vectors", Words = "words", Lengths = "word_lengths";
    private const int WordsPerReport = 1 << 16;

    /// <summary>Whether the file begins as a safetensors file does: with the length of a header and the first character of the header.</summary>
    public static bool Is(VectorStream file) =>
        file.Start.Length > sizeof(ulong)
        && file.Start[sizeof(ulong)] == '{'
        && BinaryPrimitives.ReadUInt64LittleEndian(file.Start) < (ulong)(file.HasUnknownLength ? SafeTensorsHeader.Longest : file.TotalBytes);

    public static WordVectors Read(VectorStream file, LoadOptions options)
    {
        if (file.Path is null || file.IsCompressed)
        {
            throw new NotSupportedException(
                $"{file.Name} is a safetensors file. It is mapped into memory, and so it is read only from a path, and uncompressed.");
        }
        using SafeTensorsFile tensors = SafeTensorsFile.Open(file.Path);
        using Tensor vectors = tensors.ReadAs(Vectors, ScalarType.Float32, dimensions: 2);
        using Tensor text = tensors.ReadAs(Words, ScalarType.Byte, dimensions: 1);
        using Tensor lengths = tensors.ReadAs(Lengths, ScalarType.Int64, dimensions: 1);
        if (vectors.size(0) != lengths.size(0))
            throw FileFault.At(file.Name, Lengths, $"there are {lengths.size(0)} words and {vectors.size(0)} vectors.");
        if (text.size(0) > Array.MaxLength || lengths.size(0) > Array.MaxLength / sizeof(long))
            throw FileFault.At(file.Name, Words, $"{lengths.size(0)} words of {text.size(0)} bytes in all are too many.");

        var words = new List<string>();
        var indices = new Dictionary<string, int>();
        var rows = new List<int>();
        int read = 0, duplicates = 0;
        ReadOnlySpan<byte> rest = text.bytes;
        foreach (long length in MemoryMarshal.Cast<byte, long>(lengths.bytes))
        {
            if (words.Count == options.Limit || options.Words.IsComplete) break;
            if (read++ % WordsPerReport == 0) options.Cancellation.ThrowIfCancellationRequested();
            if (length < 0 || length > rest.Length)
                throw FileFault.At(file.Name, $"word {read}", $"it is said to have {length} bytes, and {rest.Length} are left.");
            ReadOnlySpan<byte> bytes = rest[..(int)length];
            rest = rest[(int)length..];
            if (!options.Words.KeepsAll && !options.Words.Keeps(bytes)) continue;

            string word = options.Words.Decode(bytes) ?? throw FileFault.At(file.Name, $"word {read}", WordFilter.Undecodable);
            if (indices.TryAdd(word, words.Count))
            {
                words.Add(word);
                rows.Add(read - 1);
            }
            else if (word.Contains('\uFFFD')) duplicates++; // the replacement made it equal to another word
            else throw FileFault.At(file.Name, $"word {read}", $"{FileFault.Quote(word)} comes twice.");
        }
        if (read == lengths.size(0) && rest.Length > 0) throw FileFault.At(file.Name, Words, $"{rest.Length} bytes are left over.");
        options.Progress?.Report(new LoadProgress(file.TotalBytes, file.TotalBytes, words.Count));
        return new WordVectors(words, indices, Rows(vectors, rows).DetachFromDisposeScope(), duplicates, options.Words.SkippedCount);
    }

    public static void Write(string path, IReadOnlyCollection<string> words, Tensor vectors)
    {
        using Tensor lengths = TensorMemory.Copy<long>([.. words.Select(word => (long)Encoding.UTF8.GetByteCount(word))], int64);
        using Tensor text = TensorMemory.Copy<byte>(Encoding.UTF8.GetBytes(string.Concat(words)), uint8);
        SafeTensorsFile.Save(path, new Dictionary<string, Tensor> { [Vectors] = vectors, [Words] = text, [Lengths] = lengths });
    }

    /// <summary>Rows of a table. The first rows are a view; others are copied, so that they keep no more memory than they need.</summary>
    private static unsafe Tensor Rows(Tensor table, List<int> rows)
    {
        if (rows.Count == 0 || rows[^1] == rows.Count - 1) return table.narrow(0, 0, rows.Count);

        long width = table.size(1), bytes = width * sizeof(float);
        Tensor copy = empty(rows.Count, width, float32, CPU);
        float* from = TensorMemory.Address<float>(table), to = TensorMemory.Address<float>(copy);
        for (int i = 0; i < rows.Count; i++) Buffer.MemoryCopy(from + rows[i] * width, to + i * width, bytes, bytes);
        return copy;
    }
}
