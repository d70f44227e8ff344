using System.Runtime.CompilerServices;
using EmbeddingWrapper.Pretrained;
using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests.Pretrained;

public class SafeTensorsSaveTests
{
    [Fact]
    public void TheBytesAreThoseThatPythonWrites()
    {
        using var folder = new TestFolder();
        string golden = TestFolder.Golden("everything.verified.safetensors");
        using var file = SafeTensorsFile.Open(golden);
        Dictionary<string, Tensor> tensors = file.ReadAll();

        SafeTensorsFile.Save(folder["ours.safetensors"], tensors.Reverse().ToDictionary(), file.Metadata);

        Assert.Equal(File.ReadAllBytes(golden), File.ReadAllBytes(folder["ours.safetensors"]));
        foreach (Tensor tensor in tensors.Values) tensor.Dispose();
    }

    [Fact]
    public void NoTensorsAndNoTextsMakeAFileToo()
    {
        using var folder = new TestFolder();
        SafeTensorsFile.Save(folder["empty.safetensors"], new Dictionary<string, Tensor>());
        Assert.Equal([8, 0, 0, 0, 0, 0, 0, 0, .. "{}      "u8], File.ReadAllBytes(folder["empty.safetensors"]));
        using var file = SafeTensorsFile.Open(folder["empty.safetensors"]);
        Assert.Empty(file.Names);
        Assert.Empty(file.ReadAll());
    }

    [Fact]
    public void TextsOfAnyCharactersComeBack()
    {
        using var folder = new TestFolder();
        string all = string.Concat(Enumerable.Range(0, 0x180).Select(code => (char)code)) + "\u2028\uFEFF😀";
        using Tensor tensor = zeros(1);
        SafeTensorsFile.Save(folder["file.safetensors"], Named(all, tensor), new Dictionary<string, string> { [all] = all });
        using var file = SafeTensorsFile.Open(folder["file.safetensors"]);
        Assert.Equal([all], file.Names);
        Assert.Equal([new(all, all)], file.Metadata);
    }

    [Fact]
    public void TensorsOfAnyLayoutAreSavedWholeAndContiguous()
    {
        using Tensor table = Table(), numbers = complex(zeros(3), ones(3));
        using Tensor transposed = table.t(), strided = table.slice(1, 0, 3, 2), expanded = table.narrow(0, 1, 1).expand(5, 3);
        using Tensor conjugate = numbers.conj(), negated = conjugate.imag, parameter = new Parameter(Table());
        using Tensor named = table.rename(["rows", "columns"]);
        var tensors = new Dictionary<string, Tensor>
        {
            ["transposed"] = transposed, ["strided"] = strided, ["expanded"] = expanded, ["row"] = table[2],
            ["conjugate"] = conjugate, ["negated"] = negated, ["parameter"] = parameter, ["named"] = named,
        };
        Dictionary<string, Tensor> read = [];
        foreach ((string name, Tensor tensor) in tensors) read.Add(name, SaveAndRead(Named(name, tensor))[name]); // they overlap

        Assert.Equal([0f, 3f, 6f, 9f, 1f, 4f, 7f, 10f, 2f, 5f, 8f, 11f], Floats(read["transposed"]));
        Assert.Equal([0f, 2f, 3f, 5f, 6f, 8f, 9f, 11f], Floats(read["strided"]));
        Assert.Equal([5, 3], read["expanded"].shape);
        Assert.Equal([3f, 4f, 5f, 3f, 4f, 5f], Floats(read["expanded"])[..6]);
        Assert.Equal([6f, 7f, 8f], Floats(read["row"]));
        Assert.Equal([-1f, -1f, -1f], Floats(read["conjugate"].imag.contiguous()));
        Assert.Equal([-1f, -1f, -1f], Floats(read["negated"]));
        AssertSameBits(table, read["parameter"]);
        AssertSameBits(table, read["named"]);
        Assert.True(named.has_names());
        Assert.True(parameter.requires_grad);
        foreach (Tensor tensor in read.Values) tensor.Dispose();
    }

    [Fact]
    public void WhatTheFormatCannotHoldIsRefusedByNameAndTouchesNothing()
    {
        using var folder = new TestFolder();
        using Tensor dense = zeros(2), sparse = dense.to_sparse(), meta = zeros(2, device: META), wide = zeros(2, dtype: ScalarType.ComplexFloat64);
        byte[] before = [1, 2, 3];
        string path = folder.Write("file.safetensors", before);

        Assert.Contains("'s' is sparse", Refused<ArgumentException>("s", sparse).Message);
        Assert.Contains("'m' is on the meta device", Refused<ArgumentException>("m", meta).Message);
        Assert.Contains("'n' is null", Refused<ArgumentException>("n", null!).Message);
        Assert.Contains("'__metadata__'", Refused<ArgumentException>("__metadata__", dense).Message);
        Assert.Contains("surrogate", Refused<ArgumentException>("\ud800", dense).Message);
        Assert.Contains("'c' is of dtype ComplexFloat64", Refused<NotSupportedException>("c", wide).Message);
        Assert.Contains("surrogate", Assert.Throws<ArgumentException>(() => SafeTensorsFile.Save(path, Named("t", dense), Text("\udc00"))).Message);
        Assert.Contains("null", Assert.Throws<ArgumentException>(() => SafeTensorsFile.Save(path, Named("t", dense), Text(null!))).Message);
        Assert.Equal("tensors", Assert.Throws<ArgumentNullException>(() => SafeTensorsFile.Save(path, null!)).ParamName);
        Assert.Equal("path", Assert.Throws<ArgumentNullException>(() => SafeTensorsFile.Save(null!, Named("t", dense))).ParamName);
        Assert.Equal(before, File.ReadAllBytes(path));

        TException Refused<TException>(string name, Tensor tensor) where TException : Exception =>
            Assert.Throws<TException>(() => SafeTensorsFile.Save(path, Named(name, tensor)));

        static Dictionary<string, string> Text(string text) => new() { ["key"] = text };
    }

    [Fact]
    public void AFailedSaveLeavesTheOldFileAndNoOther()
    {
        using var folder = new TestFolder();
        byte[] before = [1, 2, 3];
        string path = folder.Write("file.safetensors", before);
        Directory.CreateDirectory(folder["folder"]);

        Assert.Throws<TimeoutException>(() => AtomicFile.Write(path, file =>
        {
            file.Write(new byte[100_000]);
            throw new TimeoutException();
        }));
        Assert.ThrowsAny<SystemException>(() => SafeTensorsFile.Save(folder["folder"], Named("t", zeros(1))));
        Assert.Throws<DirectoryNotFoundException>(() => SafeTensorsFile.Save(folder["no/such/folder"], Named("t", zeros(1))));

        Assert.Equal(before, File.ReadAllBytes(path));
        Assert.Equal(["file.safetensors", "folder"], folder.Files);
    }

    [Fact]
    public void AFileCanBeSavedOverWhileItsOwnTensorsAreMapped()
    {
        using var folder = new TestFolder();
        string path = folder["file.safetensors"];
        using (Tensor table = Table(1000, 100)) SafeTensorsFile.Save(path, Named("t", table));
        using (var file = SafeTensorsFile.Open(path))
        using (Tensor table = file.Read("t"))
        {
            table.add_(1);
            SafeTensorsFile.Save(path, Named("t", table));
        }
        using var again = SafeTensorsFile.Open(path);
        using Tensor read = again.Read("t"), expected = Table(1000, 100).add_(1);
        AssertSameBits(expected, read);
    }

    [Fact]
    public void TiedTensorsAreWrittenOnceAsPythonWritesThem()
    {
        using var folder = new TestFolder();
        using var golden = SafeTensorsFile.Open(TestFolder.Golden("tied.verified.safetensors"));
        Dictionary<string, Tensor> tensors = golden.ReadAll();
        SafeTensorsFile.Save(folder["ours"], tensors.Reverse().ToDictionary());
        Assert.Equal(new FileInfo(TestFolder.Golden("tied.verified.safetensors")).Length, new FileInfo(folder["ours"]).Length);

        using var file = SafeTensorsFile.Open(folder["ours"]);
        Assert.Equal(golden.Names, file.Names);
        Assert.Equal(golden.Metadata.OrderBy(text => text.Key), file.Metadata.OrderBy(text => text.Key));
        Assert.All(file.Names, name =>
        {
            using Tensor tensor = file.Read(name);
            AssertSameBits(tensors[name], tensor);
        });
        foreach (Tensor tensor in tensors.Values) tensor.Dispose();
    }

    [Fact]
    public void AModelWithATiedHeadIsSavedOnce()
    {
        using var folder = new TestFolder();
        using var embedding = new Embedding(20, 8);
        using var head = nn.Linear(8, 20, hasBias: false);
        head.weight = embedding.Weight;
        var state = new Dictionary<string, Tensor> { ["lm_head.weight"] = head.weight!, ["embed.weight"] = embedding.Weight };
        SafeTensorsFile.Save(folder["file"], state, new Dictionary<string, string> { ["format"] = "pt" });
        Assert.InRange(new FileInfo(folder["file"]).Length, 640, 640 + 300);
        using var file = SafeTensorsFile.Open(folder["file"]);
        Assert.Equal(["embed.weight", "lm_head.weight"], file.Names);
        Assert.Equal([new("format", "pt"), new("lm_head.weight", "embed.weight")], file.Metadata);

        // What was read is saved again with the same metadata, and is the same.
        Dictionary<string, Tensor> read = file.ReadAll();
        SafeTensorsFile.Save(folder["again"], read, file.Metadata);
        Assert.Equal(File.ReadAllBytes(folder["file"]), File.ReadAllBytes(folder["again"]));
        var other = new Dictionary<string, string> { ["lm_head.weight"] = "mine" };
        Assert.Contains("'lm_head.weight'", Assert.Throws<ArgumentException>(() => SafeTensorsFile.Save(folder["again"], read, other)).Message);
        foreach (Tensor tensor in read.Values) tensor.Dispose();
    }

    [Fact]
    public void OverlappingTensorsAreRefusedWithBothNames()
    {
        using var folder = new TestFolder();
        using Tensor table = Table(6, 4), numbers = zeros(3, dtype: ScalarType.ComplexFloat32);
        using var scope = NewDisposeScope();
        Refused(table, table.slice(0, 0, 2, 1));
        Refused(table, table.slice(0, 4, 6, 1));
        Refused(table, table.t());
        Refused(table, table.view(4, 6));
        Refused(table, table.view(-1));
        Refused(table.slice(0, 0, 4, 1), table.slice(0, 3, 6, 1));
        Refused(table.slice(1, 0, 2, 1), table.slice(1, 1, 4, 1));
        Refused(table.slice(1, 0, 4, 2), table.slice(1, 2, 3, 1));
        Refused(table[1].expand(5, 4), table[1]);
        Refused(table[2, 3], table);
        Refused(numbers, numbers.conj());
        Refused(numbers, numbers.real);
        Refused(numbers.imag, numbers);

        void Refused(Tensor first, Tensor second)
        {
            var tensors = new Dictionary<string, Tensor> { ["first"] = first, ["second"] = second };
            var error = Assert.Throws<ArgumentException>(() => SafeTensorsFile.Save(folder["file"], tensors));
            Assert.Contains("'first'", error.Message);
            Assert.Contains("'second'", error.Message);
            Assert.Empty(folder.Files);
        }
    }

    [Fact]
    public void TensorsBesideEachOtherInOneMemoryAreSaved()
    {
        using var folder = new TestFolder();
        using Tensor table = Table(6, 4), numbers = complex(zeros(3), ones(3));
        using var scope = NewDisposeScope();
        Saved(table.slice(0, 0, 2, 1), table.slice(0, 2, 6, 1));
        Saved(table.slice(1, 0, 2, 1), table.slice(1, 2, 4, 1));
        Saved(table.slice(1, 0, 4, 2), table.slice(1, 1, 4, 2));
        Saved(table.t()[1], table.t()[3]);
        Saved(numbers.real, numbers.imag);
        Saved(table.slice(0, 2, 2, 1), table);
        Saved(zeros(0, 3), zeros(0, 3));

        void Saved(Tensor first, Tensor second)
        {
            var tensors = new Dictionary<string, Tensor> { ["first"] = first, ["second"] = second };
            SafeTensorsFile.Save(folder["file"], tensors);
            using var file = SafeTensorsFile.Open(folder["file"]);
            Assert.Empty(file.Metadata);
            Assert.All(tensors, expected =>
            {
                using Tensor read = file.Read(expected.Key), contiguous = expected.Value.contiguous();
                AssertSameBits(contiguous, read);
            });
        }
    }

    [Fact]
    public void MoreThan64DimensionsAreRefused()
    {
        using Tensor deep = zeros(Enumerable.Repeat(1L, 65).ToArray());
        using var folder = new TestFolder();
        Assert.Contains("65 dimensions", Assert.Throws<ArgumentException>(() => SafeTensorsFile.Save(folder["file"], Named("t", deep))).Message);
    }

    private static Dictionary<string, Tensor> Named(string name, Tensor tensor) => new() { [name] = tensor };

    private static Dictionary<string, Tensor> SaveAndRead(Dictionary<string, Tensor> tensors, [CallerMemberName] string name = "")
    {
        using var folder = new TestFolder();
        SafeTensorsFile.Save(folder[name], tensors);
        using var file = SafeTensorsFile.Open(folder[name]);
        return file.ReadAll();
    }
}
