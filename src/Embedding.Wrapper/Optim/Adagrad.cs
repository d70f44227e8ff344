using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Optim;

/// <summary>
/// Adagrad for dense and sparse gradients: PyTorch's <c>torch.optim.Adagrad</c>, with its bits. (TorchSharp's refuses sparse ones.) With a
/// sparse gradient only the rows that it has entries for are touched, so a step costs what the batch costs and not what the table costs.
/// </summary>
/// <remarks>
/// <para>
/// <c>step(closure)</c>, parameter groups, learning-rate schedulers, <c>state_dict</c>, <c>save_state_dict</c> and <c>load_state_dict</c> are those
/// of TorchSharp's optimizers. The accumulator is made with the optimizer. Of a stream that ends early,
/// what comes before its end is loaded.
/// </para>
/// <para>
/// Training from two threads at once is not supported, as with <see cref="Embedding"/>. Steps of one optimizer run one after the other, and
/// <c>Dispose</c> waits for the one that runs.
/// </para>
/// </remarks>
public sealed partial class Adagrad : OptimizerHelper
{
    private readonly Options _default;
    private readonly Lock _stepLock = new(); // a second thread waits: Dispose frees memory that a step writes to
    private bool _disposed;

    /// <summary>Optimizes parameters.</summary>
    /// <param name="parameters">Dense leaf tensors, real. At least one; they stay the caller's.</param>
    /// <param name="lr">The learning rate, 0 or more. Default 0.01.</param>
    /// <param name="lrDecay">The rate of step t is <c>lr / (1 + (t - 1) * lrDecay)</c>; 0 or more. Default 0. PyTorch: <c>lr_decay</c>.</param>
    /// <param name="weightDecay">
    /// This times the parameter is added to a dense gradient; 0 or more. Default 0. PyTorch: <c>weight_decay</c>.
    /// </param>
    /// <param name="initialAccumulatorValue">What the sum of squares starts with, 0 or more. Default 0. PyTorch: <c>initial_accumulator_value</c>.</param>
    /// <param name="eps">Added to the denominator, 0 or more. Default 1e-10.</param>
    /// <param name="maximize">Steps up the gradient instead of down. Default false.</param>
    /// <exception cref="ArgumentNullException"><paramref name="parameters"/> or one of them is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range; PyTorch's text.</exception>
    /// <exception cref="ArgumentException">There are no parameters, or one is not a leaf, is sparse, or is complex.</exception>
    public Adagrad(IEnumerable<Parameter> parameters, double lr = 1e-2, double lrDecay = 0, double weightDecay = 0,
        double initialAccumulatorValue = 0, double eps = 1e-10, bool maximize = false)
        : this([new ParamGroup(parameters)], lr, lrDecay, weightDecay, initialAccumulatorValue, eps, maximize)
    {
        ParameterGroups.RequireAny(this.parameters());
    }

    /// <summary>Optimizes groups of parameters, each with options of its own.</summary>
    /// <param name="parameters">The groups. What a group leaves open is taken from the arguments; what it sets is not checked, as in PyTorch.</param>
    /// <inheritdoc cref="Adagrad(IEnumerable{Parameter}, double, double, double, double, double, bool)"/>
    /// <param name="lr"/><param name="lrDecay"/><param name="weightDecay"/><param name="initialAccumulatorValue"/><param name="eps"/><param name="maximize"/>
    public Adagrad(IEnumerable<ParamGroup> parameters, double lr = 1e-2, double lrDecay = 0, double weightDecay = 0,
        double initialAccumulatorValue = 0, double eps = 1e-10, bool maximize = false)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ParameterGroups.Require(lr >= 0, "learning rate", lr, nameof(lr));
        ParameterGroups.Require(lrDecay >= 0, "lr_decay value", lrDecay, nameof(lrDecay));
        ParameterGroups.Require(weightDecay >= 0, "weight_decay value", weightDecay, nameof(weightDecay));
        ParameterGroups.Require(
            initialAccumulatorValue >= 0, "initial_accumulator_value value", initialAccumulatorValue, nameof(initialAccumulatorValue));
        ParameterGroups.Require(eps >= 0, "epsilon value", eps, nameof(eps));

        _default = new Options
        {
            LearningRate = lr,
            InitialLearningRate = lr,
            LrDecay = lrDecay,
            WeightDecay = weightDecay,
            InitialAccumulatorValue = initialAccumulatorValue,
            Eps = eps,
            Maximize = maximize,
        };
        _defaults = _default;
        _parameter_groups = [];
        try
        {
            foreach (ParamGroup group in parameters) add_param_group(group);
        }
        catch
        {
            Dispose(); // the groups before
            throw;
        }
        ParameterGroups.RequireAny(_parameter_groups);
    }

    /// <summary>Performs one step: every parameter that has a gradient is updated. The gradients themselves stay as they are.</summary>
    /// <param name="closure">Computes the loss anew, with gradients enabled, before the step. Default: none.</param>
    /// <returns>What <paramref name="closure"/> gave, or null.</returns>
    /// <exception cref="InvalidOperationException">
    /// A gradient is sparse and its group has weight decay, or does not fit the parameter; what is kept for the parameter does not fit
    /// it; or options of a group are gone. Nothing is changed then.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The optimizer, a parameter or what is kept for one is disposed. Nothing is changed then.</exception>
    public override Tensor? step(Func<Tensor>? closure = null)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        Tensor? loss = ParameterGroups.Evaluate(closure);
        lock (_stepLock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            bool done = false;
            _step<ParamGroup>(_ =>
            {
                if (!done) StepPlan.Run<Options, State>(_parameter_groups, _state, Check, Update);
                done = true;
            });
        }
        return loss;
    }

    private static void Check(Options options, Parameter parameter, Tensor gradient)
    {
        if (gradient.is_sparse && options.WeightDecay != 0)
            throw new InvalidOperationException("weight_decay option is not compatible with sparse gradients");
        if (!gradient.is_sparse && Overlaps(parameter)) // addcdiv_ would say so when the sum is moved already
        {
            throw new InvalidOperationException("unsupported operation: more than one element of the written-to tensor refers to a single "
                + "memory location. Please clone() the tensor before performing the operation.");
        }
    }

    // What libtorch finds before it writes (at::has_internal_overlap).
    private static bool Overlaps(Parameter parameter) =>
        !parameter.is_contiguous() && parameter.shape.Zip(parameter.stride()).Any(d => d is { First: > 1, Second: 0 });

    private static void Update(StepPart<Options, State> part)
    {
        (Options options, State state, Parameter parameter, Tensor gradient, SparseGradient? sparse) = part;
        state.Step++;
        double rate = options.LearningRate!.Value / (1 + ((state.Step - 1) * options.LrDecay!.Value));
        double eps = options.Eps!.Value;
        if (sparse is null)
        {
            UpdateDense(options, state.Sum, parameter, gradient, eps, -rate);
            return;
        }
        if (sparse.IsEmpty) return;
        using Tensor table = parameter.detach(); // keeps the memory of the rows if another thread converts or disposes the layer
        if (sparse.IsOfRows(table, state.Sum)) RowKernels.Adagrad(sparse, table, state.Sum, eps, -rate);
        else UpdateSparse(sparse, state.Sum, parameter, eps, -rate);
    }

    // PyTorch's own sequences of operations. The step's dispose scope ends the temporaries.
    private static void UpdateSparse(SparseGradient sparse, Tensor sum, Tensor parameter, double eps, double minusRate)
    {
        sparse.AddTo(sum, sparse.Values.square());
        Tensor std = RowKernels.Sqrt(sparse.MaskedValues(sum)).add_(eps);
        sparse.AddTo(parameter, sparse.Values.div(std), minusRate);
    }

    private static void UpdateDense(Options options, Tensor sum, Tensor parameter, Tensor gradient, double eps, double minusRate)
    {
        if (options.Maximize!.Value) gradient = gradient.neg();
        if (options.WeightDecay != 0) gradient = gradient.add(parameter, alpha: options.WeightDecay!.Value);
        sum.addcmul_(gradient, gradient, value: 1);
        Tensor std = RowKernels.Sqrt(sum).add_(eps);
        parameter.addcdiv_(gradient, std, value: minusRate);
    }

    /// <summary>Drops the gradients of all parameters, as PyTorch does. (TorchSharp's optimizers fill them with zeros.)</summary>
    /// <exception cref="ObjectDisposedException">The optimizer or one of its parameters is disposed. No gradient is dropped then.</exception>
    public override void zero_grad()
    {
        lock (_stepLock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            ParameterGroups.DropGradients(parameters());
        }
    }

    /// <summary>What is kept for each parameter, and the options of each group. It is the optimizer's own, not a copy.</summary>
    /// <returns>The records. The optimizer disposes them.</returns>
    /// <exception cref="ObjectDisposedException">The optimizer or one of its parameters is disposed.</exception>
    public override StateDictionary state_dict()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ParameterGroups.ThrowIfAnyIsDisposed(parameters());
        return base.state_dict();
    }

    /// <summary>Copies the state of another optimizer, options included. Nothing is shared.</summary>
    /// <param name="state_dict">What <see cref="state_dict"/> of an optimizer of this kind gave, with as many groups and parameters.</param>
    /// <exception cref="ArgumentNullException"><paramref name="state_dict"/> is null.</exception>
    /// <exception cref="ArgumentException">It is that of another kind of optimizer, or of other groups. Nothing is copied then.</exception>
    /// <exception cref="ObjectDisposedException">Either optimizer is disposed. Nothing is copied then.</exception>
    public override void load_state_dict(StateDictionary state_dict)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ParameterGroups.CheckSource<Options, State>(state_dict);
        base.load_state_dict(state_dict);
    }

    /// <summary>Adds a group of parameters, to be trained from now on.</summary>
    /// <param name="param_group">A <see cref="ParamGroup"/>. What it leaves open is taken from the defaults. Its parameters are read once.</param>
    /// <exception cref="ArgumentNullException"><paramref name="param_group"/>, its parameters or one of them is null.</exception>
    /// <exception cref="ArgumentException">
    /// The group is another optimizer's, or has a parameter that is not a leaf, is sparse or complex, or is in another group.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The optimizer or one of the parameters is disposed.</exception>
    public override void add_param_group(TorchSharp.Modules.ParamGroup param_group)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        IReadOnlyList<Parameter> parameters = ParameterGroups.Check(param_group, _parameter_groups);
        if (param_group is not ParamGroup group || param_group.Options is not (null or Options))
        {
            throw new ArgumentException(
                $"A group of Adagrad is needed, and this is {param_group.GetType()} with {param_group.Options?.GetType()}.", nameof(param_group));
        }
        if (parameters.Any(p => p.is_complex()))
            throw new ArgumentException("Adagrad does not support complex parameters here.", nameof(param_group));
        if (parameters.Any(p => p.is_sparse))
            throw new ArgumentException("Adagrad requires dense parameter tensors", nameof(param_group));
        Dictionary<nint, State> made = MakeStates(parameters);

        group.Parameters = parameters;
        group.Options ??= new Options();
        group.Options.FillFrom(_default);
        _parameter_groups.Add(group);
        foreach ((nint handle, State state) in made) _state[handle] = state;
    }

    /// <summary>A state for each parameter, once where one comes twice, or none if one cannot be made.</summary>
    private Dictionary<nint, State> MakeStates(IEnumerable<Parameter> parameters)
    {
        var made = new Dictionary<nint, State>();
        try
        {
            foreach (Parameter parameter in parameters)
            {
                var state = new State(parameter);
                if (made.TryAdd(parameter.Handle, state)) state.Initialize(_default); // the constructor's value, whatever the group says
            }
            return made;
        }
        catch
        {
            foreach (State state in made.Values) state.Dispose();
            throw;
        }
    }

    /// <summary>Disposes the accumulators. The parameters are the caller's.</summary>
    /// <param name="disposing">False when the collector calls.</param>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        if (!disposing) return;
        lock (_stepLock)
        {
            _disposed = true;
            foreach ((_, OptimizerState state) in _state) ((State)state).Dispose();
        }
    }
}
