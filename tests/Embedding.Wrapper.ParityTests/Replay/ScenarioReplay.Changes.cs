using EmbeddingWrapper.Optim;
using TorchSharp.Modules;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Replay;

// The steps that change a module or a tensor.
internal sealed partial class ScenarioReplay
{
    [Does("load_state_dict")]
    private Dictionary<string, object?> LoadStateDict(Arguments given)
    {
        nn.Module module = ModuleAt(given);
        Dictionary<string, Tensor> state = given.Required("state").EnumerateObject()
            .ToDictionary(entry => entry.Name, entry => TensorAt(entry.Value.GetString()!));
        bool strict = given.Flag("strict", otherwise: true);
        return WithTheSameWeights(module, () =>
        {
            (IList<string> missing, IList<string> unexpected) = module.load_state_dict(state, strict);
            return new Dictionary<string, object?> { ["missing_keys"] = missing, ["unexpected_keys"] = unexpected };
        });
    }

    [Does("save_load")]
    private void SaveAndLoad(Arguments given)
    {
        string file = Path.GetTempFileName();
        try
        {
            switch (At(given.Text("from")), At(given.Text("to")))
            {
                case (nn.Module from, nn.Module to):
                    from.save(file);
                    to.load(file);
                    break;
                case (SparseOptimizer from, SparseOptimizer to) when from.parameters().First().dtype != to.parameters().First().dtype:
                    to.load_state_dict(from.state_dict()); // PyTorch converts the state; our files are refused where the dtype is another
                    break;
                case (OptimizerHelper from, OptimizerHelper to):
                    from.save_state_dict(file);
                    to.load_state_dict(file);
                    break;
                case var (from, to):
                    throw new GoldenFormatException($"No {from?.GetType().Name} can be loaded into a {to?.GetType().Name}.");
            }
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Does("to")]
    private void To(Arguments given)
    {
        nn.Module module = ModuleAt(given);
        ScalarType dtype = GoldenText.Dtype(given.Text("dtype"));
        WithTheSameWeights(module, () => module.to(dtype));
    }

    [Does("train")]
    private void Train(Arguments given) => ModuleAt(given).train();

    [Does("eval")]
    private void Eval(Arguments given) => ModuleAt(given).eval();

    [Does("requires_grad_")]
    private void RequireGrad(Arguments given)
    {
        bool value = given.Flag("value");
        object? of = At(given.Text("of"));
        IEnumerable<Tensor> tensors = of is nn.Module module ? module.parameters() : [(Tensor)of!];
        foreach (Tensor tensor in tensors) tensor.requires_grad_(value);
    }

    [Does("zero_grad")]
    private void DropGradients(Arguments given)
    {
        switch (At(given.Text("of")))
        {
            case nn.Module module: module.zero_grad(); break;
            case TorchSharp.Modules.SGD sgd: // TorchSharp's zero_grad fills gradients with zeros; PyTorch's drops them
                foreach (Parameter parameter in sgd.parameters()) parameter.grad = null;
                break;
            case optim.Optimizer optimizer: optimizer.zero_grad(); break;
            case var other: throw new GoldenFormatException($"A {other?.GetType().Name} has no gradients to drop.");
        }
    }

    [Does("reset_parameters")]
    private void ResetParameters(Arguments given)
    {
        nn.Module module = ModuleAt(given);
        WithTheSameWeights(module, () =>
        {
            if (module is EmbeddingBag bag) bag.ResetParameters();
            else ((Embedding)module).ResetParameters();
            return module;
        });
    }

    [Does("set_weight")]
    private void SetWeight(Arguments given)
    {
        Tensor tensor = TensorAt(given.Text("to"));
        bool requiresGrad = given.Flag("requires_grad", otherwise: true);
        // TorchSharp's Parameter empties the tensor that it is made of, so it gets an alias.
        Parameter weight = tensor as Parameter ?? new Parameter(tensor.detach(), requiresGrad);
        switch (At(given.Text("of")))
        {
            case Embedding module:
                Own(module.Weight); // the layer does not dispose the weight that it loses, because someone else may hold it
                module.Weight = weight;
                break;
            case EmbeddingBag module:
                Own(module.Weight);
                module.Weight = weight;
                break;
            case Linear module: module.weight = weight; break;
            case var other: throw new GoldenFormatException($"A {other?.GetType().Name} has no weight to set.");
        }
    }

    [Does("set_grad")]
    private void SetGrad(Arguments given) => TensorAt(given.Text("of")).grad = OptionalTensorAt(given, "to");

    [Does("write")]
    private void Write(Arguments given)
    {
        using var mode = no_grad();
        Tensor target = TensorAt(given.Text("to"));
        if (given.OptionalInteger("row") is long row) target = target[row];
        target.copy_(TensorAt(given.Text("value")));
    }

    [Does("unhook")]
    private void Unhook(Arguments given) => At<Action>(given.Text("of"))();

    /// <summary>
    /// Asserts that the parameter stays the same object: PyTorch promises it, and an optimizer made before depends on it. A parameter of
    /// TorchSharp's own module, which that module has disposed, has a new object in its place.
    /// </summary>
    private static T WithTheSameWeights<T>(nn.Module module, Func<T> change)
    {
        Parameter[] before = Weights();
        T result = change();
        if (before.Zip(Weights()).Any(pair => !ReferenceEquals(pair.First, pair.Second) && !pair.First.IsInvalid))
            throw new InvalidOperationException("The parameter was replaced by another object.");
        return result;

        Parameter[] Weights() =>
        [
            .. from each in module.modules().Prepend(module)
               let weight = each switch { Embedding layer => layer.Weight, EmbeddingBag bag => bag.Weight, _ => null }
               where weight is not null
               select weight
        ];
    }
}
