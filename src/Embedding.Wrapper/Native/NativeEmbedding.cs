using System.Runtime.InteropServices;
using TorchSharp.Modules;
using static TorchSharp.torch;
using Engine = TorchSharp.Modules.Embedding;

namespace EmbeddingWrapper.Native;

/// <summary>
/// libtorch's embedding op. TorchSharp exposes it only inside its own module, so this is such a module of width zero: it costs
/// no memory and draws no random numbers, carries the options, and computes with whatever weight it is pointed at.
/// </summary>
/// <remarks>
/// Not a field of type Module in <see cref="EmbeddingWrapper.Embedding"/>: TorchSharp registers such fields as children.
/// </remarks>
internal sealed class NativeEmbedding : IDisposable
{
    private const string WeightName = "weight";

    private readonly Engine _engine;
    private Parameter? _weight;

    // paddingIdx is counted from the start already. libtorch compares it with the row count here alone, so the fewest rows do.
    public NativeEmbedding(long? paddingIdx, bool scaleGradByFreq, bool sparse)
    {
        long rows = (paddingIdx ?? 0) + 1;
        _engine = nn.Embedding(rows, 0, paddingIdx, scale_grad_by_freq: scaleGradByFreq, sparse: sparse);
    }

    /// <summary>
    /// The weight, through a handle of the engine's own: it is there until the engine is disposed, whatever becomes of the caller's object.
    /// </summary>
    public Tensor Weight => _weight!;

    /// <summary>Computes with <paramref name="weight"/> from now on; it stays the caller's.</summary>
    public void PointAt(Parameter weight)
    {
        Parameter? previous = _engine.get_parameter(WeightName);
        _engine.weight = weight;

        // TorchSharp has now registered the caller's object, and would dispose it with the engine: give it a handle of its own.
        Parameter handle = _engine.weight;
        handle.DetachFromDisposeScope();
        _engine.weight = handle;
        _weight = handle;
        previous?.Dispose();
    }

    /// <exception cref="ExternalException">libtorch refused.</exception>
    public Tensor Forward(Tensor input)
    {
        Tensor output = _engine.forward(input);
        GC.KeepAlive(input); // TorchSharp hands over a bare pointer, and the caller may hold no other reference
        return output;
    }

    public void Dispose() => _engine.Dispose();
}
