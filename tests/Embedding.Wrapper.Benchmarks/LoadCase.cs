using System.Diagnostics;
using System.Globalization;
using System.Text;
using EmbeddingWrapper.Pretrained;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Benchmarks;

/// <summary>A file of pretrained vectors. Text and binary files are loaded whole; a safetensors file is opened and one row is looked up.</summary>
internal sealed record LoadCase(string Format, string Path, int Threads) : ICase
{
    private const int Rounds = 4;

    public string Kind => "load";

    /// <summary>The fastest round in microseconds, with the file in the page cache.</summary>
    public Dictionary<string, double> Measure()
    {
        double best = double.MaxValue;
        for (int round = 0; round < Rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            if (Format == "safetensors") LookUp();
            else WordVectors.Load(Path).Dispose();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalMicroseconds);
        }
        return new() { ["load"] = best };
    }

    private void LookUp()
    {
        using var file = SafeTensorsFile.Open(Path);
        using Tensor table = file.Read("weight");
        using var embedding = Embedding.FromPretrained(table);
        embedding.Lookup(embedding.NumEmbeddings - 1).Dispose();
    }

    /// <summary>Writes the files: 100,000 words of 100 numbers in each format of word vectors, and a table of 512 MiB.</summary>
    public static IEnumerable<LoadCase> WriteFiles(string folder, int threads)
    {
        const int words = 100_000, width = 100;
        var text = new LoadCase("text", System.IO.Path.Combine(folder, "vectors.txt"), threads);
        var binary = new LoadCase("binary", System.IO.Path.Combine(folder, "vectors.bin"), threads);
        var table = new LoadCase("safetensors", System.IO.Path.Combine(folder, "table.safetensors"), threads);

        var random = new Random(1);
        using (var lines = new StreamWriter(text.Path))
        using (FileStream rows = File.Create(binary.Path))
        {
            lines.Write($"{words} {width}\n");
            rows.Write(Encoding.ASCII.GetBytes($"{words} {width}\n"));
            for (int i = 0; i < words; i++)
            {
                lines.Write($"word{i}");
                rows.Write(Encoding.ASCII.GetBytes($"word{i} "));
                for (int j = 0; j < width; j++)
                {
                    float number = random.NextSingle() - 0.5f;
                    lines.Write(' ');
                    lines.Write(number.ToString("G5", CultureInfo.InvariantCulture));
                    rows.Write(BitConverter.GetBytes(number));
                }
                lines.Write('\n');
            }
        }
        using (Tensor numbers = rand(1 << 20, 128)) SafeTensorsFile.Save(table.Path, new Dictionary<string, Tensor> { ["weight"] = numbers });
        return [text, binary, table];
    }
}
