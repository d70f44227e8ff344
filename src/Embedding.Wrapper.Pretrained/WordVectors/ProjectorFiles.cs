using System.Buffers;
using System.Text;
using EmbeddingWrapper.Native;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Pretrained;

/// <summary>
/// The files of TensorBoard's Embedding Projector. Its parser is <c>parseTensors</c> and <c>parseMetadata</c> in
/// https://github.com/tensorflow/tensorboard/blob/master/tensorboard/plugins/projector/vz_projector/data-provider.ts.
/// </summary>
internal static class ProjectorFiles
{
    private const string Vectors = "vectors.tsv", Metadata = "metadata.tsv";
    private const int ChunkSize = 1 << 20;

    private delegate void RowAction(int index, ReadOnlySpan<float> row);

    public static void Write(string folder, IReadOnlyList<string> words, Tensor vectors)
    {
        if (words.Count == 0 || vectors.size(1) < 2)
        {
            throw new InvalidOperationException(
                $"The Projector needs a word and vectors of 2 numbers or more, and Vectors is [{string.Join(", ", vectors.shape)}].");
        }
        ForEachRow(vectors, (index, row) =>
        {
            foreach (float number in row)
            {
                if (float.IsFinite(number)) continue;
                string word = FileFault.Quote(words[index]);
                throw new InvalidOperationException(
                    FormattableString.Invariant($"The Projector needs finite numbers, and the vector of {word} has {number}."));
            }
        });

        (string Name, Action<FileStream> Write)[] files =
        [
            (Vectors, file => WriteVectors(file, vectors)),
            (Metadata, file => WriteText(file, words.Select(Label))),
            ("projector_config.json", file => WriteText(file, [Json(words.Count, vectors.size(1))])),
            ("projector_config.pbtxt", file => WriteText(file, [ProtoText(words.Count, vectors.size(1))])),
        ];
        bool isNew = !Directory.Exists(folder);
        Directory.CreateDirectory(folder);
        try
        {
            WriteFrom(0);
        }
        catch when (isNew)
        {
            Directory.Delete(folder);
            throw;
        }

        // A file gets its name after the files behind it in the list have been written: before a name is taken, all content has been written.
        void WriteFrom(int i) => AtomicFile.Write(Path.Combine(folder, files[i].Name), file =>
        {
            files[i].Write(file);
            if (i + 1 < files.Length) WriteFrom(i + 1);
        });
    }

    private static void WriteVectors(FileStream file, Tensor vectors)
    {
        var output = new ArrayBufferWriter<byte>(2 * ChunkSize);
        ForEachRow(vectors, (_, row) =>
        {
            for (int i = 0; i < row.Length; i++)
            {
                if (i > 0) output.Write("\t"u8);
                WordVectorsWriter.WriteNumber(output, row[i]);
            }
            output.Write("\n"u8);
            if (output.WrittenCount < ChunkSize) return;
            file.Write(output.WrittenSpan);
            output.ResetWrittenCount();
        });
        file.Write(output.WrittenSpan);
    }

    private static unsafe void ForEachRow(Tensor vectors, RowAction action)
    {
        int width = (int)vectors.size(1);
        long count = vectors.size(0), rows = Math.Max(1, ChunkSize / (width * sizeof(float)));
        for (long start = 0; start < count; start += rows)
        {
            rows = Math.Min(rows, count - start);
            using var scope = NewDisposeScope();
            float* numbers = TensorMemory.Address<float>(vectors.narrow(0, start, rows).to(float32, CPU).contiguous());
            for (long i = 0; i < rows; i++, numbers += width) action((int)(start + i), new ReadOnlySpan<float>(numbers, width));
        }
    }

    private static void WriteText(FileStream file, IEnumerable<string> lines)
    {
        // A word that is not valid UTF-16 gets U+FFFD: StreamWriter's own encoding would throw.
        var utf8 = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        using var writer = new StreamWriter(file, utf8, ChunkSize, leaveOpen: true) { NewLine = "\n" };
        foreach (string line in lines) writer.WriteLine(line);
    }

    /// <summary>A word as one line that is not blank and has no tab.</summary>
    private static string Label(string word)
    {
        if (word.Length == 0) return "(empty)";
        if (word.All(c => char.IsWhiteSpace(c) || c == '\uFEFF')) return string.Join(' ', word.Select(c => $"U+{(int)c:X4}"));
        return word.Any(IsControl) ? string.Concat(word.Select(Visible)) : word;

        static bool IsControl(char c) => char.IsControl(c) || c is '\u2028' or '\u2029';

        // U+2400 is the sign for U+0000, and so on.
        static char Visible(char c) => c < ' ' ? (char)('\u2400' + c) : IsControl(c) ? '\uFFFD' : c;
    }

    private static string Json(long count, long width) => $$"""
        {
          "embeddings": [
            {
              "tensorName": "words",
              "tensorShape": [{{count}}, {{width}}],
              "tensorPath": "{{Vectors}}",
              "metadataPath": "{{Metadata}}"
            }
          ]
        }
        """;

    private static string ProtoText(long count, long width) => $$"""
        embeddings {
          tensor_name: "words"
          tensor_shape: {{count}}
          tensor_shape: {{width}}
          tensor_path: "{{Vectors}}"
          metadata_path: "{{Metadata}}"
        }
        """;
}
