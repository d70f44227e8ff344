using System.Diagnostics;
using EmbeddingWrapper.Pretrained;
using static EmbeddingWrapper.Tests.Pretrained.SafeTensorsFileTests;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests.Pretrained;

/// <summary>The mapping of a file: how long it lives, what it shows, and what it costs.</summary>
public class SafeTensorsMappingTests
{
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
}
