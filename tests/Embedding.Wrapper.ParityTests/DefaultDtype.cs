using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests;

/// <summary><c>torch.set_default_dtype</c> until disposed.</summary>
internal sealed class DefaultDtype : IDisposable
{
    private readonly ScalarType _usual = get_default_dtype();

    public DefaultDtype(ScalarType dtype) => set_default_dtype(dtype);

    public void Dispose() => set_default_dtype(_usual);
}
