using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Native;

/// <summary>A parameter that a layer has made, and that only this layer disposes.</summary>
/// <remarks>
/// A TorchSharp module disposes the parameter that it replaces, in <c>to(...)</c>, <c>linear.weight = other</c> and <c>Dispose</c>. That
/// may be the parameter of a layer of ours to which it was tied. Optimizers use the parameter too, so it must stay valid.
/// </remarks>
internal sealed class LayerParameter(Tensor data, bool requiresGrad) : Parameter(data, requiresGrad)
{
    private static readonly ConditionalWeakTable<Parameter, LayerParameter> Successors = [];

    private bool _released;

    static LayerParameter()
    {
        AppDomain.CurrentDomain.AssemblyLoad += (_, args) => Introduce(args.LoadedAssembly);
        foreach (Assembly assembly in AppDomain.CurrentDomain.GetAssemblies()) Introduce(assembly);
    }

    /// <summary>
    /// Lets <c>save_py</c> of TorchSharp.PyBridge write this class. It finds the way to write an object by its exact type, and knows
    /// <see cref="Parameter"/> (seen in 1.4.4).
    /// </summary>
    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "A type that was trimmed is not found.")]
    [UnconditionalSuppressMessage("Trimming", "IL2075", Justification = "A field that was trimmed is not found.")]
    [UnconditionalSuppressMessage("Trimming", "IL2072", Justification = "The type was found, so its initializer is there.")]
    private static void Introduce(Assembly assembly)
    {
        const BindingFlags hidden = BindingFlags.Static | BindingFlags.NonPublic;
        if (assembly.GetName().Name != "TorchSharp.PyBridge" || assembly.GetType("TorchSharp.PyBridge.PyTorchPickler") is not { } pickler) return;
        RuntimeHelpers.RunClassConstructor(pickler.TypeHandle); // registers Parameter
        object? writers = pickler.GetNestedType("CustomPickler", BindingFlags.NonPublic)?.BaseType?.GetField("customDeconstructors", hidden)?.GetValue(null);
        if (writers is IDictionary known && known[typeof(Parameter)] is { } writer) known[typeof(LayerParameter)] = writer;
    }

    /// <summary>The gate of its memory, once it is known. It can be entered while another thread disposes the parameter.</summary>
    public ReadGate? Gate { get; set; }

    /// <summary>
    /// A parameter in place of one that is disposed. Layers that shared it get the same one, so they stay tied.
    /// </summary>
    /// <param name="disposed">The parameter that the layer had.</param>
    /// <param name="tensor">Another handle of the same tensor of libtorch. It may be empty afterwards.</param>
    /// <param name="isNew">Whether this call made the parameter.</param>
    public static LayerParameter InPlaceOf(Parameter disposed, Parameter tensor, out bool isNew)
    {
        lock (Successors)
        {
            isNew = !Successors.TryGetValue(disposed, out LayerParameter? successor) || successor.IsInvalid;
            if (isNew) Successors.AddOrUpdate(disposed, successor = new LayerParameter(tensor, tensor.requires_grad));
            successor!.DetachFromDisposeScope();
            return successor;
        }
    }

    /// <summary>A new parameter without values.</summary>
    public static LayerParameter New(long numEmbeddings, long embeddingDim, long? paddingIdx, Device? device, ScalarType? dtype,
        string paddingText = Guard.PaddingText)
    {
        Guard.ThrowIfNegative(numEmbeddings);
        Guard.ThrowIfNegative(embeddingDim);
        Guard.NormalizePaddingIdx(paddingIdx, numEmbeddings, text: paddingText);
        if (paddingIdx >= numEmbeddings) throw Guard.PaddingOutOfRange(paddingIdx.Value, numEmbeddings, text: paddingText); // 0 of 0 rows
        ScalarType type = dtype ?? get_default_dtype();
        Guard.ThrowIfNotTrainable(type, nameof(dtype));
        Int128 bytes = (Int128)numEmbeddings * embeddingDim * type.ElementSize();
        if (bytes > long.MaxValue)
        {
            throw new ArgumentOutOfRangeException(nameof(numEmbeddings), numEmbeddings,
                $"{numEmbeddings} rows of {embeddingDim} {type} are {bytes} bytes, and {long.MaxValue} is the limit.");
        }
        try
        {
            return new LayerParameter(torch.empty(numEmbeddings, embeddingDim, type, device), requiresGrad: true);
        }
        catch (ExternalException error)
        {
            throw NativeErrors.Translate(error);
        }
    }

    /// <summary>A new parameter over the memory of a caller's tensor.</summary>
    public static LayerParameter Over(Tensor embeddings, bool freeze)
    {
        try
        {
            // TorchSharp's Parameter takes the handle out of the tensor that it gets, so it gets an alias.
            return new LayerParameter(embeddings.detach(), !freeze);
        }
        catch (ExternalException error)
        {
            throw NativeErrors.Translate(error);
        }
    }

    /// <summary>The checks that both layers make of a caller's table.</summary>
    /// <returns>The padding row counted from the start.</returns>
    public static long? CheckPretrained(Tensor embeddings, long? paddingIdx, bool trained, string paddingText = Guard.PaddingText)
    {
        Guard.ThrowIfNullOrDisposed(embeddings);
        if (embeddings.dim() != 2)
        {
            throw new ArgumentException(
                $"Embeddings parameter is expected to be 2-dimensional, and this one has {embeddings.dim()} dimensions.",
                nameof(embeddings));
        }
        long? padding = Guard.NormalizePaddingIdx(paddingIdx, embeddings.size(0), text: paddingText);
        if (trained) Guard.ThrowIfNotTrainable(embeddings.dtype, nameof(embeddings));
        return padding;
    }

    /// <summary>Lets everybody dispose the parameter from now on, the garbage collector too.</summary>
    public void Release()
    {
        _released = true;
        GC.ReRegisterForFinalize(this); // an earlier call of Dispose has switched the finalizer off
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (_released || !disposing) base.Dispose(disposing);
    }
}
