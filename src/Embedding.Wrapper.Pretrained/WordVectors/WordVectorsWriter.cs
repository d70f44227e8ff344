using System.Buffers;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using EmbeddingWrapper.Native;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Pretrained;

/// <summary>Writes the formats that consist of rows, so that gensim reads the same words and numbers.</summary>
internal static class WordVectorsWriter
{
    private const int ChunkSize = 1 << 20;
    private const int LongestNumber = 24; // bytes of a float32 as text

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <exception cref="ArgumentException">The format cannot hold a word or the table. Nothing has been written.</exception>
    public static void Write(string path, IReadOnlyList<string> words, Tensor vectors, WordVectorsFormat format)
    {
        bool isBinary = format == WordVectorsFormat.Word2VecBinary;
        long width = vectors.size(1), widest = VectorStream.LongestRow / (isBinary ? sizeof(float) : 2);
        if (width == 0 || width > widest)
            throw new ArgumentException($"{format} holds vectors of 1 to {widest} numbers, and these have {width}.", nameof(format));
        if (words.Count == 0 && format == WordVectorsFormat.GloveText)
            throw new ArgumentException($"{format} cannot hold a table without words.", nameof(format));
        for (int i = 0; i < words.Count; i++)
        {
            if (Fault(words[i], i, format) is string fault)
                throw new ArgumentException($"{format} cannot hold word {i + 1}, {FileFault.Quote(words[i])}: {fault}.", nameof(format));
        }
        AtomicFile.Write(path, file =>
        {
            var output = new ArrayBufferWriter<byte>(2 * ChunkSize);
            if (format != WordVectorsFormat.GloveText) Encoding.ASCII.GetBytes(FormattableString.Invariant($"{words.Count} {width}\n"), output);
            int rows = (int)Math.Max(1, ChunkSize / (width * sizeof(float)));
            for (int start = 0; start < words.Count; start += rows)
            {
                rows = Math.Min(rows, words.Count - start);
                WriteRows(output, words, vectors, start, rows, isBinary);
                file.Write(output.WrittenSpan);
                output.ResetWrittenCount();
            }
            file.Write(output.WrittenSpan); // the header, if there are no words
        });
    }

    private static unsafe void WriteRows(
        ArrayBufferWriter<byte> output, IReadOnlyList<string> words, Tensor vectors, int start, int rows, bool isBinary)
    {
        using var scope = NewDisposeScope();
        int width = (int)vectors.size(1);
        float* numbers = TensorMemory.Address<float>(vectors.narrow(0, start, rows).to(float32, CPU).contiguous());
        for (int i = 0; i < rows; i++, numbers += width)
        {
            int before = output.WrittenCount;
            StrictUtf8.GetBytes(words[start + i], output);
            var row = new ReadOnlySpan<float>(numbers, width);
            if (isBinary)
            {
                output.Write(" "u8);
                output.Write(MemoryMarshal.AsBytes(row));
                continue;
            }
            foreach (float number in row)
            {
                output.Write(" "u8);
                WriteNumber(output, number);
            }
            if (output.WrittenCount - before > VectorStream.LongestRow)
                throw new ArgumentException($"Word {start + i + 1} has a row of more than {VectorStream.LongestRow} bytes of text.", "format");
            output.Write("\n"u8);
        }
    }

    /// <summary>The shortest text that reads back the same. A point or an exponent tells it from the numbers of a header.</summary>
    public static void WriteNumber(ArrayBufferWriter<byte> output, float number)
    {
        Span<byte> text = output.GetSpan(LongestNumber);
        number.TryFormat(text, out int length, "R", CultureInfo.InvariantCulture);
        bool isWhole = !text[..length].ContainsAnyExcept("-0123456789"u8);
        output.Advance(length);
        if (isWhole) output.Write(".0"u8);
    }

    /// <summary>Why a format cannot hold a word, or null if it can.</summary>
    private static string? Fault(string word, int index, WordVectorsFormat format)
    {
        try
        {
            int length = StrictUtf8.GetByteCount(word);
            if (length == 0) return "it is empty";
            if (format == WordVectorsFormat.Word2VecBinary)
            {
                if (word.AsSpan().ContainsAny(" \n")) return "it contains a space or a line feed";
                return length >= Word2VecBinaryFormat.LongestWord ? $"it has {length} bytes" : null;
            }
            if (word.AsSpan().ContainsAny(" \t\r\n")) return "it contains a space, a tab or a line end";
            return format == WordVectorsFormat.GloveText && index == 0 && word[0] == '\uFEFF' ? "it begins with a byte order mark" : null;
        }
        catch (EncoderFallbackException)
        {
            return "it contains half of a surrogate pair";
        }
    }
}
