using System.Text.Json;
using EmbeddingWrapper.Pretrained;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests.Pretrained;

public class SafeTensorsFileTests
{
    [Fact]
    public void EveryTensorThatPythonWroteIsReadBitForBit()
    {
        using var file = SafeTensorsFile.Open(TestFolder.Golden("everything.verified.safetensors"));
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(TestFolder.Golden("everything.verified.json")));
        JsonElement tensors = golden.RootElement.GetProperty("tensors");

        Assert.Equal(tensors.EnumerateObject().Select(tensor => tensor.Name).Order(), file.Names.Order());
        Assert.All(tensors.EnumerateObject(), expected =>
        {
            using Tensor tensor = file.Read(expected.Name);
            Assert.Equal(expected.Value.GetProperty("shape").Deserialize<long[]>(), tensor.shape);
            Assert.Equal(expected.Value.GetProperty("bits").GetString(), Convert.ToHexStringLower(Bits(tensor)));
            Assert.Equal(Dtype(expected.Value.GetProperty("dtype").GetString()!), tensor.dtype);
        });
        Assert.Equal([new("format", "pt, \"ü😀\"\n")], file.Metadata);
    }

    [Fact]
    public void TypesThatTorchSharpLacksAreListedAndRefusedByName()
    {
        using var file = SafeTensorsFile.Open(TestFolder.Golden("others.verified.safetensors"));
        long before = LiveTensors();

        Assert.Equal(10, file.Names.Count);
        Assert.All(file.Names.Where(name => name != "float32"), name =>
        {
            var error = Assert.Throws<NotSupportedException>(() => file.Read(name));
            Assert.Contains($"'{name}'", error.Message);
            Assert.Matches("type (U16|U32|U64|F8_E4M3|F8_E5M2|F8_E8M0|F8_E4M3FNUZ|F8_E5M2FNUZ|F4),", error.Message);
        });
        Assert.Throws<NotSupportedException>(file.ReadAll);
        Assert.Equal(before, LiveTensors());
        using Tensor supported = file.Read("float32");
        Assert.Equal([-2f, -0.75f], Floats(supported));
        Assert.Empty(file.Metadata);
    }

    [Fact]
    public void ReadingAllLeavesNothingBehindWhenOneIsRefused()
    {
        using var folder = new TestFolder();
        byte[] content = Header("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U16","shape":[1],"data_offsets":[2,4]}}""", new byte[4]);
        using var file = SafeTensorsFile.Open(folder.Write("file.safetensors", content));
        long before = LiveTensors();
        Assert.Throws<NotSupportedException>(file.ReadAll);
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Fact]
    public void AnIndexOpensAllItsFilesAsOne()
    {
        using var file = SafeTensorsFile.Open(TestFolder.Golden("sharded.safetensors.index.verified.json"));
        Dictionary<string, Tensor> all = file.ReadAll();

        Assert.Equal(["words.ids", "words.weight", "out.weight"], file.Names);
        Assert.Equal([4, 3], all["words.weight"].shape);
        Assert.Equal(-2f + 11 * 1.25f, all["words.weight"][3, 2].ToSingle());
        Assert.Equal(float16, all["out.weight"].dtype);
        Assert.Equal("pt", file.Metadata["format"]);
        Assert.Equal("92", file.Metadata["total_size"]);
        foreach (Tensor tensor in all.Values) tensor.Dispose();
    }

    [Fact]
    public void StateDictsLoadFromAFile()
    {
        using var folder = new TestFolder();
        using var saved = new Embedding(5, 3);
        using var loaded = new Embedding(5, 3);
        SafeTensorsFile.Save(folder["model.safetensors"], saved.state_dict());

        using var file = SafeTensorsFile.Open(folder["model.safetensors"]);
        Dictionary<string, Tensor> state = file.ReadAll();
        loaded.load_state_dict(state);
        foreach (Tensor tensor in state.Values) tensor.Dispose();

        AssertSameBits(saved.Weight, loaded.Weight);
    }

    [Fact]
    public void TensorsAtOddPlacesAreCopied()
    {
        using var folder = new TestFolder();
        // The length of a header need not be a multiple of 8, and a writer need not sort.
        const string header = """{"f":{"dtype":"F32","shape":[2,1],"data_offsets":[3,11]},"b":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}} """;
        Assert.NotEqual(0, (sizeof(ulong) + header.Length + 3) % sizeof(float));
        byte[] file = Header(header, [1, 2, 3, 0, 0, 128, 63, 0, 0, 0, 64]);
        using var opened = SafeTensorsFile.Open(folder.Write("odd.safetensors", file));
        using Tensor bytes = opened.Read("b"), floats = opened.Read("f");
        Assert.Equal(["b", "f"], opened.Names);
        Assert.Equal([1, 2, 3], Bits(bytes));
        Assert.Equal([2, 1], floats.shape);
        Assert.Equal([1f, 2f], Floats(floats));
    }

    [Fact]
    public void ATensorThatIsReadInInferenceModeCanBeTrainedLater()
    {
        using var folder = new TestFolder();
        using var file = SafeTensorsFile.Open(SaveTable(folder));
        Tensor table;
        using (inference_mode(true)) table = file.Read("table");
        using Tensor weight = table.requires_grad_(), loss = weight.mul(weight).sum();
        loss.backward();
        Assert.Equal(22f, weight.grad![3, 2].ToSingle());
    }

    [Fact]
    public void TiedTensorsOfPythonHaveBothNamesOverTheSameMemory()
    {
        using var file = SafeTensorsFile.Open(TestFolder.Golden("tied.verified.safetensors"));
        Assert.Equal(["embed.weight", "other.weight", "head.weight", "second.weight"], file.Names);
        Assert.Equal("embed.weight", file.Metadata["head.weight"]);

        Dictionary<string, Tensor> all = file.ReadAll();
        Assert.Equal(file.Names, all.Keys);
        using Tensor head = file.Read("head.weight");
        all["second.weight"][2, 1] = 77f;
        Assert.Equal(77f, all["embed.weight"][2, 1].ToSingle());
        Assert.Equal(77f, all["head.weight"][2, 1].ToSingle());
        Assert.Equal(77f, head[2, 1].ToSingle());
        Assert.NotEqual(77f, all["other.weight"][2, 1].ToSingle());
        foreach (Tensor tensor in all.Values) tensor.Dispose();
    }

    [Fact]
    public void TextsThatOnlyLookLikeTiedNamesAddNone()
    {
        using var folder = new TestFolder();
        // The name of a text is a tensor's; a value names no tensor, or a tied name; the usual mark of a format names a tensor.
        const string texts = """{"format":"pt","a":"pt","x":"nothing","y":"z","z":"a"}""";
        const string tensors = "\"pt\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}";
        using var file = SafeTensorsFile.Open(folder.Write("file", Header($"{{\"__metadata__\":{texts},{tensors}}}", [1, 2])));
        Assert.Equal(["pt", "a", "z"], file.Names);
        using Tensor tied = file.Read("z");
        Assert.Equal(2, tied[0].ToByte());
    }

    [Fact]
    public void TiedTensorsAtOddPlacesShareTheirMemoryToo()
    {
        using var folder = new TestFolder();
        byte[] content = Header("""{"__metadata__":{"b":"a"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", [0, 0, 128, 63]);
        Assert.NotEqual(0, (content.Length - 4) % 4);
        using var file = SafeTensorsFile.Open(folder.Write("file", content));
        Dictionary<string, Tensor> all = file.ReadAll();
        all["b"][0] = 5f;
        Assert.Equal(5f, all["a"][0].ToSingle());
        foreach (Tensor tensor in all.Values) tensor.Dispose();
    }

    [Fact]
    public async Task WhatIsNoFileIsRefusedWithoutWaiting()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "elsewhere nothing is checked");
        using var folder = new TestFolder();
        string pipe = folder.Pipe("pipe.safetensors");
        File.CreateSymbolicLink(folder["link.safetensors"], pipe);
        File.CreateSymbolicLink(folder["link.json"], pipe);
        File.CreateSymbolicLink(folder["zero.json"], "/dev/zero");
        folder.Write("index.json", """{"weight_map":{"a":"link.safetensors"}}""");
        folder.Pipe("pipe.json");
        foreach (string name in new[] { "pipe.safetensors", "link.safetensors", "pipe.json", "link.json", "zero.json", "index.json" })
        {
            Task open = Task.Run(() => SafeTensorsFile.Open(folder[name]), TestContext.Current.CancellationToken);
            var error = await Assert.ThrowsAsync<IOException>(() => open.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken));
            Assert.Contains(name == "zero.json" ? "is a device, not a regular file" : "is a pipe, not a regular file", error.Message);
            Assert.Contains(name == "index.json" ? folder["link.safetensors"] : folder[name], error.Message);
        }
        Assert.Throws<UnauthorizedAccessException>(() => SafeTensorsFile.Open(folder["."]));
    }

    [Fact]
    public void NothingIsLeftBehind()
    {
        using var folder = new TestFolder();
        string path = SaveTable(folder);
        long before = LiveTensors();
        using (NewDisposeScope())
        {
            var file = SafeTensorsFile.Open(path);
            using (NewDisposeScope()) file.Read("table");
            file.Read("table").Dispose();
            file.Dispose();
            file.Dispose();
        }
        Assert.Equal(before, Tensor.TotalCount);
        Assert.Throws<KeyNotFoundException>(() => { using var file = SafeTensorsFile.Open(path); file.Read("no such"); });
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Fact]
    public void WrongUseIsNamed()
    {
        using var folder = new TestFolder();
        var file = SafeTensorsFile.Open(SaveTable(folder));
        Assert.Equal("path", Assert.Throws<ArgumentNullException>(() => SafeTensorsFile.Open(null!)).ParamName);
        Assert.Equal("name", Assert.Throws<ArgumentNullException>(() => file.Read(null!)).ParamName);
        Assert.Contains("'chair'", Assert.Throws<KeyNotFoundException>(() => file.Read("chair")).Message);
        Assert.Throws<FileNotFoundException>(() => SafeTensorsFile.Open(folder["none.safetensors"]));
        Assert.Throws<FileNotFoundException>(() => SafeTensorsFile.Open(folder["none.index.json"]));
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => file.Read("table"));
        Assert.Throws<ObjectDisposedException>(file.ReadAll);
        Assert.Throws<ObjectDisposedException>(() => file.Names);
        Assert.Throws<ObjectDisposedException>(() => file.Metadata);
    }

    internal static byte[] Header(string json, byte[] data) =>
        [.. BitConverter.GetBytes((ulong)System.Text.Encoding.UTF8.GetByteCount(json)), .. System.Text.Encoding.UTF8.GetBytes(json), .. data];

    internal static string SaveTable(TestFolder folder)
    {
        using Tensor table = Table();
        SafeTensorsFile.Save(folder["table.safetensors"], new Dictionary<string, Tensor> { ["table"] = table });
        return folder["table.safetensors"];
    }

    private static ScalarType Dtype(string name) => name switch
    {
        "F64" => ScalarType.Float64,
        "F32" => ScalarType.Float32,
        "F16" => ScalarType.Float16,
        "BF16" => ScalarType.BFloat16,
        "I64" => ScalarType.Int64,
        "I32" => ScalarType.Int32,
        "I16" => ScalarType.Int16,
        "I8" => ScalarType.Int8,
        "U8" => ScalarType.Byte,
        "BOOL" => ScalarType.Bool,
        "C64" => ScalarType.ComplexFloat32,
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, null),
    };
}
