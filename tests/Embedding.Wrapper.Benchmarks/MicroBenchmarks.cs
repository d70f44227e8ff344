using BenchmarkDotNet.Attributes;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Benchmarks;

/// <summary>Compares calls of our layer and of TorchSharp's: the time, and the managed memory that each call allocates.</summary>
[MemoryDiagnoser]
public class MicroBenchmarks
{
    private Embedding _ours = null!;
    private TorchSharp.Modules.Embedding _theirs = null!;
    private Tensor _input = null!;
    private long[] _indices = null!;
    private float[] _rows = null!;

    [Params(1, 32, 512)]
    public int Batch { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        set_num_threads(1);
        _ours = new Embedding(1000, 64);
        _theirs = nn.Embedding(1000, 64);
        _indices = [.. Enumerable.Range(0, Batch).Select(i => i * 37L % 1000)];
        _input = tensor(_indices);
        _rows = new float[Batch * 64];
    }

    [GlobalCleanup]
    public void CleanUp()
    {
        _input.Dispose();
        _theirs.Dispose();
        _ours.Dispose();
    }

    [Benchmark(Baseline = true)]
    public void TorchSharpForward() => _theirs.forward(_input).Dispose();

    [Benchmark]
    public void Forward() => _ours.forward(_input).Dispose();

    [Benchmark]
    public void LookupTensor() => _ours.Lookup(_indices.AsSpan()).Dispose();

    [Benchmark]
    public void LookupSpan() => _ours.Lookup(_indices.AsSpan(), _rows.AsSpan());

    [Benchmark]
    public void FunctionalForward() => Functional.Embedding(_input, _ours.Weight).Dispose();
}
