using System.Diagnostics.CodeAnalysis;
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

    // The default device may be one without memory, so the engine names its own. paddingIdx already counts from the start. libtorch
    // compares it with the row count only here, so the fewest possible rows are enough.
    public NativeEmbedding(LayerParameter weight, long? paddingIdx, bool scaleGradByFreq, bool sparse)
    {
        long rows = (paddingIdx ?? 0) + 1;
        _engine = nn.Embedding(rows, 0, paddingIdx, scale_grad_by_freq: scaleGradByFreq, sparse: sparse, device: CPU);
        PointAt(weight);
        OwnsParameter = true;
    }

    /// <summary>The parameter that the layer shows and optimizers hold. Others may dispose it, unless the layer has made it.</summary>
    public Parameter Parameter { get; private set; }

    /// <summary>Whether the layer has made the parameter, and so disposes it.</summary>
    public bool OwnsParameter { get; private set; }

    /// <summary>
    /// The weight, through a handle of the engine's own. It lives until the engine is disposed, even if the parameter is disposed.
    /// </summary>
    public Tensor Weight { get; private set; }

    /// <summary>The gate of the weight's memory. Everybody who uses or replaces that memory enters or changes it.</summary>
    public ReadGate Gate { get; private set; } = null!;

    /// <summary>Makes <see cref="Forward"/> use <paramref name="weight"/>, which stays the caller's.</summary>
    [MemberNotNull(nameof(Parameter), nameof(Weight))]
    public void PointAt(Parameter weight)
    {
        ReadGate gate = ReadGate.Of(weight);
        Parameter? previous = _engine.get_parameter(WeightName);
        _engine.weight = weight;

        // TorchSharp has registered the caller's object and would dispose it with the engine, so the engine gets a handle of its own.
        Parameter handle = _engine.weight;
        handle.DetachFromDisposeScope();
        _engine.weight = handle;
        Gate = gate;
        previous?.Dispose();
        weight.DetachFromDisposeScope();
        ReleaseParameter();
        (Weight, Parameter, OwnsParameter) = (handle, weight, false);
    }

    /// <summary>Puts a new parameter of the same tensor in place of one that others have disposed. One thread at a time may.</summary>
    /// <param name="register">Is called once for the new parameter, before another thread can see it.</param>
    public void RestoreParameter(Action<Parameter> register)
    {
        if (!Parameter.IsInvalid) return;
        using Parameter handle = _engine.weight!;
        LayerParameter restored = LayerParameter.InPlaceOf(Parameter, handle, out bool isNew);
        restored.Gate = Gate;
        register(restored);
        (OwnsParameter, Parameter) = (isNew, restored);
    }

    /// <summary>Lets others dispose the parameter, and the garbage collector.</summary>
    public void ReleaseParameter()
    {
        if (OwnsParameter) ((LayerParameter)Parameter).Release();
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
