using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Native;

// Loading: a state of tensors, and TorchSharp's files.
internal sealed partial class LayerTable
{
    /// <summary>Loads a state into the layer.</summary>
    public (IList<string> missing_keys, IList<string> unexpected_keyes) LoadState(
        Dictionary<string, Tensor> source, bool strict, IList<string>? skip)
    {
        ArgumentNullException.ThrowIfNull(source);
        ThrowIfDisposed();
        Dictionary<string, Tensor> present = layer.state_dict(); // in no gate: a derived class's own may wait for other threads
        using ReadGate.Reading life = Gate.Enter(); // throws if another thread has disposed the layer: its state is then empty
        using ReadGate.Reading memory = EnterAll(present);
        using ReadGate.Reading others = ReadGate.EnterAll(source.Values.Where(tensor => tensor is { IsInvalid: false })); // of another layer
        string[] missing = Considered(present.Keys.Except(source.Keys)), unexpected = Considered(source.Keys.Except(present.Keys));
        string[] common = Considered(source.Keys.Intersect(present.Keys));
        var faults = new List<string>();
        if (strict)
        {
            AddFault("Missing", missing);
            AddFault("Unexpected", unexpected);
        }
        foreach (string key in common)
        {
            Tensor tensor = source[key] ?? throw new ArgumentException($"The tensor \"{key}\" is null.", nameof(source));
            Guard.ThrowIfNullOrDisposed(tensor, key);
            string given = PythonText.Size(tensor.shape), wanted = PythonText.Size(present[key].shape);
            if (given != wanted)
            {
                faults.Add($"size mismatch for {key}: copying a param with shape {given} from checkpoint, "
                    + $"the shape in current model is {wanted}.");
            }
            string? problem = tensor.is_meta && !present[key].is_meta ? "Cannot copy out of meta tensor; no data!"
                : tensor.is_sparse && !present[key].is_sparse ? "copy_() between dense and sparse Tensors is not implemented!" : null;
            if (problem is not null) faults.Add($"While copying the parameter named \"{key}\": {problem}");
        }
        if (faults.Count > 0)
        {
            throw new InvalidOperationException(
                $"Error(s) in loading state_dict for {layer.GetType().Name}:\n\t{string.Join("\n\t", faults)}");
        }
        Overwrite(present, source, common);
        return (missing.ToList(), unexpected.ToList());

        string[] Considered(IEnumerable<string> keys) => [.. keys.Except(skip ?? [])];

        void AddFault(string what, string[] keys)
        {
            string names = string.Join(", ", keys.Select(key => $"\"{key}\""));
            if (names.Length > 0) faults.Add($"{what} key(s) in state_dict: {names}. ");
        }
    }

    private static ReadGate.Reading EnterAll(Dictionary<string, Tensor> tensors)
    {
        foreach ((string name, Tensor tensor) in tensors) Guard.ThrowIfNullOrDisposed(tensor, name);
        return ReadGate.EnterAll(tensors.Values);
    }

    /// <summary>
    /// Copies numbers into tensors of this layer, or into none if libtorch refuses one. The caller is inside their gates.
    /// </summary>
    private static void Overwrite(Dictionary<string, Tensor> present, Dictionary<string, Tensor> source, string[] names)
    {
        using DisposeScope scope = NewDisposeScope();
        using var grad = no_grad();
        List<(Tensor Tensor, Tensor Before)> written = [];
        string[] largestLast = [.. names.OrderBy(name => present[name].numel())]; // what is written last needs no copy of what it was
        try
        {
            foreach (string name in names) TorchScript.ThrowIfReadOnly(present[name]);
            foreach (string name in largestLast)
            {
                Tensor? before = name == largestLast[^1] ? null : present[name].clone();
                present[name].copy_(source[name]);
                if (before is not null) written.Add((present[name], before));
            }
        }
        catch (ExternalException error)
        {
            foreach ((Tensor tensor, Tensor before) in written) tensor.copy_(before);
            throw NativeErrors.Translate(error);
        }
    }

    /// <summary>Loads a stream into the layer. After an error the layer is as it was.</summary>
    public nn.Module Load(BinaryReader reader, bool strict, IList<string>? skip, Dictionary<string, bool>? loadedParameters)
    {
        ArgumentNullException.ThrowIfNull(reader);
        ThrowIfDisposed();
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> present = layer.state_dict(), read = [];
        using (ReadGate.Reading life = Gate.Enter(), memory = EnterAll(present)) // not while the stream is read, which may take long
            foreach ((string name, Tensor tensor) in present) read[name] = empty(tensor.shape, tensor.dtype, CPU);
        var loaded = new Dictionary<string, bool>();
        using var parts = new Parts(read);
        parts.load(reader, strict, skip, loaded);
        foreach ((string name, bool known) in loaded) loadedParameters?.Add(name, known);
        using (ReadGate.Reading life = Gate.Enter(), memory = EnterAll(present))
            Overwrite(present, read, [.. loaded.Keys.Where(read.ContainsKey).Except(skip ?? [])]);
        return layer;
    }

    /// <summary>
    /// Lets TorchSharp read a file into other memory. It writes while it reads, past autograd, and only into contiguous tensors.
    /// </summary>
    private sealed class Parts(Dictionary<string, Tensor> tensors) : nn.Module(nameof(LayerTable))
    {
        public override Dictionary<string, Tensor> state_dict(Dictionary<string, Tensor>? destination = null, string? prefix = null) =>
            tensors;
    }
}
