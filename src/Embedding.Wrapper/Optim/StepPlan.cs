using System.Runtime.InteropServices;
using EmbeddingWrapper.Native;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Optim;

/// <summary>Options of a group, which a caller may have spoilt since the group was added.</summary>
internal interface IStepOptions
{
    /// <summary>Whether none is left open.</summary>
    bool IsComplete { get; }

    /// <summary>Whether to step up the gradient.</summary>
    bool? Maximize { get; }
}

/// <summary>What an optimizer keeps for a parameter.</summary>
internal interface IStepState
{
    /// <summary>The tensors, null where there are none yet.</summary>
    /// <exception cref="ObjectDisposedException">The state is disposed.</exception>
    Tensor?[] Tensors { get; }
}

/// <summary>What a step does to one parameter.</summary>
/// <param name="Options">Those of its group.</param>
/// <param name="State">What is kept for it.</param>
/// <param name="Parameter">The caller's.</param>
/// <param name="Gradient">As the parameter has it.</param>
/// <param name="Sparse">The same, ready for use, where it is sparse.</param>
internal sealed record StepPart<TOptions, TState>(
    TOptions Options, TState State, Parameter Parameter, Tensor Gradient, SparseGradient? Sparse);

/// <summary>
/// Looks at all that a step is about to touch before it touches anything, so that a step that throws changes nothing. TorchSharp lets
/// a caller give a parameter a gradient of any shape, and give a tensor another shape in place: rows would be written behind its end.
/// </summary>
internal static class StepPlan
{
    /// <param name="groups">The optimizer's.</param>
    /// <param name="states">By the handle of the parameter.</param>
    /// <param name="check">Throws where the optimizer takes no such gradient.</param>
    /// <param name="update">Gets a part for each parameter that has a gradient. The dispose scope around the step ends its tensors.</param>
    /// <exception cref="InvalidOperationException">Something does not fit, or is not what the group was added with.</exception>
    /// <exception cref="ObjectDisposedException">A parameter, or what is kept for it, is disposed.</exception>
    public static void Run<TOptions, TState>(IEnumerable<ParamGroup> groups, IDictionary<nint, OptimizerState> states,
        Action<TOptions, Parameter, Tensor> check, Action<StepPart<TOptions, TState>> update)
        where TOptions : OptimizerOptions, IStepOptions
        where TState : OptimizerState, IStepState
    {
        try
        {
            foreach (StepPart<TOptions, TState> part in Parts<TOptions, TState>(groups, states, check)) update(part);
        }
        catch (ExternalException error)
        {
            throw NativeErrors.Translate(error);
        }
    }

    private static List<StepPart<TOptions, TState>> Parts<TOptions, TState>(IEnumerable<ParamGroup> groups,
        IDictionary<nint, OptimizerState> states, Action<TOptions, Parameter, Tensor> check)
        where TOptions : OptimizerOptions, IStepOptions
        where TState : OptimizerState, IStepState
    {
        var parts = new List<StepPart<TOptions, TState>>();
        foreach ((int place, ParamGroup group) in groups.Index())
        {
            if (group.Options is not TOptions { IsComplete: true } options || group.Parameters is null)
                throw new InvalidOperationException($"Parameter group {place} has lost its parameters or some of its options.");
            foreach ((int index, Parameter parameter) in group.Parameters.Index())
            {
                if (parameter.IsInvalid) throw Guard.Disposed(Place());
                if (parameter.grad is not { } gradient) continue;
                if (!states.TryGetValue(parameter.Handle, out OptimizerState? kept) || kept is not TState state)
                    throw new InvalidOperationException($"Nothing is kept for {Place()}: it was not there when the group was added.");
                check(options, parameter, gradient);
                if (gradient.dtype != parameter.dtype || !Fits(gradient, parameter)) throw Unfit("gradient", gradient, parameter, Place());
                foreach (Tensor? tensor in state.Tensors)
                    if (tensor is not null && !Fits(tensor, parameter)) throw Unfit("state", tensor, parameter, Place());
                parts.Add(new(options, state, parameter, gradient, gradient.is_sparse ? new SparseGradient(gradient, options.Maximize!.Value) : null));

                string Place() => $"parameter {index} of group {place}";
            }
        }
        return parts;
    }

    private static bool Fits(Tensor tensor, Parameter parameter) =>
        StateTensor.SameShape(tensor, parameter)
        && tensor.device_type == parameter.device_type && tensor.device_index == parameter.device_index;

    private static InvalidOperationException Unfit(string what, Tensor tensor, Parameter parameter, string place)
    {
        return new($"The {what} of {place} is {Text(tensor)}, and the parameter {Text(parameter)}.");

        static string Text(Tensor tensor) => $"{tensor.dtype} [{string.Join(", ", tensor.shape)}] on {tensor.device}";
    }
}
