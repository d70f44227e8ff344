using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests;

/// <summary>Sets the default dtype, as <c>torch.set_default_dtype</c> does, until it is disposed.</summary>
internal sealed class DefaultDtype : IDisposable
{
    private readonly ScalarType _usual = get_default_dtype();

    public DefaultDtype(ScalarType dtype) => set_default_dtype(dtype);

    public void Dispose() => set_default_dtype(_usual);
}
