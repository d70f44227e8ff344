using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Replay;

/// <summary>
/// Reaches through TorchScript what TorchSharp 0.107 does not expose. It also has <c>torch.autograd.grad</c>, because an error in
/// TorchSharp's own ends the process.
/// </summary>
internal static class ScriptOps
{
    private const string Source = """
        def coalesce(tensor: Tensor):
            return tensor.coalesce()

        def is_coalesced(tensor: Tensor):
            return tensor.is_coalesced()

        def grad(of: Tensor, by: Tensor, gradient: Optional[Tensor], create_graph: bool):
            gradients: Optional[List[Optional[Tensor]]] = [gradient]
            return torch.autograd.grad([of], [by], gradients, create_graph, create_graph)[0]

        """; // libtorch's parser needs a line feed after the last line

    private static readonly Lazy<jit.CompilationUnit> Compiled = new(() => jit.compile(Source));

    public static Tensor Coalesce(Tensor tensor) => (Tensor)Compiled.Value.invoke("coalesce", tensor);

    public static bool IsCoalesced(Tensor tensor)
    {
        using var flag = (Scalar)Compiled.Value.invoke("is_coalesced", tensor);
        return flag.ToBoolean();
    }

    public static Tensor Grad(Tensor of, Tensor by, Tensor? gradient, bool createGraph) =>
        (Tensor)Compiled.Value.invoke("grad", of, by, gradient!, createGraph);
}
