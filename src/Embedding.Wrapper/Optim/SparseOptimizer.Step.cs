using System.Runtime.InteropServices;
using EmbeddingWrapper.Native;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Optim;

// A step: validate, prepare, change.
public abstract partial class SparseOptimizer
{
    /// <summary>The work of a step on one parameter.</summary>
    /// <param name="Options">The options of its group.</param>
    /// <param name="State">What is kept for it.</param>
    /// <param name="Parameter">The caller's.</param>
    /// <param name="Gradient">The gradient as the parameter has it.</param>
    /// <param name="Sparse">The same gradient, coalesced if <see cref="Coalesces"/>; null if it is dense.</param>
    /// <param name="IsFirst">Whether the state had no tensors when the step began.</param>
    private protected sealed record Part(
        SparseOptimizerOptions Options, SparseOptimizerState State, Parameter Parameter, Tensor Gradient, SparseGradient? Sparse,
        bool IsFirst);

    /// <summary>Whether the formula needs each row once. A gradient without entries then changes nothing.</summary>
    private protected virtual bool Coalesces => true;

    /// <summary>Throws if the optimizer does not take such a gradient.</summary>
    /// <exception cref="InvalidOperationException">It does not.</exception>
    private protected abstract void Check(SparseOptimizerOptions options, Parameter parameter, Tensor gradient);

    /// <summary>
    /// Computes and allocates what the step of one parameter needs, and changes nothing. The caller's dispose scope disposes the tensors.
    /// </summary>
    /// <returns>Changes the parameter and its state.</returns>
    private protected abstract Action Prepare(Part part);

    /// <summary>Performs one step: every parameter that has a gradient is updated. The gradients themselves are not changed.</summary>
    /// <param name="closure">Computes the loss anew, with gradients enabled, before the step. Default: none.</param>
    /// <returns>What <paramref name="closure"/> returned, or null.</returns>
    /// <exception cref="InvalidOperationException">
    /// The optimizer does not take a gradient of this layout with these options, a gradient or a state does not fit its parameter, or a
    /// group has lost its parameters or an option. Nothing is changed then.
    /// </exception>
    /// <exception cref="ObjectDisposedException">
    /// The optimizer, a parameter or the state of one is disposed. Nothing is changed then.
    /// </exception>
    public override Tensor? step(Func<Tensor>? closure = null)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        Tensor? loss = Evaluate(closure); // outside the lock: the closure may run for long, and on other threads
        lock (_stepLock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            using var grad = no_grad();
            using DisposeScope scope = NewDisposeScope();
            using ReadGate.Reading memory = EnterParameters();
            try
            {
                Run(Plan());
            }
            catch (ExternalException error)
            {
                throw NativeErrors.Translate(error);
            }
        }
        return loss;
    }

    private void Run(List<List<Part>> rounds)
    {
        Action? undo = null;
        if (rounds.Count > 1 || rounds[0].Any(MayFail)) Normally(() => undo = Undo(rounds.SelectMany(round => round)));
        try
        {
            foreach (List<Part> round in rounds)
            {
                Action[] updates = [];
                Normally(() => updates = [.. round.Select(Prepare)]);
                foreach (Part part in round) MarkWritten(part);
                foreach (Action update in updates) update();
            }
        }
        catch
        {
            undo?.Invoke();
            throw;
        }

        // A state that is made in inference mode could not be updated outside it.
        static void Normally(Action make)
        {
            using var normal = inference_mode(false);
            using var grad = no_grad();
            make();
        }

        // Rows are written through raw memory, which autograd does not see. Here libtorch also refuses an inference tensor.
        void MarkWritten(Part part)
        {
            if (Coalesces && part.Sparse is { IsEmpty: true }) return;
            TensorMemory.MarkWritten(part.Parameter);
            part.State.MarkWritten();
        }
    }

    /// <summary>Whether libtorch may refuse an update after others have changed something.</summary>
    private static bool MayFail(Part part) =>
        part.Options.HasLargeNumber() || !is_floating_point(part.Parameter.dtype)
        || part.State.RequireTensors().Any(tensor => tensor is not null && !is_floating_point(tensor.dtype))
        || (part.Sparse is null && TensorMemory.MayOverlap(part.Parameter, part.Gradient));

    /// <summary>Copies what a step changes. Few steps need it.</summary>
    /// <returns>Copies it back.</returns>
    private static Action Undo(IEnumerable<Part> parts)
    {
        List<Action> all = [];
        foreach (Part part in parts.DistinctBy(part => part.State))
        {
            (SparseOptimizerState state, long step) = (part.State, part.State.StepCount());
            Tensor?[] kept = [.. state.RequireTensors()], copies = [.. kept.Select(tensor => tensor?.clone())];
            Tensor weight = OnePlaceEach(part.Parameter), copy = weight.clone();
            all.Add(() =>
            {
                Tensor?[] now = [.. state.RequireTensors()];
                for (int i = 0; i < now.Length; i++)
                {
                    if (!ReferenceEquals(now[i], kept[i])) now[i] = copies[i];
                    else if (now[i] is { is_sparse: false } same) same.copy_(copies[i]!); // a caller may hold its memory
                }
                state.Set(step, now);
                weight.copy_(copy);
            });
        }
        return () => all.ForEach(undo => undo());
    }

    /// <summary>A view without the repetitions of an expanded tensor. libtorch writes to no others.</summary>
    private static Tensor OnePlaceEach(Tensor tensor)
    {
        for (int dim = 0; dim < tensor.dim(); dim++)
            if (tensor.stride(dim) == 0 && tensor.size(dim) > 1) tensor = tensor.narrow(dim, 0, 1);
        return tensor;
    }

    private static Tensor? Evaluate(Func<Tensor>? closure)
    {
        if (closure is null) return null;
        using var grad = enable_grad();
        return closure();
    }

    /// <summary>Validates everything that a step will change, and reads the sparse gradients.</summary>
    /// <returns>
    /// The parts in order. A round has each parameter once: PyTorch steps a parameter twice that is listed twice, and the second step
    /// starts from the result of the first.
    /// </returns>
    private List<List<Part>> Plan()
    {
        List<List<Part>> rounds = [[]];
        HashSet<SparseOptimizerState> inRound = [];
        foreach ((int place, ParamGroup group) in _parameter_groups.Index())
        {
            if (group.Parameters is null || group.Options?.GetType() != _default.GetType()
                || group.Options is not SparseOptimizerOptions options || !options.IsComplete())
            {
                throw new InvalidOperationException($"Parameter group {place} has lost its parameters or some of its options.");
            }
            foreach ((int index, Parameter parameter) in group.Parameters.Index())
            {
                if (parameter is null) throw new InvalidOperationException($"{Place()} is null.");
                if (parameter.IsInvalid) throw Guard.Disposed(Place());
                if (parameter.grad is not { } gradient) continue;
                SparseOptimizerState state = Kept(parameter) ?? throw NothingKept(Place());
                Check(options, parameter, gradient);
                if (gradient.dtype != parameter.dtype || !Fits(gradient, parameter)) throw Unfit("gradient", gradient, parameter, Place());
                foreach (Tensor? tensor in state.RequireTensors())
                    if (tensor is not null && !Fits(tensor, parameter)) throw Unfit("state", tensor, parameter, Place());
                if (!inRound.Add(state)) (rounds, inRound) = ([.. rounds, []], [state]);
                SparseGradient? sparse = gradient.is_sparse ? new(gradient, options.maximize!.Value, Coalesces) : null;
                rounds[^1].Add(new(options, state, parameter, gradient, sparse, state.RequireTensors().All(tensor => tensor is null)));

                string Place() => $"parameter {index} of group {place}";
            }
        }
        return rounds;
    }

    /// <summary>The state of a parameter, or null. libtorch can give a new parameter the handle of a disposed one.</summary>
    private SparseOptimizerState? Kept(Parameter parameter) =>
        _state.TryGetValue(parameter.Handle, out OptimizerState? state) && ((SparseOptimizerState)state).IsOf(parameter)
            ? (SparseOptimizerState)state : null;

    private static InvalidOperationException NothingKept(string place) =>
        new($"Nothing is kept for {place}: it was not there when the group was added.");

    private static bool Fits(Tensor tensor, Parameter parameter) =>
        Guard.SameShape(tensor, parameter)
        && tensor.device_type == parameter.device_type && tensor.device_index == parameter.device_index;

    private static InvalidOperationException Unfit(string what, Tensor tensor, Parameter parameter, string place)
    {
        return new($"The {what} of {place} is {Text(tensor)}, and the parameter {Text(parameter)}.");

        static string Text(Tensor tensor) => $"{tensor.dtype} [{string.Join(", ", tensor.shape)}] on {tensor.device}";
    }
}
