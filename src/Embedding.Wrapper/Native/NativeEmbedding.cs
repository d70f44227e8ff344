using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using TorchSharp.Modules;
using static TorchSharp.torch;
using BagEngine = TorchSharp.Modules.EmbeddingBag;
using Engine = TorchSharp.Modules.Embedding;

namespace EmbeddingWrapper.Native;

/// <summary>
/// libtorch's embedding ops. TorchSharp exposes them only inside its own modules. This class holds such modules of width zero: they cost
/// no memory, draw no random numbers, carry the options, and compute with the weight that they are pointed at.
/// </summary>
/// <remarks>
/// <see cref="EmbeddingWrapper.Embedding"/> has no field of type Module for it, because TorchSharp registers such fields as children.
/// </remarks>
internal sealed class NativeEmbedding : IDisposable
{
    private const string WeightName = "weight";

    private readonly Engine _engine;
    private readonly BagEngine? _bagEngine;

    /// <summary>The op of single rows.</summary>
    public NativeEmbedding(LayerParameter weight, long? paddingIdx, bool scaleGradByFreq, bool sparse)
    {
        _engine = nn.Embedding(Rows(paddingIdx), 0, paddingIdx, scale_grad_by_freq: scaleGradByFreq, sparse: sparse, device: CPU);
        TakeNew(weight);
    }

    /// <summary>The op of bags.</summary>
    public NativeEmbedding(LayerParameter weight, in BagOptions options)
    {
        _engine = nn.Embedding(1, 0, device: CPU); // holds the weight
        _bagEngine = nn.EmbeddingBag(Rows(options.PaddingIdx), 0, scale_grad_by_freq: options.ScaleGradByFreq, mode: options.Mode,
            sparse: options.Sparse, padding_index: options.PaddingIdx ?? -1, device: CPU);
        TakeNew(weight);
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

    // The default device may be one without memory, so the engines name their own. The padding index already counts from the start.
    // libtorch compares it with the row count only when it makes an engine, so the fewest possible rows are enough.
    private static long Rows(long? paddingIdx) => (paddingIdx ?? 0) + 1;

    [MemberNotNull(nameof(Parameter), nameof(Weight))]
    private void TakeNew(LayerParameter weight)
    {
        PointAt(weight);
        OwnsParameter = true;
    }

    /// <summary>Makes the op use <paramref name="weight"/>, which stays the caller's.</summary>
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
        _bagEngine?.weight = handle;
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

    /// <summary>Looks bags of a 1-D input up.</summary>
    /// <exception cref="ExternalException">libtorch refused.</exception>
    public Tensor Forward(Tensor input, Tensor offsets, Tensor? perSampleWeights)
    {
        Tensor output = _bagEngine!.forward(input, offsets, perSampleWeights);
        GC.KeepAlive(input); // as above
        GC.KeepAlive(offsets);
        GC.KeepAlive(perSampleWeights);
        return output;
    }

    public void Dispose()
    {
        _bagEngine?.Dispose();
        _engine.Dispose();
    }
}
