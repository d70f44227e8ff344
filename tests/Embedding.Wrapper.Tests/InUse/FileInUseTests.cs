using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using EmbeddingWrapper.Pretrained;
using EmbeddingWrapper.Tests.Pretrained;
using static EmbeddingWrapper.Tests.InUse.Stress;

namespace EmbeddingWrapper.Tests.InUse;

/// <summary>A file or its word vectors are disposed while other threads read them.</summary>
public class FileInUseTests
{
    [Fact]
    public void AFileIsDisposed() => Apart(() =>
    {
        using var folder = new TestFolder();
        using (Tensor table = Numbered()) SafeTensorsFile.Save(folder["file"], new Dictionary<string, Tensor> { ["table"] = table });
        WhileInUse(() =>
        {
            var file = SafeTensorsFile.Open(folder["file"]);
            void Read(Random random)
            {
                using Tensor table = file.Read("table");
                Assert.Contains("table", file.Names);
                int row = random.Next(Rows);
                Assert.Equal(row, MemoryMarshal.Cast<byte, float>(table.bytes)[row * Width]);
            }
            return (Read, file.Dispose, () => { });
        });
    });

    [Fact]
    public void ThreadsAreInterruptedWhileTheyDisposeTensors() => Apart(() =>
    {
        using var folder = new TestFolder();
        using (Tensor row = arange(4f)) SafeTensorsFile.Save(folder["file"], new Dictionary<string, Tensor> { ["row"] = row });
        using var file = SafeTensorsFile.Open(folder["file"]);
        using var words = WordVectors.Load(folder.Write("text", "a 1 2\nb 3 4\n"));
        WhileInUse(
            () =>
            {
                var threads = new ConcurrentDictionary<Thread, bool>();
                void Read(Random random)
                {
                    threads.TryAdd(Thread.CurrentThread, true);
                    for (int i = 0; i < 100; i++)
                    {
                        using Tensor row = file.Read("row");
                        Assert.Equal(2, MemoryMarshal.Cast<byte, float>(row.bytes)[2]);
                        Embedding.FromPretrained(new float[,] { { 1, 2 } }).Dispose();
                        words.ToEmbedding(["a", "c"], out _).Dispose();
                    }
                }
                void Interrupt()
                {
                    for (int i = 0; i < 2000; i++)
                        foreach (Thread thread in threads.Keys) thread.Interrupt();
                }
                return (Read, Interrupt, () => { });
            },
            typeof(ThreadInterruptedException));
    });

    [Fact]
    public void ALayerIsConvertedAndDisposedWhileItIsSaved() => Apart(() =>
    {
        using var folder = new TestFolder();
        WhileInUse(() =>
        {
            using Tensor table = Numbered();
            Embedding layer = Embedding.FromPretrained(table, freeze: false);
            void Save(Random random)
            {
                string path = folder[$"{Environment.CurrentManagedThreadId}"];
                SafeTensorsFile.Save(path, layer.state_dict());
                using DisposeScope scope = NewDisposeScope();
                using var file = SafeTensorsFile.Open(path);
                if (file.Names.Count == 0) return; // the layer was disposed before the call
                int row = random.Next(Rows);
                Assert.Equal(row, file.Read("weight")[row].to(float64).mean().item<double>());
            }
            void Change()
            {
                for (int i = 0; i < 4; i++) layer.to(i % 2 == 0 ? float64 : float32);
                layer.Dispose();
            }
            return (Save, Change, () => { });
        });
    });

    [Fact]
    public void WordVectorsAreDisposed() => Apart(() =>
    {
        using var folder = new TestFolder();
        string path = folder.Write("text", string.Concat(
            Enumerable.Range(0, 3000).Select(i => $"w{i} {string.Join(' ', Enumerable.Repeat(i + 1, Width))} 1\n")));
        WhileInUse(() =>
        {
            var words = WordVectors.Load(path);
            void Ask(Random random)
            {
                Assert.Equal(["w3"], words.MostSimilar("w2", 1).Select(found => found.Word));
                using Embedding layer = words.ToEmbedding();
                var row = new float[Width + 1];
                layer.Lookup([7], row.AsSpan());
                Assert.Equal(8, row[0]);
            }
            return (Ask, words.Dispose, () => { });
        });
    });
}
