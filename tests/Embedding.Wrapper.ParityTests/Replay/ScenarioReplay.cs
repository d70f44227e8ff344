using System.Reflection;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Replay;

/// <summary>
/// Runs the steps of one scenario and compares what each gives with the golden. The other parts of this class have one method for
/// each kind of step, marked with the word that the goldens use for it.
/// </summary>
internal sealed partial class ScenarioReplay
{
    private static readonly Dictionary<string, Func<ScenarioReplay, Arguments, object?>> Methods =
        (from method in typeof(ScenarioReplay).GetMethods(BindingFlags.NonPublic | BindingFlags.Instance)
         let does = method.GetCustomAttribute<DoesAttribute>()
         where does is not null
         select (does.Step, method)).ToDictionary(pair => pair.Step, pair => Callable(pair.method));

    private readonly Device _device;
    private readonly Dictionary<string, object?> _names = [];
    private readonly List<IDisposable> _owned = [];
    private readonly List<string> _received = [];

    private ScenarioReplay(Device device) => _device = device;

    /// <exception cref="Xunit.Sdk.XunitException">A step gave something else than the golden says.</exception>
    public static void Run(Scenario scenario, Device device)
    {
        ScalarType usualDtype = get_default_dtype();
        using var scope = NewDisposeScope();
        var replay = new ScenarioReplay(device);
        try
        {
            string[] faults = [.. scenario.Steps.Select((step, at) => replay.Run(step, at, scenario)).OfType<string>()];
            if (faults.Length == 0)
            {
                Received.Delete(scenario, device);
                return;
            }
            string more = faults.Length == 1 ? "" : $"\n(and {faults.Length - 1} later steps)";
            string path = Received.Write(scenario, device, replay._received);
            Assert.Fail($"{scenario.FullName}\n{faults[0]}{more}\nall that .NET gave: {path}");
        }
        finally
        {
            set_default_dtype(usualDtype);
            foreach (IDisposable made in Enumerable.Reverse(replay._owned)) made.Dispose();
        }
    }

    /// <returns>What is wrong with the step, or null.</returns>
    private string? Run(Step step, int at, Scenario scenario)
    {
        Dictionary<string, ulong[]>? before = step.Raises is null ? null : Weights();
        object? result = null;
        Exception? thrown = null;
        try
        {
            result = Do(step);
        }
        catch (Exception error) when (error is not GoldenFormatException)
        {
            thrown = error;
        }

        string? fault = Fault(step, result, thrown) ?? (before is null ? null : ChangedWeight(before));
        if (fault is null)
        {
            _received.Add(step.With(step.Expected));
            return null;
        }
        string? received = thrown is not null ? ErrorText(step, thrown)
            : step.Gives is not null ? GoldenText.Member("gives", GoldenText.Of(result)) : null;
        _received.Add(step.With(received));
        return $"""
            step {at + 1} of {scenario.Steps.Count}: {step.Declared}
            {fault}
            expected {step.Expected ?? "no error"}
            actual   {received ?? "no error"}
            """;
    }

    private object? Do(Step step)
    {
        if (!Methods.TryGetValue(step.Do, out Func<ScenarioReplay, Arguments, object?>? method))
            throw new GoldenFormatException($"No step is called '{step.Do}'.");
        Arguments arguments = step.Arguments();
        bool inference = arguments.Flag("inference_mode"), noGrad = arguments.Flag("no_grad");
        using IDisposable? mode = inference ? inference_mode() : noGrad ? no_grad() : null;
        string? name = arguments.OptionalText("as");
        object? result = method(this, arguments);
        arguments.ThrowIfUnread($"The step '{step.Do}'");
        if (name is not null) _names[name] = result;
        return result;
    }

    private static string? Fault(Step step, object? result, Exception? thrown)
    {
        if (thrown is not null)
            return step.Raises is null ? $"nothing should be thrown, and this is: {thrown}" : step.Raises.Fault(thrown);
        if (step.Raises is not null) return "an error should be thrown, and none is";
        return step.Gives is { } expected ? Difference.Between(expected, result, step.Ulp) : null;
    }

    // As in the goldens, only the first line counts, because the rest is a native stack. load_state_dict says more in further lines.
    private static string ErrorText(Step step, Exception error)
    {
        string text = step.Do == "load_state_dict" ? error.Message : error.Message.Split('\n')[0];
        return GoldenText.Member("raises",
            GoldenText.Of(new Dictionary<string, object?> { ["type"] = error.GetType().Name, ["text"] = text }));
    }

    /// <summary>The bits of every tensor that a failing step could reach.</summary>
    private Dictionary<string, ulong[]> Weights()
    {
        var bits = new Dictionary<string, ulong[]>();
        foreach ((string name, object? value) in _names)
        {
            if (value is Tensor { is_sparse: false } tensor) bits[name] = TensorText.Bits(tensor);
            if (value is not nn.Module module) continue;
            foreach ((string parameterName, Tensor parameter) in module.named_parameters())
                if (!parameter.is_sparse) bits[$"{name}.{parameterName}"] = TensorText.Bits(parameter);
        }
        return bits;
    }

    private string? ChangedWeight(Dictionary<string, ulong[]> before)
    {
        Dictionary<string, ulong[]> after = Weights();
        string? changed = before.Keys.FirstOrDefault(name => !after[name].SequenceEqual(before[name]));
        return changed is null ? null : $"'{changed}' should be left as it was by a step that fails, and was changed";
    }

    private T Own<T>(T made) where T : IDisposable
    {
        _owned.Add(made);
        return made;
    }

    private static Func<ScenarioReplay, Arguments, object?> Callable(MethodInfo method)
    {
        if (method.ReturnType != typeof(void)) return method.CreateDelegate<Func<ScenarioReplay, Arguments, object?>>();
        var action = method.CreateDelegate<Action<ScenarioReplay, Arguments>>();
        return (replay, arguments) =>
        {
            action(replay, arguments);
            return null;
        };
    }

    [AttributeUsage(AttributeTargets.Method)]
    private sealed class DoesAttribute(string step) : Attribute
    {
        public string Step => step;
    }
}
