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

    [Theory]
    [InlineData("F32", 4)]
    [InlineData("U8", 1)]
    [InlineData("I64", 8)]
    public void AFileLargerThanTheMemoryOpensAndARowCanBeLookedUp(string dtype, int size)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "other systems may count the pages as committed");
        using var folder = new TestFolder();
        const long width = 1024;
        long rows = 2 * GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (width * size);
        string path = folder["huge.safetensors"];
        using (FileStream file = File.Create(path))
        {
            string header = $$$"""{"t":{"dtype":"{{{dtype}}}","shape":[{{{rows}}},{{{width}}}],"data_offsets":[0,{{{rows * width * size}}}]}}""";
            file.Write(Header(header.PadRight((header.Length + 7) / 8 * 8), []));
            file.SetLength(file.Length + rows * width * size);
            file.Position = file.Length - 1;
            file.WriteByte(1);
        }
        using var opened = SafeTensorsFile.Open(path);
        using Tensor table = opened.Read("t"), last = table[rows - 1], first = table[0];
        first.copy_(last);
        Assert.Equal(1, Bits(last)[^1]);
        Assert.Equal(1, Bits(first)[^1]); // a private page of a mapping that is larger than the memory
    }

    [Fact]
    public void AFileOfManyDtypesIsOneMappingThatEndsWithTheLastTensor()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the count comes from /proc");
        using var folder = new TestFolder();
        string path = folder.Write("file.safetensors", File.ReadAllBytes(TestFolder.Golden("everything.verified.safetensors")));
        Dictionary<string, Tensor> tensors;
        using (var file = SafeTensorsFile.Open(path))
        {
            tensors = file.ReadAll();
            Assert.Equal(1, Mappings(path));
        }
        Assert.Equal(1, Mappings(path));
        Tensor last = tensors["float32"];
        foreach (Tensor tensor in tensors.Values.Where(tensor => !ReferenceEquals(tensor, last))) tensor.Dispose();
        Assert.Equal(1, Mappings(path));
        Assert.Equal(-2f, Floats(last)[0]);
        using (Tensor view = last.t())
        {
            last.Dispose();
            Assert.Equal(1, Mappings(path));
        }
        Assert.Equal(0, Mappings(path));

        static int Mappings(string path)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers(); // those of views that the test did not dispose
            return File.ReadLines("/proc/self/maps").Count(line => line.EndsWith(path, StringComparison.Ordinal));
        }
    }

    [Fact]
    public void AFileThatIsNeverClosedIsUnmappedByTheCollector()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the count comes from /proc");
        using var folder = new TestFolder();
        string path = SaveTable(folder);
        Open(path);
        for (int i = 0; i < 10 && File.ReadAllText("/proc/self/maps").Contains(path); i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        Assert.DoesNotContain(path, File.ReadAllText("/proc/self/maps"));

        [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        static void Open(string path) => SafeTensorsFile.Open(path).Read("table");
    }

    [Fact]
    public void WhatIsMappedIsWhatWasParsed()
    {
        using var folder = new TestFolder();
        string path = SaveTable(folder);
        using Microsoft.Win32.SafeHandles.SafeFileHandle handle = RegularFile.OpenRead(path);
        long length = RandomAccess.GetLength(handle);
        using (Tensor other = zeros(50, 50)) SafeTensorsFile.Save(path, new Dictionary<string, Tensor> { ["other"] = other });
        using var mapped = new MappedFile(handle, length, path);
        using Tensor table = Table(), read = mapped.Read(float32, length - table.numel() * sizeof(float), table.shape);
        AssertSameBits(table, read);
    }

    [Fact]
    public async Task OpeningWhileAnotherThreadSavesGivesOneVersionOrTheOther()
    {
        using var folder = new TestFolder();
        string path = folder["file.safetensors"];
        Save(1);
        using var done = new CancellationTokenSource();
        var saving = Task.Run(
            () =>
            {
                for (int version = 2; !done.IsCancellationRequested; version++) Save(version);
            },
            TestContext.Current.CancellationToken);
        for (int i = 0; i < 300; i++)
        {
            using var file = SafeTensorsFile.Open(path);
            using Tensor tensor = file.Read("t");
            Assert.Equal(1000 + tensor[0].ToInt64() % 3 * 500, tensor.size(0));
            Assert.Equal(tensor[0].ToInt64(), tensor[-1].ToInt64());
        }
        await done.CancelAsync();
        await saving;

        void Save(long version)
        {
            using Tensor tensor = full(1000 + version % 3 * 500, version, dtype: int64);
            SafeTensorsFile.Save(path, new Dictionary<string, Tensor> { ["t"] = tensor });
        }
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
