using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Replay;

// The steps that read, and the paths by which all steps read: m.weight.grad, o.state.m.weight.step
internal sealed partial class ScenarioReplay
{
    [Does("show")]
    private object? Show(Arguments given) => At(given.Text("what"));

    [Does("repr")]
    private string Repr(Arguments given) => ModuleAt(given).ToString()!;

    [Does("print")]
    private string Print(Arguments given) => TensorAt(given.Text("of")).Repr();

    [Does("parameters")]
    private string[] ParameterNames(Arguments given) =>
        [.. ModuleAt(given).named_parameters().Select(parameter => parameter.name)];

    // PyTorch's state_dict has detached tensors; TorchSharp's has the parameters themselves.
    [Does("state_dict")]
    private Dictionary<string, object?> StateDict(Arguments given) =>
        ModuleAt(given).state_dict().ToDictionary(entry => entry.Key, object? (entry) => entry.Value.detach());

    private nn.Module ModuleAt(Arguments given) => At<nn.Module>(given.Text("of"));

    private Tensor TensorAt(string path) => At<Tensor>(path);

    private Tensor? OptionalTensorAt(Arguments given, string name) =>
        given.OptionalText(name) is { } path ? TensorAt(path) : null;

    private T At<T>(string path) => At(path) switch
    {
        T found => found,
        var other => throw new InvalidCastException(
            $"'{path}' should be a {typeof(T).Name} and is {other?.GetType().Name ?? "null"}."),
    };

    private object? At(string path)
    {
        string[] parts = path.Split('.');
        if (!_names.TryGetValue(parts[0], out object? found))
            throw new KeyNotFoundException($"No step has made '{parts[0]}'.");
        if (found is OptimizerHelper optimizer && parts is [_, "state", .. var parameter, var kept])
            return Kept(StateOf(optimizer, At<Parameter>(string.Join('.', parameter))), kept);
        foreach (string part in parts[1..]) found = Member(found, part);
        return found;
    }

    private static object? Member(object? of, string name) => (of, name) switch
    {
        (Sequential modules, _) when int.TryParse(name, out int at) => modules[at],
        (Embedding module, "weight") => module.Weight,
        (Embedding module, "num_embeddings") => module.NumEmbeddings,
        (Embedding module, "embedding_dim") => module.EmbeddingDim,
        (Embedding module, "padding_idx") => module.PaddingIdx,
        (Embedding module, "max_norm") => module.MaxNorm,
        (Embedding module, "norm_type") => module.NormType,
        (Embedding module, "scale_grad_by_freq") => module.ScaleGradByFreq,
        (Embedding module, "sparse") => module.Sparse,
        (EmbeddingBag module, "weight") => module.Weight,
        (EmbeddingBag module, "num_embeddings") => module.NumEmbeddings,
        (EmbeddingBag module, "embedding_dim") => module.EmbeddingDim,
        (EmbeddingBag module, "padding_idx") => module.PaddingIdx,
        (EmbeddingBag module, "max_norm") => module.MaxNorm,
        (EmbeddingBag module, "norm_type") => module.NormType,
        (EmbeddingBag module, "scale_grad_by_freq") => module.ScaleGradByFreq,
        (EmbeddingBag module, "mode") => module.Mode.ToString().ToLowerInvariant(),
        (EmbeddingBag module, "sparse") => module.Sparse,
        (EmbeddingBag module, "include_last_offset") => module.IncludeLastOffset,
        (Linear module, "weight") => module.weight,
        (nn.Module module, "training") => module.training,
        (Tensor tensor, "grad") => tensor.grad,
        (Tensor tensor, "requires_grad") => tensor.requires_grad,
        (Tensor tensor, "is_leaf") => tensor.is_leaf,
        (Tensor tensor, "is_sparse") => tensor.is_sparse,
        (Tensor tensor, "dtype") => tensor.dtype,
        (Tensor tensor, "shape") => tensor.shape,
        _ => throw new GoldenFormatException($"A {of?.GetType().Name ?? "null"} has no '{name}'."),
    };
}
