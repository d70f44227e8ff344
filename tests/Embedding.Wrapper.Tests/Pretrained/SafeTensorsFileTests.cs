using System.Diagnostics;
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
    public void TensorsLiveOnAfterTheFileIsClosed()
    {
        using var folder = new TestFolder();
        Tensor tensor;
        using (var file = SafeTensorsFile.Open(SaveTable(folder))) tensor = file.Read("table");
        using (tensor) Assert.Equal(11f, tensor[3, 2].ToSingle());
    }

    [Fact]
    public void WritesStayPrivate()
    {
        using var folder = new TestFolder();
        byte[] before = File.ReadAllBytes(SaveTable(folder));
        using var file = SafeTensorsFile.Open(folder["table.safetensors"]);
        using Tensor tensor = file.Read("table"), again = file.Read("table");
        using (var embedding = Embedding.FromPretrained(tensor, freeze: false))
        using (var sgd = optim.SGD(embedding.parameters(), 1.0))
        using (Tensor rows = embedding.Lookup(1))
        using (Tensor loss = rows.sum())
        {
            loss.backward();
            sgd.step();
        }

        Assert.Equal(2f, tensor[1, 0].ToSingle());
        Assert.Equal(2f, again[1, 0].ToSingle()); // both tensors share the file's pages
        Assert.Equal(before, File.ReadAllBytes(folder["table.safetensors"]));
        using var reopened = SafeTensorsFile.Open(folder["table.safetensors"]);
        using Tensor fresh = reopened.Read("table");
        Assert.Equal(3f, fresh[1, 0].ToSingle());
    }

    [Fact]
    public void AFileThatIsReplacedKeepsItsTensors()
    {
        using var folder = new TestFolder();
        using var file = SafeTensorsFile.Open(SaveTable(folder));
        using (Tensor other = zeros(50, 50)) SafeTensorsFile.Save(folder["table.safetensors"], new Dictionary<string, Tensor> { ["other"] = other });
        using Tensor tensor = file.Read("table");
        Assert.Equal(11f, tensor[3, 2].ToSingle());
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
    public void OpeningATableOfAGigabyteAndReadingARowTakesNoMemory()
    {
        using var folder = new TestFolder();
        const long rows = 1 << 21, width = 128;
        string path = folder["large.safetensors"];
        using (FileStream file = File.Create(path))
        {
            // The data is a hole: the file system returns zeros and stores nothing.
            file.Write(Header($$$"""{"t":{"dtype":"F32","shape":[{{{rows}}},{{{width}}}],"data_offsets":[0,{{{rows * width * 4}}}]}}""", []));
            file.SetLength(file.Length + rows * width * 4);
        }
        LookUp(); // the first call loads and compiles
        using var process = Process.GetCurrentProcess();
        long before = process.WorkingSet64;

        LookUp();

        process.Refresh();
        Assert.InRange(process.WorkingSet64 - before, long.MinValue, 32 << 20);

        void LookUp()
        {
            using var file = SafeTensorsFile.Open(path);
            using Tensor table = file.Read("t");
            using var embedding = Embedding.FromPretrained(table);
            using Tensor row = embedding.Lookup(rows - 1);
            Assert.Equal(new float[width], Floats(row));
        }
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

    private static string SaveTable(TestFolder folder)
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
