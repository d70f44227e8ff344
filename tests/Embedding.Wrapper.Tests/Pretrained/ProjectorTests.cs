using System.Collections;
using System.Globalization;
using System.Text.Json;
using EmbeddingWrapper.Pretrained;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests.Pretrained;

/// <summary>
/// <see cref="WordVectors.SaveProjector"/> writes what the Embedding Projector reads. <see cref="Vectors"/> and <see cref="Labels"/> read as
/// <c>parseTensors</c> and <c>parseMetadata</c> in TensorBoard's <c>vz_projector/data-provider.ts</c> do.
/// </summary>
public sealed class ProjectorTests : IDisposable
{
    private static readonly string[] Names = ["metadata.tsv", "projector_config.json", "projector_config.pbtxt", "vectors.tsv"];

    /// <summary>What JavaScript takes for white space.</summary>
    private static readonly char[] Blank =
        [.. Enumerable.Range(0, 0x10000).Select(i => (char)i).Where(c => c != '\u0085' && char.IsWhiteSpace(c) || c == '\uFEFF')];

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void TheProjectorReadsTheSameWordsAndBits()
    {
        var random = new Random(3);
        var numbers = new float[500, 33];
        for (int i = 0; i < 500; i++)
        {
            for (int j = 0; j < 33; j++)
            {
                float number = BitConverter.UInt32BitsToSingle((uint)random.NextInt64(1L << 32));
                numbers[i, j] = float.IsFinite(number) ? number : j; // whole numbers and zeros too
            }
        }
        numbers[0, 0] = -0f;
        using Tensor table = tensor(numbers);
        using var vectors = new WordVectors(Enumerable.Range(0, 500).Select(i => $"word {i}"), table);

        vectors.SaveProjector(_folder["p"]);

        Assert.Equal(vectors.Words, Labels("p"));
        float[][] rows = Vectors("p");
        Assert.Equal(500, rows.Length);
        for (int i = 0; i < 500; i++) Assert.Equal(Bits(table[i]), rows[i].SelectMany(BitConverter.GetBytes));
    }

    [Fact]
    public void WordsThatWouldBreakTheFileAreWrittenSoThatTheyCanBeSeen()
    {
        (string Word, string Label)[] words =
        [
            ("a\tb", "a␉b"), // a tab in the first line would make it a header
            ("", "(empty)"), // a blank line would be skipped, and every label after it would move
            (" ", "U+0020"), ("  ", "U+0020 U+0020"), ("\u00A0", "U+00A0"), ("\u3000", "U+3000"), ("\uFEFF", "U+FEFF"), ("\t", "U+0009"), ("\n", "U+000A"),
            ("\r", "U+000D"), ("\u0085", "U+0085"), ("\u2028", "U+2028"), ("\v\f", "U+000B U+000C"),
            ("x\ny", "x␊y"), ("x\r\ny", "x␍␊y"), ("x\u2028y", "x\uFFFDy"), ("x\u0085y", "x\uFFFDy"), ("\0", "␀"), ("\u007F", "\uFFFD"), ("\uD800", "\uFFFD"),
            ("plain", "plain"), ("new york", "new york"), (" x ", " x "), ("Zürich", "Zürich"), ("東京", "東京"), ("\U0001F600", "\U0001F600"), ("12", "12"),
            ("nan", "nan"), ("__proto__", "__proto__"), ("\"", "\""), ("(empty)", "(empty)"),
        ];
        using Tensor table = Table(words.Length, 2);
        using var vectors = new WordVectors(words.Select(word => word.Word), table);

        vectors.SaveProjector(_folder["p"]);

        Assert.Equal(words.Select(word => word.Label), Labels("p"));
        Assert.Equal(words.Length, Vectors("p").Length);
    }

    [Fact]
    public void TheSettingsNameTheFilesAndTheShape()
    {
        using Tensor table = Table(3, 2);
        using var vectors = new WordVectors(["a", "b", "c"], table);
        vectors.SaveProjector(_folder["p"]);

        using JsonDocument config = JsonDocument.Parse(File.ReadAllBytes(_folder["p/projector_config.json"]));
        JsonElement embedding = Assert.Single(config.RootElement.GetProperty("embeddings").EnumerateArray());
        Assert.NotEmpty(embedding.GetProperty("tensorName").GetString()!);
        Assert.Equal([3, 2], embedding.GetProperty("tensorShape").EnumerateArray().Select(size => size.GetInt32()));
        Assert.Equal("vectors.tsv", embedding.GetProperty("tensorPath").GetString());
        Assert.Equal("metadata.tsv", embedding.GetProperty("metadataPath").GetString());
        Assert.Equal("""
            embeddings {
              tensor_name: "words"
              tensor_shape: 3
              tensor_shape: 2
              tensor_path: "vectors.tsv"
              metadata_path: "metadata.tsv"
            }

            """, File.ReadAllText(_folder["p/projector_config.pbtxt"]));
        Assert.Equal(Names, Files("p"));
    }

    [Fact]
    public void OlderFilesAreReplacedAndOthersStay()
    {
        Directory.CreateDirectory(_folder["p"]);
        foreach (string name in Names) _folder.Write($"p/{name}", "old");
        _folder.Write("p/notes.txt", "mine");
        using Tensor table = Table(2, 2);
        using var vectors = new WordVectors(["a", "b"], table);
        vectors.SaveProjector(_folder["p"]);
        Assert.Equal(["a", "b"], Labels("p"));
        Assert.Equal([[0f, 1f], [2f, 3f]], Vectors("p"));
        Assert.Equal("mine", File.ReadAllText(_folder["p/notes.txt"]));
        Assert.Equal(Names.Append("notes.txt").Order(), Files("p"));
    }

    [Theory]
    [InlineData("vectors.tsv")]
    [InlineData("metadata.tsv")]
    [InlineData("projector_config.json")]
    [InlineData("projector_config.pbtxt")]
    public void IfOneFileCannotBeWrittenAllStayAsTheyWere(string blocked)
    {
        Directory.CreateDirectory(_folder["p"]);
        foreach (string name in Names.Where(name => name != blocked)) _folder.Write($"p/{name}", $"old {name}");
        Directory.CreateDirectory(_folder[$"p/{blocked}"]);
        using Tensor table = Table(2, 2);
        using var vectors = new WordVectors(["a", "b"], table);
        var error = Assert.Throws<IOException>(() => vectors.SaveProjector(_folder["p"]));
        Assert.Contains(blocked, error.Message);
        Assert.Equal(Names, Files("p"));
        Assert.All(Names.Where(name => name != blocked), name => Assert.Equal($"old {name}", File.ReadAllText(_folder[$"p/{name}"])));
    }

    [Fact]
    public void AFolderThatCouldNotBeFilledIsRemoved()
    {
        using Tensor table = Table(2, 2);
        Assert.Throws<IOException>(() => ProjectorFiles.Write(_folder["p"], new Unreadable(), table));
        Assert.Empty(_folder.Files);
        Directory.CreateDirectory(_folder["p"]);
        Assert.Throws<IOException>(() => ProjectorFiles.Write(_folder["p"], new Unreadable(), table));
        Assert.Empty(Files("p")); // the caller's own folder stays
    }

    [Fact]
    public void WhatTheProjectorCannotShowIsRefusedBeforeAFolderIsMade()
    {
        foreach (float bad in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity })
        {
            using Tensor table = Table(3, 2);
            table[1, 1] = bad;
            using var vectors = new WordVectors(["a", "b", "c"], table);
            Assert.Contains("'b'", Assert.Throws<InvalidOperationException>(() => vectors.SaveProjector(_folder["p"])).Message);
        }
        foreach (int width in new[] { 0, 1 }) // "Found a vector with only one dimension?"
        {
            using var narrow = new WordVectors(["a"], zeros(1, width));
            Assert.Contains($"[1, {width}]", Assert.Throws<InvalidOperationException>(() => narrow.SaveProjector(_folder["p"])).Message);
        }
        using var none = new WordVectors([], zeros(0, 3)); // the Projector waits for ever for the first line
        Assert.Throws<InvalidOperationException>(() => none.SaveProjector(_folder["p"]));
        Assert.Empty(_folder.Files);
    }

    [Fact]
    public void AnyLayoutAndTrainedVectorsWork()
    {
        using Tensor wide = Table(2, 3);
        using Tensor table = wide.t();
        using var vectors = new WordVectors(["a", "b", "c"], table);
        vectors.SaveProjector(_folder["new/folder"]);
        Assert.Equal([[0f, 3f], [1f, 4f], [2f, 5f]], Vectors("new/folder"));

        using var layer = new Embedding(3, 4);
        using var trained = new WordVectors(["a", "b", "c"], layer.Weight);
        trained.SaveProjector(_folder["new/folder"]);
        Assert.Equal(Floats(layer.Weight), Vectors("new/folder").SelectMany(row => row));
    }

    [Fact]
    public void ALongTableIsWrittenInPartsAndLeavesNoTensorBehind()
    {
        using Tensor table = Table(3000, 100); // more than one part of a megabyte
        using var vectors = new WordVectors(Enumerable.Range(0, 3000).Select(i => $"w{i}"), table);
        long before = LiveTensors();
        vectors.SaveProjector(_folder["p"]);
        Assert.Equal(before, Tensor.TotalCount);
        Assert.Equal(Floats(table), Vectors("p").SelectMany(row => row));
        Assert.Equal(vectors.Words, Labels("p"));
    }

    private float[][] Vectors(string folder)
    {
        var data = new List<float[]>();
        foreach (string line in Lines(folder, "vectors.tsv").Select(Trim).Where(line => line.Length > 0))
        {
            string[] row = line.Split('\t');
            Assert.True(double.TryParse(row[0], NumberStyles.Float, CultureInfo.InvariantCulture, out double first) && !double.IsNaN(first),
                $"The Projector takes {row[0]} for a label.");
            data.Add([.. row.Select(number => (float)double.Parse(number, NumberStyles.Float, CultureInfo.InvariantCulture))]);
            Assert.Equal(data[0].Length, row.Length);
            Assert.True(row.Length > 1, "The Projector refuses vectors with one dimension.");
        }
        return [.. data];
    }

    /// <summary>The labels of the points, of which there must be as many as vectors.</summary>
    private string[] Labels(string folder)
    {
        string[] lines = [.. Lines(folder, "metadata.tsv").Where(line => Trim(line).Length > 0)];
        bool hasHeader = lines[0].Contains('\t');
        return [.. lines.Skip(hasHeader ? 1 : 0).Select(line => line.Split('\t')[0])];
    }

    /// <summary>The Projector breaks a file at line feeds only, and does not come to an end if there is none.</summary>
    private string[] Lines(string folder, string file)
    {
        string content = File.ReadAllText(_folder[$"{folder}/{file}"]);
        Assert.EndsWith("\n", content);
        return content.Split('\n');
    }

    /// <summary>JavaScript's <c>trim</c>.</summary>
    private static string Trim(string line) => line.Trim(Blank);

    private IEnumerable<string> Files(string folder) =>
        Directory.EnumerateFileSystemEntries(_folder[folder]).Select(path => Path.GetFileName(path)).Order();

    /// <summary>Two words that cannot be read.</summary>
    private sealed class Unreadable : IReadOnlyList<string>
    {
        public int Count => 2;

        public string this[int index] => throw new IOException();

        public IEnumerator<string> GetEnumerator() => throw new IOException();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
