using static TorchSharp.torch;

namespace EmbeddingWrapper.Optim;

/// <summary>State that has been read or copied, and is not yet in use: it is taken over as a whole or not at all.</summary>
internal sealed class StagedState : IDisposable
{
    private readonly List<(SparseOptimizerOptions To, double[] Values)> _options = [];
    private readonly List<(SparseOptimizerState To, long Step, Tensor?[] Tensors)> _states = [];

    public void Add(SparseOptimizerOptions to, double[] values) => _options.Add((to, values));

    public void Add(SparseOptimizerState to, long step, Tensor?[] tensors) => _states.Add((to, step, tensors));

    /// <summary>Changes the optimizer. The caller holds its lock.</summary>
    public void TakeOver()
    {
        foreach ((SparseOptimizerOptions to, double[] values) in _options) to.SetAll(values);
        foreach ((SparseOptimizerState to, long step, Tensor?[] tensors) in _states) to.Set(step, tensors);
        _states.Clear();
    }

    /// <summary>Disposes the tensors that were not taken over.</summary>
    public void Dispose()
    {
        foreach ((_, _, Tensor?[] tensors) in _states)
            foreach (Tensor? tensor in tensors) tensor?.Dispose();
    }
}
