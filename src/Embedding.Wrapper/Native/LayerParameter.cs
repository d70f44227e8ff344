using System.Runtime.CompilerServices;
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

    /// <summary>The gate of its memory, once it is known. It can be entered while another thread disposes the parameter.</summary>
    public ReadGate? Gate { get; set; }

    /// <summary>
    /// A parameter in place of one that is disposed. Layers that shared it get the same one, so they stay tied.
    /// </summary>
    /// <param name="disposed">The parameter that the layer had.</param>
    /// <param name="tensor">Another handle of the same tensor of libtorch. It is taken over or disposed.</param>
    /// <param name="isNew">Whether this call made the parameter.</param>
    public static LayerParameter InPlaceOf(Parameter disposed, Parameter tensor, out bool isNew)
    {
        lock (Successors)
        {
            isNew = !Successors.TryGetValue(disposed, out LayerParameter? successor) || successor.IsInvalid;
            if (isNew) Successors.AddOrUpdate(disposed, successor = new LayerParameter(tensor, tensor.requires_grad));
            tensor.Dispose();
            successor!.DetachFromDisposeScope();
            return successor;
        }
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
