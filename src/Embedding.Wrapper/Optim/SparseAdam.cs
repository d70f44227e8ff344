using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Optim;

/// <summary>
/// Adam for sparse gradients: PyTorch's <c>torch.optim.SparseAdam</c>, with its bits. Only the rows that the gradient has entries for
/// are touched, in the parameter and in the moments, so a step costs what the batch costs and not what the table costs.
/// </summary>
/// <remarks>
/// <para>The step count belongs to the parameter and not to the row: a row first seen late is corrected for bias with the late count.</para>
/// <para>
/// <c>step(closure)</c>, parameter groups, learning-rate schedulers, <c>state_dict</c>, <c>save_state_dict</c> and <c>load_state_dict</c> are those
/// of TorchSharp's optimizers. The moments are made at the first step with a gradient. Of a stream that ends early,
/// what comes before its end is loaded.
/// </para>
/// <para>
/// Training from two threads at once is not supported, as with <see cref="Embedding"/>. Steps of one optimizer run one after the other, and
/// <c>Dispose</c> waits for the one that runs.
/// </para>
/// </remarks>
public sealed partial class SparseAdam : OptimizerHelper, optim.IBetas
{
    private readonly Options _default;
    private readonly Lock _stepLock = new(); // a second thread waits: Dispose frees memory that a step writes to
    private bool _disposed;

    /// <summary>Optimizes parameters that get sparse gradients, such as the weight of <c>new Embedding(…, sparse: true)</c>.</summary>
    /// <param name="parameters">Dense leaf tensors, real. At least one; they stay the caller's.</param>
    /// <param name="lr">The learning rate, greater than 0. Default 0.001.</param>
    /// <param name="beta1">The decay of the running mean of gradients, in [0, 1). Default 0.9.</param>
    /// <param name="beta2">The decay of the running mean of their squares, in [0, 1). Default 0.999.</param>
    /// <param name="eps">Added to the denominator, greater than 0. Default 1e-8.</param>
    /// <param name="maximize">Steps up the gradient instead of down. Default false.</param>
    /// <exception cref="ArgumentNullException"><paramref name="parameters"/> or one of them is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range; PyTorch's text.</exception>
    /// <exception cref="ArgumentException">There are no parameters, or one is not a leaf, is sparse, or is complex.</exception>
    public SparseAdam(IEnumerable<Parameter> parameters, double lr = 1e-3, double beta1 = 0.9, double beta2 = 0.999,
        double eps = 1e-8, bool maximize = false)
        : this([new ParamGroup(parameters)], lr, beta1, beta2, eps, maximize)
    {
        ParameterGroups.RequireAny(this.parameters());
    }

    /// <summary>Optimizes groups of parameters, each with options of its own.</summary>
    /// <param name="parameters">The groups. What a group leaves open is taken from the arguments; what it sets is not checked, as in PyTorch.</param>
    /// <inheritdoc cref="SparseAdam(IEnumerable{Parameter}, double, double, double, double, bool)"/>
    /// <param name="lr"/><param name="beta1"/><param name="beta2"/><param name="eps"/><param name="maximize"/>
    public SparseAdam(IEnumerable<ParamGroup> parameters, double lr = 1e-3, double beta1 = 0.9, double beta2 = 0.999,
        double eps = 1e-8, bool maximize = false)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ParameterGroups.Require(lr > 0, "learning rate", lr, nameof(lr));
        ParameterGroups.Require(eps > 0, "epsilon value", eps, nameof(eps));
        ParameterGroups.Require(beta1 is >= 0 and < 1, "beta parameter at index 0", beta1, nameof(beta1));
        ParameterGroups.Require(beta2 is >= 0 and < 1, "beta parameter at index 1", beta2, nameof(beta2));

        _default = new Options { LearningRate = lr, InitialLearningRate = lr, Beta1 = beta1, Beta2 = beta2, Eps = eps, Maximize = maximize };
        _defaults = _default;
        _parameter_groups = [];
        foreach (ParamGroup group in parameters) add_param_group(group);
        ParameterGroups.RequireAny(_parameter_groups);
    }

    /// <summary>The default (beta1, beta2), for schedulers that turn them.</summary>
    public (double, double) Betas
    {
        get => (_default.Beta1!.Value, _default.Beta2!.Value);
        set => (_default.Beta1, _default.Beta2) = (value.Item1, value.Item2);
    }

    /// <summary>Performs one step: every parameter that has a gradient is updated. The gradients themselves stay as they are.</summary>
    /// <param name="closure">Computes the loss anew, with gradients enabled, before the step. Default: none.</param>
    /// <returns>What <paramref name="closure"/> gave, or null.</returns>
    /// <exception cref="InvalidOperationException">
    /// A gradient is dense, or does not fit the parameter; what is kept for the parameter does not fit
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
        if (!gradient.is_sparse)
            throw new InvalidOperationException("SparseAdam does not support dense gradients, please consider Adam instead");
    }

    private static void Update(StepPart<Options, State> part)
    {
        (Options options, State state, Parameter parameter, _, SparseGradient? sparse) = part;
        state.Start();
        if (sparse!.IsEmpty) return;

        double beta1 = options.Beta1!.Value, beta2 = options.Beta2!.Value;
        double stepSize = options.LearningRate!.Value * Math.Sqrt(1 - Math.Pow(beta2, state.Step)) / (1 - Math.Pow(beta1, state.Step));
        var factors = new RowKernels.AdamFactors(1 - beta1, 1 - beta2, options.Eps!.Value, -stepSize);
        Tensor expAvg = state.ExpAvg!, expAvgSq = state.ExpAvgSq!;
        using Tensor table = parameter.detach(); // keeps the memory of the rows if another thread converts or disposes the layer
        if (sparse.IsOfRows(table, expAvg, expAvgSq)) RowKernels.SparseAdam(sparse, table, expAvg, expAvgSq, factors);
        else UpdateTensors(sparse, parameter, expAvg, expAvgSq, factors);
    }

    // PyTorch's own sequence of operations. The step's dispose scope ends the temporaries. Factors go through mul: libtorch's mul_ rounds
    // a number to the tensor's dtype before it multiplies, which Python's mul_ does not.
    private static void UpdateTensors(
        SparseGradient sparse, Tensor parameter, Tensor expAvg, Tensor expAvgSq, RowKernels.AdamFactors factors)
    {
        Tensor oldAvg = sparse.MaskedValues(expAvg);
        Tensor avg = sparse.Values.sub(oldAvg).mul(factors.OneMinusBeta1);
        sparse.AddTo(expAvg, avg);
        Tensor oldSq = sparse.MaskedValues(expAvgSq);
        Tensor sq = sparse.Values.square().sub_(oldSq).mul(factors.OneMinusBeta2);
        sparse.AddTo(expAvgSq, sq);

        Tensor numerator = avg.add_(oldAvg);
        Tensor denominator = RowKernels.Sqrt(sq.add_(oldSq)).add_(factors.Eps);
        sparse.AddTo(parameter, numerator.div_(denominator).mul(factors.MinusStepSize));
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
    /// The group is another optimizer's, or has a parameter that is not a leaf, is sparse, is complex, or is in another group.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The optimizer or one of the parameters is disposed.</exception>
    public override void add_param_group(TorchSharp.Modules.ParamGroup param_group)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        IReadOnlyList<Parameter> parameters = ParameterGroups.Check(param_group, _parameter_groups);
        if (param_group is not ParamGroup group || param_group.Options is not (null or Options))
        {
            throw new ArgumentException(
                $"A group of SparseAdam is needed, and this is {param_group.GetType()} with {param_group.Options?.GetType()}.", nameof(param_group));
        }
        Refuse(p => p.is_sparse, "Sparse", "SparseAdam requires dense parameter tensors");
        Refuse(p => p.is_complex(), "Complex", "SparseAdam does not support complex parameters");

        group.Parameters = parameters;
        group.Options ??= new Options();
        group.Options.FillFrom(_default);
        _parameter_groups.Add(group);
        foreach (Parameter parameter in parameters) _state[parameter.Handle] = new State(parameter);

        void Refuse(Func<Parameter, bool> fault, string kind, string text)
        {
            IEnumerable<string> places = parameters.Index().Where(p => fault(p.Item)).Select(p => $"[{_parameter_groups.Count}, {p.Index}]");
            string all = string.Join(", ", places);
            if (all.Length > 0) throw new ArgumentException($"{kind} params at indices [{all}]: {text}", nameof(param_group));
        }
    }

    /// <summary>Disposes the moments. The parameters are the caller's.</summary>
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
