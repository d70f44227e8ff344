using EmbeddingWrapper.Native;
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

    /// <summary>Takes a group's parameters as a list, once and for all, and checks them against the groups already there.</summary>
    public static IReadOnlyList<Parameter> Check(ParamGroup group, IEnumerable<ParamGroup> others)
    {
        ArgumentNullException.ThrowIfNull(group);
        ArgumentNullException.ThrowIfNull(group.Parameters, "parameters");
        Parameter[] parameters = [.. group.Parameters];
        if (parameters.Length == 0) throw new ArgumentException("optimizer got an empty parameter list", nameof(parameters));
        if (parameters.Any(p => p is null)) throw new ArgumentNullException(nameof(parameters), "One of the parameters is null.");
        if (parameters.Any(p => !p.is_leaf)) throw new ArgumentException("can't optimize a non-leaf Tensor", nameof(parameters));
        var taken = others.SelectMany(other => other.Parameters).Select(p => p.Handle).ToHashSet();
        if (parameters.Any(p => taken.Contains(p.Handle)))
            throw new ArgumentException("some parameters appear in more than one parameter group", nameof(parameters));
        return parameters;
    }

    /// <summary>Drops the gradients, as PyTorch does; TorchSharp's optimizers fill them with zeros.</summary>
    public static void DropGradients(IEnumerable<Parameter> parameters)
    {
        foreach (Parameter parameter in parameters) parameter.grad = null;
    }

    /// <summary>The parameters of a group that have a gradient, each with it. The caller disposes the gradients.</summary>
    public static IEnumerable<(Parameter Parameter, Tensor Gradient)> WithGradient(ParamGroup group)
    {
        foreach (Parameter parameter in group.Parameters)
            if (parameter.grad is { } gradient) yield return (parameter, gradient);
    }
}
