using System.Text;
using EmbeddingWrapper.Optim;
using EmbeddingWrapper.Pretrained;
using EmbeddingWrapper.Tests.Pretrained;
using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.Shared;
using Adagrad = EmbeddingWrapper.Optim.Adagrad;

namespace EmbeddingWrapper.Tests;

/// <summary>Training, objects that were not disposed, and calls that throw leave nothing behind.</summary>
public class SoakTests
{
    public enum Kind { SGD, Adagrad, SparseAdam }

    private static OptimizerHelper Make(Kind kind, IEnumerable<Parameter> parameters) => kind switch
    {
        Kind.SGD => optim.SGD(parameters, 0.1),
        Kind.Adagrad => new Adagrad(parameters),
        _ => new SparseAdam(parameters),
    };

    [Theory]
    [InlineData(Kind.SGD, false)]
    [InlineData(Kind.SGD, true)]
    [InlineData(Kind.Adagrad, false)]
    [InlineData(Kind.Adagrad, true)]
    [InlineData(Kind.SparseAdam, true)]
    [InlineData(Kind.SGD, false, 1.0)]
    public void TrainingAsTheReadmeShowsItLeavesNothingBehind(Kind kind, bool sparse, double? maxNorm = null)
    {
        using var words = new Embedding(10, 3, paddingIdx: 0, maxNorm: maxNorm, sparse: sparse);
        using OptimizerHelper optimizer = Make(kind, words.parameters());
        using Tensor batch = tensor(new long[,] { { 1, 2, 4, 0 }, { 4, 3, 2, 9 } });
        Soak.Run(Soak.Rounds, _ =>
        {
            optimizer.zero_grad();
            using (var vectors = words.call(batch))
            using (var loss = vectors.square().mean())
                loss.backward();
            optimizer.step();
        });
    }

    [Fact]
    public void LayersThatNobodyDisposedGiveTheirTablesBack()
    {
        using Tensor table = Table(500, 64); // 128 KB, so that leaked tables would show
        using Tensor batch = Indices(1, 2);
        Soak.Run(Soak.Rounds / 10, i =>
        {
            var fresh = new Embedding(500, 64, sparse: true);
            fresh.call(batch).sum().backward();
            var optimizer = Make((Kind)(i % 3), fresh.parameters());
            optimizer.step();
            fresh.Lookup([1L], new float[64].AsSpan());

            var converted = Embedding.FromPretrained(table);
            converted.to(float64);
            var assigned = new Embedding(1, 1) { Weight = new Parameter(table.detach()) };
            assigned.Lookup(5);
            Collect(i);
        }, parameters: 4);
    }

    [Fact]
    public void ALayersParameterOutlivesTheLayer()
    {
        var kept = new List<Parameter>();
        Isolated(() => kept.AddRange(Enumerable.Range(0, 50).Select(_ => Embedding.FromPretrained(Table()).Weight)));
        LiveTensors();
        Assert.All(kept, weight => Assert.Equal([0f, 1f, 2f, 3f, 4f, 5f, 6f, 7f, 8f, 9f, 10f, 11f], Floats(weight)));
    }

    [Fact]
    public void FilesThatNobodyDisposedAreClosed()
    {
        using var folder = new TestFolder();
        string text = folder.Write("text", "river 1 2\nlake 3 4\n"), saved = folder["saved"];
        using (var vectors = TestVectors.Load(text)) vectors.Save(saved);
        Soak.Run(Soak.Rounds / 10, i =>
        {
            TestVectors.Load(text).MostSimilar("river");
            TestVectors.Load(saved).ToEmbedding().Lookup(1);
            SafeTensorsFile.Open(saved).ReadAll();
            Collect(i);
        }, parameters: 1);
    }

    // The garbage collector does not see native memory and would run late.
    private static void Collect(int round)
    {
        if (round % 10 == 0) LiveTensors();
    }

    [Fact]
    public void CallsThatThrowLeaveNothingBehind()
    {
        using var folder = new TestFolder();
        using var layer = new Embedding(4, 3);
        using var renormed = new Embedding(4, 3, maxNorm: 1);
        using var sparse = new Embedding(4, 3, sparse: true);
        var disposed = new Embedding(4, 3);
        disposed.Dispose();
        using Tensor bad = Indices(1, 9), good = Indices(1), floats = zeros(2), line = zeros(3), whole = zeros(4, 3, int64), oneRow = zeros(1, 3);
        using var adam = new SparseAdam(layer.parameters());
        using var adagrad = new Adagrad([sparse.Weight], weightDecay: 0.1);
        foreach (Embedding trained in new[] { layer, sparse }) trained.call(good).sum().backward();
        string glove = folder.Write("glove", "a 1 2\nb 1\n"), binary = folder.Write("binary", "2 3\na "), vectors = folder.Write("vectors", "a 1 2\n");
        string header = folder.Write("header", "\x10\0\0\0\0\0\0\0{\"a\":{\"dtype\":1}"), cut = folder.Write("cut", "\x7f\0\0\0\0\0\0\0{");
        var cancelled = new CancellationToken(canceled: true);

        Action[] calls =
        [
            () => layer.forward(null!),
            () => renormed.forward(bad),
            () => layer.Lookup([9], new float[3].AsSpan()),
            () => layer.Lookup([1], new float[4].AsSpan()),
            () => layer.Lookup([1], new double[3].AsSpan()),
            () => disposed.forward(good),
            () => disposed.Lookup(1),
            () => disposed.Lookup([1], new float[3].AsSpan()),
            () => disposed.to(float64),
            () => disposed.ResetParameters(),
            () => disposed.Weight = layer.Weight,
            () => layer.to(int64),
            () => _ = new Embedding(4, 3, paddingIdx: 9),
            () => _ = new Embedding(-1, 3),
            () => _ = new Embedding(4, 3, dtype: int64),
            () => Embedding.FromPretrained(line),
            () => Embedding.FromPretrained(whole, freeze: false),
            () => layer.load_state_dict(new() { ["weight"] = oneRow }),
            () => layer.load_state_dict(new() { ["bias"] = oneRow }),
            () => _ = new SparseAdam(layer.parameters(), lr: -1),
            () => _ = new Adagrad(Array.Empty<Parameter>()),
            () => adagrad.add_param_group(new Adagrad.ParamGroup([sparse.Weight])),
            () => adam.step(),
            () => adagrad.step(),
            () => adam.step(() => throw new IOException("the closure's own")),
            () => adam.load_state_dict(new BinaryReader(new MemoryStream(Encoding.UTF8.GetBytes("\nSparseAdam")))),
            () => WordVectors.Load(glove, cancellationToken: CancellationToken.None),
            () => WordVectors.Load(binary, WordVectorsFormat.Word2VecBinary, cancellationToken: CancellationToken.None),
            () => WordVectors.Load(vectors, cancellationToken: cancelled),
            () => WordVectors.Load(folder["missing"], cancellationToken: CancellationToken.None),
            () => WordVectors.Load(vectors, progress: new Failing(), cancellationToken: CancellationToken.None),
            () => SafeTensorsFile.Open(header),
            () => SafeTensorsFile.Open(cut),
        ];
        Soak.Run(Soak.Rounds / 10, _ => Assert.All(calls, call => Assert.ThrowsAny<Exception>(call)));
    }

    [Fact]
    public void CallsThatLibtorchRefusesLeaveTorchSharpsTextOfTheErrorAndNoMore()
    {
        const int text = 3000; // TorchSharp 0.107 does not free the text from THSTorch_get_and_reset_last_err, which includes a stack trace
        using var layer = new Embedding(4, 3);
        using Tensor bad = Indices(1, 9), floats = zeros(2), good = Indices(1), line = zeros(3);
        Soak.Run(Soak.Rounds / 200, _ => // libtorch takes 10 ms to write such a text
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => layer.forward(bad));
            Assert.Throws<ArgumentOutOfRangeException>(() => layer.Lookup(9));
            Assert.Throws<ArgumentException>(() => layer.forward(floats));
            Assert.Throws<InvalidOperationException>(() => Functional.Embedding(good, line));
        }, leaked: 4 * text);
    }

    private sealed class Failing : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value) => throw new IOException("the reporter's own");
    }
}
