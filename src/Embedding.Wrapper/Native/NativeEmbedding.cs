using System.Runtime.InteropServices;
using TorchSharp.Modules;
using static TorchSharp.torch;
using Engine = TorchSharp.Modules.Embedding;

namespace EmbeddingWrapper.Native;

/// <summary>
/// libtorch's embedding op. TorchSharp exposes it only inside its own module. This class holds such a module of width zero: it costs
/// no memory, draws no random numbers, carries the options, and computes with the weight that it is pointed at.
/// </summary>
/// <remarks>
/// <see cref="EmbeddingWrapper.Embedding"/> has no field of type Module for it, because TorchSharp registers such fields as children.
/// </remarks>
internal sealed class NativeEmbedding : IDisposable
{
    private const string WeightName = "weight";

    private readonly Engine _engine;
    private Parameter? _weight;

    // paddingIdx already counts from the start. libtorch compares it with the row count only here, so the fewest possible rows are enough.
    public NativeEmbedding(long? paddingIdx, bool scaleGradByFreq, bool sparse)
    {
        long rows = (paddingIdx ?? 0) + 1;
        _engine = nn.Embedding(rows, 0, paddingIdx, scale_grad_by_freq: scaleGradByFreq, sparse: sparse);
    }

    /// <summary>
    /// The weight, through a handle of the engine's own. It lives until the engine is disposed, even if the caller's object is disposed.
    /// </summary>
    public Tensor Weight => _weight!;

    /// <summary>The gate of the weight's memory. Everybody who uses or replaces that memory enters or changes it.</summary>
    public ReadGate Gate { get; private set; } = null!;

    /// <summary>Makes <see cref="Forward"/> use <paramref name="weight"/>, which stays the caller's.</summary>
    public void PointAt(Parameter weight)
    {
        ReadGate gate = ReadGate.Of(weight);
        Parameter? previous = _engine.get_parameter(WeightName);
        _engine.weight = weight;

        // TorchSharp has registered the caller's object and would dispose it with the engine, so the engine gets a handle of its own.
        Parameter handle = _engine.weight;
        handle.DetachFromDisposeScope();
        _engine.weight = handle;
        _weight = handle;
        Gate = gate;
        previous?.Dispose();
    }

    /// <exception cref="ExternalException">libtorch refused.</exception>
    public Tensor Forward(Tensor input)
    {
        Tensor output = _engine.forward(input);
        GC.KeepAlive(input); // TorchSharp passes a bare pointer, and the caller may hold no other reference
        return output;
    }

    public void Dispose() => _engine.Dispose();
}
