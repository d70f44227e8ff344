using System.Reflection;
using System.Text.Json;
using System.Text.RegularExpressions;
using EmbeddingWrapper.Optim;
using TorchSharp.Modules;
using static TorchSharp.torch;
using Adagrad = EmbeddingWrapper.Optim.Adagrad;
using OwnSGD = EmbeddingWrapper.Optim.SGD;
using SGD = TorchSharp.Modules.SGD;

namespace EmbeddingWrapper.ParityTests.Replay;

// The optimizers: the steps that make them and move them, and what they keep for each parameter.
internal sealed partial class ScenarioReplay
{
    [Does("sgd")]
    private SGD MakeSgd(Arguments given)
    {
        return MakeOptimizer<SGD, SGD.ParamGroup>(given, (parameters, own) => new(parameters, new SGD.Options
        {
            LearningRate = own.OptionalNumber("lr"),
            momentum = own.OptionalNumber("momentum"),
            dampening = own.OptionalNumber("dampening"),
            weight_decay = own.OptionalNumber("weight_decay"),
            nesterov = own.OptionalFlag("nesterov"),
            maximize = own.OptionalFlag("maximize"),
        }));
    }

    [Does("own_sgd")]
    private OwnSGD MakeOwnSgd(Arguments given)
    {
        return MakeOptimizer<OwnSGD, OwnSGD.ParamGroup>(given, (parameters, own) => new(parameters, new()
        {
            LearningRate = own.OptionalNumber("lr"),
            momentum = own.OptionalNumber("momentum"),
            dampening = own.OptionalNumber("dampening"),
            weight_decay = own.OptionalNumber("weight_decay"),
            nesterov = own.OptionalFlag("nesterov"),
            maximize = own.OptionalFlag("maximize"),
        }));
    }

    [Does("sparse_adam")]
    private SparseAdam MakeSparseAdam(Arguments given)
    {
        return MakeOptimizer<SparseAdam, SparseAdam.ParamGroup>(given, (parameters, own) => new(parameters, new()
        {
            LearningRate = own.OptionalNumber("lr"),
            beta1 = own.OptionalNumber("beta1"),
            beta2 = own.OptionalNumber("beta2"),
            eps = own.OptionalNumber("eps"),
            maximize = own.OptionalFlag("maximize"),
        }));
    }

    [Does("adagrad")]
    private Adagrad MakeAdagrad(Arguments given)
    {
        return MakeOptimizer<Adagrad, Adagrad.ParamGroup>(given, (parameters, own) => new(parameters, new()
        {
            LearningRate = own.OptionalNumber("lr"),
            lr_decay = own.OptionalNumber("lr_decay"),
            weight_decay = own.OptionalNumber("weight_decay"),
            initial_accumulator_value = own.OptionalNumber("initial_accumulator_value"),
            eps = own.OptionalNumber("eps"),
            maximize = own.OptionalFlag("maximize"),
        }));
    }

    [Does("set_lr")]
    private void SetLearningRate(Arguments given)
    {
        var optimizer = At<optim.Optimizer>(given.Text("of"));
        double value = given.Number("value");
        foreach (optim.ILearningRateController group in optimizer.ParamGroups) group.LearningRate = value;
    }

    [Does("set_option")]
    private void SetOption(Arguments given)
    {
        string name = given.Text("name");
        var value = given.Required("value");
        foreach (OptimizerOptions options in At<OwnSGD>(given.Text("of")).state_dict().Options)
        {
            PropertyInfo property = options.GetType().GetProperty(name == "lr" ? nameof(OptimizerOptions.LearningRate) : name)!;
            property.SetValue(options, property.PropertyType == typeof(bool?) ? value.GetBoolean() : GoldenText.Number(value));
        }
    }

    [Does("step")]
    private Tensor? StepOptimizer(Arguments given)
    {
        var optimizer = At<optim.Optimizer>(given.Text("of"));
        if (given.OptionalText("closure") is not { } path) return optimizer.step();
        var module = At<nn.IModule<Tensor, Tensor>>(path);
        Tensor input = TensorAt(given.Text("input"));
        return optimizer.step(() =>
        {
            optimizer.zero_grad();
            Tensor loss = module.call(input).sum();
            loss.backward();
            return loss;
        });
    }

    [Does("clip_grad_norm")]
    private Tensor ClipGradNorm(Arguments given) => Gradients.ClipGradNorm(ParametersAt(given), given.Number("max_norm"),
        given.OptionalNumber("norm_type") ?? 2.0, given.Flag("error_if_nonfinite"));

    /// <summary>
    /// Calls the constructor with the options that the golden names and no others, so that the defaults are the optimizer's.
    /// </summary>
    private T MakeOptimizer<T, TGroup>(Arguments given, Func<Parameter[], Arguments, TGroup> makeGroup)
        where T : optim.Optimizer
        where TGroup : ParamGroup
    {
        object parameters = given.Optional("groups") is { } groups
            ? groups.EnumerateArray().Select(Group).ToArray() : ParametersAt(given);
        ConstructorInfo constructor = typeof(T).GetConstructors()
            .Single(each => each.GetParameters()[0].ParameterType.IsInstanceOfType(parameters));
        object[] arguments = [parameters, .. constructor.GetParameters().Skip(1).Select(Option)];
        const BindingFlags flags = BindingFlags.OptionalParamBinding | BindingFlags.DoNotWrapExceptions;
        return Own((T)constructor.Invoke(flags, binder: null, arguments, culture: null));

        TGroup Group(JsonElement group)
        {
            var own = new Arguments(group.EnumerateObject());
            TGroup made = makeGroup(ParametersAt(own), own);
            own.ThrowIfUnread("A group of parameters");
            return made;
        }

        object Option(ParameterInfo parameter)
        {
            string name = Regex.Replace(parameter.Name!, "[A-Z]", capital => $"_{capital.Value.ToLowerInvariant()}");
            object? option = parameter.ParameterType == typeof(bool) ? given.OptionalFlag(name) : given.OptionalNumber(name);
            return option ?? Type.Missing;
        }
    }

    private Parameter[] ParametersAt(Arguments given) => [.. given.Texts("parameters").Select(ParameterAt)];

    // PyTorch's optimizers take tensors; .NET's take parameters.
    private Parameter ParameterAt(string path)
    {
        Tensor tensor = TensorAt(path);
        return tensor as Parameter ?? Own(new Parameter(tensor.alias()));
    }

    private static OptimizerState StateOf(OptimizerHelper optimizer, Parameter parameter)
    {
        int at = optimizer.parameters().ToList().FindIndex(other => other.Handle == parameter.Handle);
        return optimizer.state_dict().State[at];
    }

    private static object? Kept(OptimizerState state, string name) => (state, name) switch
    {
        (SGD.State sgd, "momentum_buffer") => sgd.momentum_buffer,
        (OwnSGD.State sgd, "momentum_buffer") => sgd.momentum_buffer,
        (SparseAdam.State adam, "step") => (object)adam.step, // without the cast the number would become a tensor
        // PyTorch keeps nothing before the first step. Here the moments are then zeros, made when they are asked for.
        (SparseAdam.State { step: 0 }, "exp_avg" or "exp_avg_sq") => null,
        (SparseAdam.State adam, "exp_avg") => adam.exp_avg,
        (SparseAdam.State adam, "exp_avg_sq") => adam.exp_avg_sq,
        (Adagrad.State adagrad, "step") => adagrad.step,
        (Adagrad.State adagrad, "sum") => adagrad.sum,
        _ => throw new GoldenFormatException($"A {state.GetType().FullName} keeps no '{name}'."),
    };
}
