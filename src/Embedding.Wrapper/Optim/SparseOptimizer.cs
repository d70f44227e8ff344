using System.Runtime.InteropServices;
using EmbeddingWrapper.Native;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Optim;

/// <summary>
/// What the optimizers of this library share: parameter groups, the order of a step, saved state, locking and disposal. An optimizer adds
/// its options and its formula.
/// </summary>
/// <remarks>
/// <para>
/// A step validates everything that it will change before it changes anything. TorchSharp lets a caller assign a gradient of any shape, and
/// change the shape of a tensor in place; the row kernels would then write outside the memory of a tensor.
/// </para>
/// <para>
/// Training from two threads at once is not supported, as with <see cref="Embedding"/>. Steps of one optimizer run one after the other, and
/// <c>Dispose</c> waits for the step that runs.
/// </para>
/// </remarks>
public abstract class SparseOptimizer : OptimizerHelper
{
    private readonly SparseOptimizerOptions _default;
    private readonly Lock _stepLock = new(); // Dispose frees memory that a step writes to
    private bool _disposed;

    /// <param name="parameters">The groups.</param>
    /// <param name="defaults">Complete. A group takes from here what it leaves open.</param>
    /// <exception cref="ArgumentNullException"><paramref name="parameters"/>, a group, its parameters or one of them is null.</exception>
    /// <exception cref="ArgumentException">There is no group, or <see cref="add_param_group"/> refuses one.</exception>
    private protected SparseOptimizer(IEnumerable<ParamGroup> parameters, SparseOptimizerOptions defaults)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        _defaults = _default = defaults;
        _parameter_groups = [];
        try
        {
            foreach (ParamGroup group in parameters) add_param_group(group);
            RequireAny(_parameter_groups);
        }
        catch
        {
            Dispose(); // the state of the groups that were added
            throw;
        }
    }

    /// <summary>What a step does to one parameter.</summary>
    /// <param name="Options">The options of its group.</param>
    /// <param name="State">What is kept for it.</param>
    /// <param name="Parameter">The caller's.</param>
    /// <param name="Gradient">The gradient as the parameter has it.</param>
    /// <param name="Sparse">The same gradient, coalesced; null if it is dense.</param>
    private protected sealed record Part(
        SparseOptimizerOptions Options, SparseOptimizerState State, Parameter Parameter, Tensor Gradient, SparseGradient? Sparse);

    /// <summary>Whether the group is of the optimizer's own type.</summary>
    private protected abstract bool IsOwn(ParamGroup group);

    /// <summary>Options with nothing set.</summary>
    private protected abstract SparseOptimizerOptions NewOptions();

    /// <summary>A state for a parameter, without tensors.</summary>
    private protected abstract SparseOptimizerState NewState(Parameter parameter);

    /// <summary>Throws if the optimizer cannot train one of the parameters of a new group.</summary>
    /// <exception cref="ArgumentException">It cannot.</exception>
    private protected abstract void Check(IReadOnlyList<Parameter> parameters, string argument);

    /// <summary>Throws if the optimizer does not take such a gradient.</summary>
    /// <exception cref="InvalidOperationException">It does not.</exception>
    private protected abstract void Check(SparseOptimizerOptions options, Parameter parameter, Tensor gradient);

    /// <summary>Updates one parameter and its state. The caller's dispose scope disposes the temporary tensors.</summary>
    private protected abstract void Update(Part part);

    /// <summary>Performs one step: every parameter that has a gradient is updated. The gradients themselves are not changed.</summary>
    /// <param name="closure">Computes the loss anew, with gradients enabled, before the step. Default: none.</param>
    /// <returns>What <paramref name="closure"/> returned, or null.</returns>
    /// <exception cref="InvalidOperationException">
    /// The optimizer does not take a gradient of this layout with these options, a gradient or a state does not fit its parameter, or a group
    /// has lost its parameters or an option. Nothing is changed then.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The optimizer, a parameter or the state of one is disposed. Nothing is changed then.</exception>
    public override Tensor? step(Func<Tensor>? closure = null)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        Tensor? loss = Evaluate(closure); // outside the lock: the closure may run for long, and on other threads
        lock (_stepLock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            using var grad = no_grad();
            using DisposeScope scope = NewDisposeScope();
            try
            {
                foreach (Part part in Plan()) Update(part);
            }
            catch (ExternalException error)
            {
                throw NativeErrors.Translate(error);
            }
        }
        return loss;
    }

    /// <summary>Sets the gradients of all parameters to null, as PyTorch does. (TorchSharp's optimizers fill them with zeros.)</summary>
    /// <exception cref="ObjectDisposedException">The optimizer or one of its parameters is disposed. No gradient is dropped then.</exception>
    public override void zero_grad()
    {
        lock (_stepLock)
        {
            Parameter[] all = AliveParameters();
            foreach (Parameter parameter in all) parameter.grad = null;
        }
    }

    /// <summary>The state of each parameter and the options of each group. They are the optimizer's own records, not copies.</summary>
    /// <returns>The records. The optimizer disposes them.</returns>
    /// <exception cref="ObjectDisposedException">The optimizer or one of its parameters is disposed.</exception>
    public override StateDictionary state_dict()
    {
        AliveParameters();
        return base.state_dict();
    }

    /// <summary>Copies the state of another optimizer, options included. Nothing is shared.</summary>
    /// <param name="state_dict">
    /// The result of <see cref="state_dict"/> of an optimizer of the same type, with as many groups and parameters.
    /// </param>
    /// <exception cref="ArgumentNullException"><paramref name="state_dict"/> is null.</exception>
    /// <exception cref="ArgumentException">It is of another type of optimizer, or of other groups. Nothing is copied then.</exception>
    /// <exception cref="ObjectDisposedException">Either optimizer is disposed. Nothing is copied then.</exception>
    public override void load_state_dict(StateDictionary state_dict)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentNullException.ThrowIfNull(state_dict);
        if (state_dict.Options.Any(options => options?.GetType() != _default.GetType() || !((SparseOptimizerOptions)options).IsComplete)
            || state_dict.State.Any(state => state?.GetType().DeclaringType != GetType()))
        {
            throw new ArgumentException($"A state of {GetType().Name} is needed, and this holds something else.", nameof(state_dict));
        }
        foreach (SparseOptimizerState state in state_dict.State.Cast<SparseOptimizerState>()) _ = state.Tensors;
        base.load_state_dict(state_dict);
    }

    /// <summary>Adds a group of parameters, which are trained from now on.</summary>
    /// <param name="param_group">
    /// A group of the optimizer's own type. The options that it leaves open are taken from the defaults. Its parameters are read once.
    /// </param>
    /// <exception cref="ArgumentNullException"><paramref name="param_group"/>, its parameters or one of them is null.</exception>
    /// <exception cref="ArgumentException">
    /// The group is another optimizer's, or has a parameter that is not a leaf, is sparse or complex, or is in another group.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The optimizer or one of the parameters is disposed.</exception>
    public override void add_param_group(ParamGroup param_group)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentNullException.ThrowIfNull(param_group);
        ArgumentNullException.ThrowIfNull(param_group.Parameters, "parameters");
        Parameter[] parameters = [.. param_group.Parameters];
        if (parameters.Any(p => p is null)) throw new ArgumentNullException(nameof(parameters), "One of the parameters is null.");
        ThrowIfAnyIsDisposed(parameters);
        if (parameters.Any(p => !p.is_leaf)) throw new ArgumentException("can't optimize a non-leaf Tensor", nameof(parameters));
        var taken = this.parameters().Where(p => !p.IsInvalid).Select(p => p.Handle).ToHashSet();
        if (parameters.Any(p => taken.Contains(p.Handle)))
            throw new ArgumentException("some parameters appear in more than one parameter group", nameof(parameters));
        OptimizerOptions? options = param_group.Options;
        if (!IsOwn(param_group) || (options is not null && options.GetType() != _default.GetType()))
        {
            throw new ArgumentException(
                $"A group of {GetType().Name} is needed, and this is {param_group.GetType()} with {options?.GetType()}.", nameof(param_group));
        }
        Check(parameters, nameof(param_group));
        Dictionary<nint, SparseOptimizerState> states = NewStates(parameters);

        param_group.Parameters = parameters;
        param_group.Options ??= NewOptions();
        ((SparseOptimizerOptions)param_group.Options).FillFrom(_default);
        _parameter_groups.Add(param_group);
        foreach ((nint handle, SparseOptimizerState state) in states) _state[handle] = state;
    }

    /// <summary>Disposes the state. The parameters are the caller's.</summary>
    /// <param name="disposing">False when the garbage collector calls.</param>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        if (!disposing) return;
        lock (_stepLock)
        {
            _disposed = true;
            foreach ((_, OptimizerState state) in _state) ((SparseOptimizerState)state).Dispose();
        }
    }

    /// <summary>PyTorch's <c>raise ValueError(f"Invalid {what}: {value}")</c>.</summary>
    private protected static void Require(bool valid, string what, double value, string argument)
    {
        if (!valid) throw new ArgumentOutOfRangeException(argument, value, $"Invalid {what}: {PythonText.Of(value)}");
    }

    /// <summary>PyTorch wants one parameter or one group at least, though a group may be empty.</summary>
    private protected static void RequireAny(IEnumerable<object> parameters)
    {
        if (!parameters.Any()) throw new ArgumentException("optimizer got an empty parameter list", nameof(parameters));
    }

    private static Tensor? Evaluate(Func<Tensor>? closure)
    {
        if (closure is null) return null;
        using var grad = enable_grad();
        return closure();
    }

    /// <summary>Validates everything that a step will change, and coalesces the sparse gradients.</summary>
    private List<Part> Plan()
    {
        var parts = new List<Part>();
        foreach ((int place, ParamGroup group) in _parameter_groups.Index())
        {
            if (group.Parameters is null || group.Options?.GetType() != _default.GetType()
                || group.Options is not SparseOptimizerOptions { IsComplete: true } options)
            {
                throw new InvalidOperationException($"Parameter group {place} has lost its parameters or some of its options.");
            }
            foreach ((int index, Parameter parameter) in group.Parameters.Index())
            {
                if (parameter.IsInvalid) throw Guard.Disposed(Place());
                if (parameter.grad is not { } gradient) continue;
                if (!_state.TryGetValue(parameter.Handle, out OptimizerState? kept))
                    throw new InvalidOperationException($"Nothing is kept for {Place()}: it was not there when the group was added.");
                var state = (SparseOptimizerState)kept;
                Check(options, parameter, gradient);
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
        SparseOptimizerState.SameShape(tensor, parameter)
        && tensor.device_type == parameter.device_type && tensor.device_index == parameter.device_index;

    private static InvalidOperationException Unfit(string what, Tensor tensor, Parameter parameter, string place)
    {
        return new($"The {what} of {place} is {Text(tensor)}, and the parameter {Text(parameter)}.");

        static string Text(Tensor tensor) => $"{tensor.dtype} [{string.Join(", ", tensor.shape)}] on {tensor.device}";
    }

    /// <summary>One state for each parameter, also for one that comes twice; none if one cannot be made.</summary>
    private Dictionary<nint, SparseOptimizerState> NewStates(IEnumerable<Parameter> parameters)
    {
        var made = new Dictionary<nint, SparseOptimizerState>();
        try
        {
            foreach (Parameter parameter in parameters)
            {
                SparseOptimizerState state = NewState(parameter);
                if (made.TryAdd(parameter.Handle, state)) state.Initialize(_default); // the constructor's value, whatever the group says
            }
            return made;
        }
        catch
        {
            foreach (SparseOptimizerState state in made.Values) state.Dispose();
            throw;
        }
    }

    private Parameter[] AliveParameters()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        Parameter[] all = [.. parameters()];
        ThrowIfAnyIsDisposed(all);
        return all;
    }

    private static void ThrowIfAnyIsDisposed(Parameter[] parameters)
    {
        foreach ((int index, Parameter parameter) in parameters.Index())
            if (parameter.IsInvalid) throw Guard.Disposed($"parameter {index}");
    }
}
