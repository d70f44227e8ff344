using EmbeddingWrapper.Native;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Optim;

/// <summary>
/// The base class of this library's optimizers: parameter groups, the order of a step, saved state, locking and disposal. An optimizer adds
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
public abstract partial class SparseOptimizer : OptimizerHelper
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

    /// <summary>Whether the group is of the optimizer's own type.</summary>
    private protected abstract bool IsOwn(ParamGroup group);

    /// <summary>Options with nothing set.</summary>
    private protected abstract SparseOptimizerOptions NewOptions();

    /// <summary>A state for a parameter, without tensors.</summary>
    private protected abstract SparseOptimizerState NewState(Parameter parameter);

    /// <summary>Throws if the optimizer cannot train one of the parameters of a new group.</summary>
    /// <exception cref="ArgumentException">It cannot.</exception>
    private protected abstract void Check(IReadOnlyList<Parameter> parameters, string argument);

    /// <summary>Sets the gradients of all parameters to null, as PyTorch does. (TorchSharp's optimizers fill them with zeros.)</summary>
    /// <exception cref="ObjectDisposedException">
    /// The optimizer or one of its parameters is disposed. No gradient is dropped then.
    /// </exception>
    public override void zero_grad()
    {
        lock (_stepLock)
        {
            using ReadGate.Reading memory = EnterParameters();
            Parameter[] all = AliveParameters();
            foreach (Parameter parameter in all) parameter.grad = null;
        }
    }

    /// <summary>Keeps other threads from converting or disposing the parameters.</summary>
    private ReadGate.Reading EnterParameters() => ReadGate.EnterAll(
        _parameter_groups.SelectMany(group => group.Parameters ?? []).Where(parameter => parameter is { IsInvalid: false }));

    /// <summary>The state of each parameter and the options of each group. They are the optimizer's own records, not copies.</summary>
    /// <returns>The records. The optimizer disposes them.</returns>
    /// <exception cref="ObjectDisposedException">The optimizer or one of its parameters is disposed.</exception>
    public override StateDictionary state_dict()
    {
        lock (_stepLock)
        {
            using ReadGate.Reading memory = EnterParameters(); // TorchSharp reads their handles
            AliveParameters();
            foreach ((int place, ParamGroup group) in _parameter_groups.Index())
                foreach ((int index, Parameter parameter) in group.Parameters.Index())
                    if (Kept(parameter) is null) throw NothingKept($"parameter {index} of group {place}");
            return base.state_dict();
        }
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
        ArgumentNullException.ThrowIfNull(state_dict);
        StateDictionary own = this.state_dict();
        if (state_dict.Options.Any(options => options?.GetType() != _default.GetType() || !((SparseOptimizerOptions)options).IsComplete())
            || state_dict.State.Any(state => state?.GetType().DeclaringType != GetType()))
        {
            throw new ArgumentException($"A state of {GetType().Name} is needed, and this holds something else.", nameof(state_dict));
        }
        if (state_dict.Options.Count != own.Options.Count)
            throw new ArgumentException("Invalid optimizer state -- different number of parameter groups.");
        if (state_dict.State.Count != own.State.Count)
            throw new ArgumentException("Invalid optimizer state -- different number of states.");
        foreach ((int group, (List<int> to, List<int> from)) in own.StateIndexRef.Zip(state_dict.StateIndexRef).Index())
        {
            if (to.Count == from.Count) continue;
            throw new ArgumentException("loaded state dict contains a parameter group that doesn't match the size of optimizer's group: "
                + $"group {group} has {from.Count} parameters there, and {to.Count} here.");
        }
        using var copies = new StagedState();
        foreach ((OptimizerState to, OptimizerState from) in own.State.Zip(state_dict.State))
        {
            (long step, Tensor?[] tensors) = ((SparseOptimizerState)to).CopyOf((SparseOptimizerState)from);
            copies.Add((SparseOptimizerState)to, step, tensors);
        }
        lock (_stepLock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            foreach ((OptimizerOptions to, OptimizerOptions from) in own.Options.Zip(state_dict.Options)) to.LoadStateDict(from);
            copies.TakeOver();
        }
    }

    /// <summary>The state of a parameter: its step count and moments, to read and to set.</summary>
    /// <param name="parameter">A parameter of one of the groups, of any shape.</param>
    /// <returns>The optimizer's own record. The optimizer disposes it.</returns>
    /// <remarks>
    /// A table that gets more rows needs a new parameter, and so a new optimizer. The moments of the old rows can be kept:
    /// <code>
    /// SparseAdam.State old = optimizer.StateOf(table), grown = larger.StateOf(largerTable);
    /// using Tensor zeros = torch.zeros(newRows, width);
    /// using Tensor mean = torch.cat([old.exp_avg, zeros]), square = torch.cat([old.exp_avg_sq, zeros]);
    /// (grown.step, grown.exp_avg, grown.exp_avg_sq) = (old.step, mean, square);
    /// </code>
    /// </remarks>
    /// <exception cref="ArgumentNullException"><paramref name="parameter"/> is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="parameter"/> is in no group of this optimizer.</exception>
    /// <exception cref="ObjectDisposedException">The optimizer or <paramref name="parameter"/> is disposed.</exception>
    public virtual SparseOptimizerState StateOf(Parameter parameter)
    {
        lock (_stepLock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            Guard.ThrowIfNullOrDisposed(parameter);
            using ReadGate.Reading memory = ReadGate.Of(parameter).Enter();
            Guard.ThrowIfNullOrDisposed(parameter);
            return Kept(parameter) ?? throw new ArgumentException("The parameter is in no group of this optimizer.", nameof(parameter));
        }
    }

    /// <summary>The optimizer with its default options, as one line.</summary>
    /// <returns>Such as <c>Adagrad(lr=0.01, lr_decay=0.0, …, maximize=False; 1 group, 2 parameters)</c>.</returns>
    public override string ToString()
    {
        IEnumerable<string> options = _default.All().Where(option => option.Key != "initial_lr")
            .Select(option => $"{option.Key}={(option.Value is bool flag ? PythonText.Of(flag) : PythonText.Of((double)option.Value!))}");
        string trained = $"{Count(_parameter_groups.Count, "group")}, {Count(parameters().Count(), "parameter")}";
        return $"{GetType().Name}({string.Join(", ", options)}; {trained})";

        static string Count(int count, string what) => $"{count} {what}{(count == 1 ? "" : "s")}";
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
        lock (_stepLock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            Add(param_group);
        }
    }

    private void Add(ParamGroup param_group)
    {
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
            string given = $"{param_group.GetType()} with {options?.GetType()}";
            throw new ArgumentException($"A group of {GetType().Name} is needed, and this is {given}.", nameof(param_group));
        }
        Check(parameters, nameof(param_group));
        Dictionary<nint, SparseOptimizerState> states = NewStates(parameters);

        param_group.Parameters = parameters;
        param_group.Options ??= NewOptions();
        ((SparseOptimizerOptions)param_group.Options).Join(this, _default);
        _parameter_groups.Add(param_group);
        foreach ((nint handle, SparseOptimizerState state) in states) _state[handle] = state;
    }

    /// <summary>Disposes the state. The parameters are the caller's.</summary>
    /// <param name="disposing">False when the garbage collector calls.</param>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            lock (_stepLock)
            {
                _disposed = true;
                foreach ((_, OptimizerState state) in _state) ((SparseOptimizerState)state).Dispose();
            }
        }
        base.Dispose(disposing);
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

    /// <summary>One state for each parameter, also for one that comes twice; none if one cannot be made.</summary>
    private Dictionary<nint, SparseOptimizerState> NewStates(IEnumerable<Parameter> parameters)
    {
        var made = new Dictionary<nint, SparseOptimizerState>();
        try
        {
            foreach (Parameter parameter in parameters)
            {
                SparseOptimizerState state = NewState(parameter);
                if (!made.TryAdd(parameter.Handle, state)) continue;
                state.Join(this, _stepLock);
                state.Initialize(_default); // the constructor's value, whatever the group says
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
        {
            if (parameter is null) throw new InvalidOperationException($"Parameter {index} is null.");
            if (parameter.IsInvalid) throw Guard.Disposed($"parameter {index}");
        }
    }
}
