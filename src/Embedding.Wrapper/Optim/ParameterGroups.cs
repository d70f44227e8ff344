using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Optim;

/// <summary>What PyTorch's optimizers check and TorchSharp's do not.</summary>
internal static class ParameterGroups
{
    /// <summary>PyTorch's <c>raise ValueError(f"Invalid {what}: {value}")</c>.</summary>
    public static void Require(bool valid, string what, double value, string argument)
    {
        if (!valid) throw new ArgumentOutOfRangeException(argument, value, $"Invalid {what}: {PythonText.Of(value)}");
    }

    /// <summary>PyTorch wants one parameter or group at least, though a group may be empty.</summary>
    public static void RequireAny(IEnumerable<object> parameters)
    {
        if (!parameters.Any()) throw new ArgumentException("optimizer got an empty parameter list", nameof(parameters));
    }

    /// <summary>Takes a group's parameters as a list, once and for all, and checks them against the groups already there.</summary>
    public static IReadOnlyList<Parameter> Check(ParamGroup param_group, IEnumerable<ParamGroup> others)
    {
        ArgumentNullException.ThrowIfNull(param_group);
        ArgumentNullException.ThrowIfNull(param_group.Parameters, "parameters");
        Parameter[] parameters = [.. param_group.Parameters];
        if (parameters.Any(p => p is null)) throw new ArgumentNullException(nameof(parameters), "One of the parameters is null.");
        ThrowIfAnyIsDisposed(parameters);
        if (parameters.Any(p => !p.is_leaf)) throw new ArgumentException("can't optimize a non-leaf Tensor", nameof(parameters));
        var taken = others.SelectMany(other => other.Parameters).Where(p => !p.IsInvalid).Select(p => p.Handle).ToHashSet();
        if (parameters.Any(p => taken.Contains(p.Handle)))
            throw new ArgumentException("some parameters appear in more than one parameter group", nameof(parameters));
        return parameters;
    }

    /// <summary>What the closure of a step gives, computed with gradients as TorchSharp's step does, but outside its lock.</summary>
    public static Tensor? Evaluate(Func<Tensor>? closure)
    {
        if (closure is null) return null;
        using var grad = enable_grad();
        return closure();
    }

    /// <summary>Drops the gradients, as PyTorch does; TorchSharp's optimizers fill them with zeros.</summary>
    public static void DropGradients(IEnumerable<Parameter> parameters)
    {
        Parameter[] all = [.. parameters];
        ThrowIfAnyIsDisposed(all);
        foreach (Parameter parameter in all) parameter.grad = null;
    }

    public static void ThrowIfAnyIsDisposed(IEnumerable<Parameter> parameters)
    {
        foreach ((int index, Parameter parameter) in parameters.Index())
            if (parameter.IsInvalid) throw Guard.Disposed($"parameter {index}");
    }

    /// <summary>Checks a state that is about to be taken over, before any of it is. That the numbers agree TorchSharp checks.</summary>
    public static void CheckSource<TOptions, TState>(optim.Optimizer.StateDictionary state_dict)
        where TOptions : OptimizerOptions, IStepOptions
        where TState : OptimizerState, IStepState
    {
        ArgumentNullException.ThrowIfNull(state_dict);
        if (state_dict.Options.Any(options => options is not TOptions { IsComplete: true }) || state_dict.State.Any(state => state is not TState))
        {
            throw new ArgumentException(
                $"A state of {typeof(TState).DeclaringType!.Name} is needed, and this holds something else.", nameof(state_dict));
        }
        foreach (TState state in state_dict.State.Cast<TState>()) _ = state.Tensors;
    }
}
