using System.Diagnostics;
using System.Text.Json;
using EmbeddingWrapper.Pretrained;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests.Pretrained;

/// <summary>Python's safetensors reads what .NET writes. PYTHON names an interpreter that has safetensors and PyTorch.</summary>
public class PythonTests
{
    private static readonly string Python = Environment.GetEnvironmentVariable("PYTHON") ?? "/usr/bin/python3";

    [Fact]
    public void PythonReadsWhatSaveWrites()
    {
        Assert.SkipUnless(Run("-c", "import safetensors, torch").ExitCode == 0, "python3-safetensors is not installed");
        // The file is inside the repository, because a Python in another Debian sees nothing else.
        string path = Path.Combine(AppContext.BaseDirectory, "python.safetensors");
        using Tensor table = Table(7, 5), half = table.to(float16), integers = arange(9, dtype: int64), scalar = tensor(2.5), none = zeros(0, 3);
        SafeTensorsFile.Save(
            path,
            new Dictionary<string, Tensor> { ["tablé"] = table, ["half"] = half.t(), ["integers"] = integers, ["scalar"] = scalar, ["none"] = none },
            new Dictionary<string, string> { ["format"] = "pt" });

        (int exitCode, string output) = Run("-B", Path.Combine(Scripts(), "pretrained.py"), "describe", path);

        Assert.Equal(0, exitCode);
        using JsonDocument description = JsonDocument.Parse(output);
        JsonElement tensors = description.RootElement.GetProperty("tensors");
        Assert.Equal("pt", description.RootElement.GetProperty("metadata").GetProperty("format").GetString());
        using var file = SafeTensorsFile.Open(path);
        Assert.Equal(file.Names.Order(), tensors.EnumerateObject().Select(tensor => tensor.Name).Order());
        Assert.All(file.Names, name =>
        {
            using Tensor tensor = file.Read(name);
            Assert.Equal(tensor.shape, tensors.GetProperty(name).GetProperty("shape").Deserialize<long[]>());
            Assert.Equal(Convert.ToHexStringLower(Bits(tensor)), tensors.GetProperty(name).GetProperty("bits").GetString());
        });
    }

    [Fact]
    public void PythonLoadsAModelWithTiedTensors()
    {
        Assert.SkipUnless(Run("-c", "import safetensors, torch").ExitCode == 0, "python3-safetensors is not installed");
        string path = Path.Combine(AppContext.BaseDirectory, "tied.safetensors");
        using (Tensor table = Table(5, 3), other = Table(5, 3).add_(1))
        {
            SafeTensorsFile.Save(path, new Dictionary<string, Tensor>
            {
                ["head.weight"] = table, ["embed.weight"] = table, ["second.weight"] = table.view(5, 3), ["other.weight"] = other,
            });
        }
        (int exitCode, string output) = Run("-c", """
            import sys, torch
            from safetensors.torch import load_model
            class Tied(torch.nn.Module):
                def __init__(self):
                    super().__init__()
                    self.second, self.embed, self.head, self.other = (torch.nn.Embedding(5, 3) for _ in range(4))
                    self.second.weight = self.head.weight = self.embed.weight
            model = Tied()
            print(load_model(model, sys.argv[1]))
            print(model.head.weight is model.embed.weight, model.head.weight[4, 2].item(), model.other.weight[4, 2].item())
            """, path);
        Assert.Equal(0, exitCode);
        Assert.Equal("(set(), [])\nTrue 14.0 15.0\n", output);
    }

    [Fact]
    public void PythonReadsSavedWordVectors()
    {
        Assert.SkipUnless(Run("-c", "import safetensors, torch").ExitCode == 0, "python3-safetensors is not installed");
        string path = Path.Combine(AppContext.BaseDirectory, "words.safetensors");
        using (var vectors = TestVectors.Load(TestFolder.Golden("gensim.verified.bin"))) vectors.Save(path);

        // This is what the documentation of Save says, written in Python.
        (int exitCode, string output) = Run("-c", """
            import json, sys
            from safetensors.torch import load_file
            file = load_file(sys.argv[1])
            text, words = file["words"].numpy().tobytes(), []
            for length in file["word_lengths"].tolist():
                words.append(text[:length].decode("utf-8"))
                text = text[length:]
            print(json.dumps({"words": words, "shape": list(file["vectors"].shape), "float32": file["vectors"].numpy().tobytes().hex()}, indent=1))
            """, path);

        Assert.Equal(0, exitCode);
        Assert.Equal(File.ReadAllText(TestFolder.Golden("gensim.verified.json")), output);
    }

    [Theory]
    [InlineData(WordVectorsFormat.GloveText, "glove")]
    [InlineData(WordVectorsFormat.Word2VecText, "text")]
    [InlineData(WordVectorsFormat.Word2VecBinary, "binary")]
    public void GensimReadsEveryFormatThatSaveWrites(WordVectorsFormat format, string name)
    {
        Assert.SkipUnless(Run("-c", "import gensim").ExitCode == 0, "python3-gensim is not installed");
        string path = Path.Combine(AppContext.BaseDirectory, $"words.{name}");
        using (var vectors = TestVectors.Load(TestFolder.Golden("gensim.verified.bin"))) vectors.Save(path, format);

        (int exitCode, string output) = Run("-B", Path.Combine(Scripts(), "pretrained.py"), "words", name, path);

        Assert.Equal(0, exitCode);
        Assert.Equal(File.ReadAllText(TestFolder.Golden("gensim.verified.json")), output);
    }

    private static (int ExitCode, string Output) Run(params string[] arguments)
    {
        try
        {
            using Process python = Process.Start(new ProcessStartInfo(Python, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            python.ErrorDataReceived += (_, _) => { };
            python.BeginErrorReadLine();
            string output = python.StandardOutput.ReadToEnd();
            python.WaitForExit();
            return (python.ExitCode, output);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return (-1, "");
        }
    }

    private static string Scripts() => Path.GetFullPath(Path.Combine(TestFolder.Golden(""), "../../../../parity-scripts/checks"));
}
