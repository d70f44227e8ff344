using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Optim;

/// <summary>
/// Adam for sparse gradients: PyTorch's <c>torch.optim.SparseAdam</c>, with its bits. Only the rows that the gradient has entries for
/// are changed, in the parameter and in the moments, so a step costs what the batch costs and not what the table costs.
/// </summary>
/// <remarks>
/// <para>
/// The step count belongs to the parameter and not to the row: a row first seen late is corrected for bias with the late count.
/// </para>
/// <para>
/// <c>step(closure)</c>, parameter groups, learning-rate schedulers, <c>state_dict</c>, <c>save_state_dict</c> and <c>load_state_dict</c>
/// are those of TorchSharp's optimizers. The moments are made at the first step with a gradient.
/// </para>
/// <para>
/// TorchSharp.PyBridge exchanges the state with PyTorch. It writes the step count as a tensor, and with a tensor PyTorch's SparseAdam
/// computes the bias correction in float32. For the same bits, write <c>state["step"] = int(state["step"])</c> in Python after loading.
/// </para>
/// </remarks>
public sealed class SparseAdam : SparseOptimizer, optim.IBetas
{
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
        RequireAny(this.parameters());
    }

    /// <summary>Optimizes groups of parameters, each with options of its own.</summary>
    /// <param name="parameters">
    /// The groups. The options that a group leaves open are taken from the arguments; those that it sets are not checked, as in PyTorch.
    /// </param>
    /// <inheritdoc cref="SparseAdam(IEnumerable{Parameter}, double, double, double, double, bool)"/>
    /// <param name="lr"/><param name="beta1"/><param name="beta2"/><param name="eps"/><param name="maximize"/>
    public SparseAdam(IEnumerable<ParamGroup> parameters, double lr = 1e-3, double beta1 = 0.9, double beta2 = 0.999,
        double eps = 1e-8, bool maximize = false)
        : base(parameters, Defaults(lr, beta1, beta2, eps, maximize))
    {
    }

    private static Options Defaults(double lr, double beta1, double beta2, double eps, bool maximize)
    {
        Require(lr > 0, "learning rate", lr, nameof(lr));
        Require(eps > 0, "epsilon value", eps, nameof(eps));
        Require(beta1 is >= 0 and < 1, "beta parameter at index 0", beta1, nameof(beta1));
        Require(beta2 is >= 0 and < 1, "beta parameter at index 1", beta2, nameof(beta2));
        return new() { LearningRate = lr, InitialLearningRate = lr, beta1 = beta1, beta2 = beta2, eps = eps, maximize = maximize };
    }

    /// <summary>The default (beta1, beta2), for schedulers that change them.</summary>
    public (double, double) Betas
    {
        get => (((Options)_defaults).beta1!.Value, ((Options)_defaults).beta2!.Value);
        set => (((Options)_defaults).beta1, ((Options)_defaults).beta2) = (value.Item1, value.Item2);
    }

    private protected override bool IsOwn(TorchSharp.Modules.ParamGroup group) => group is ParamGroup;

    private protected override SparseOptimizerOptions NewOptions() => new Options();

    private protected override SparseOptimizerState NewState(Parameter parameter) => new State(parameter);

    private protected override void Check(IReadOnlyList<Parameter> parameters, string argument)
    {
        Refuse(p => p.is_sparse, "Sparse", "SparseAdam requires dense parameter tensors");
        Refuse(p => p.is_complex(), "Complex", "SparseAdam does not support complex parameters");

        void Refuse(Func<Parameter, bool> fault, string kind, string text)
        {
            IEnumerable<int> places = parameters.Index().Where(p => fault(p.Item)).Select(p => p.Index);
            string all = string.Join(", ", places.Select(place => $"[{_parameter_groups.Count}, {place}]"));
            if (all.Length > 0) throw new ArgumentException($"{kind} params at indices [{all}]: {text}", argument);
        }
    }

    private protected override void Check(SparseOptimizerOptions options, Parameter parameter, Tensor gradient)
    {
        if (!gradient.is_sparse)
            throw new InvalidOperationException("SparseAdam does not support dense gradients, please consider Adam instead");
    }

    private protected override Action Prepare(Part part)
    {
        (var options, var state, SparseGradient sparse) = ((Options)part.Options, (State)part.State, part.Sparse!);
        long step = state.StepCount() + 1;
        Tensor?[] kept = state.RequireTensors();
        Tensor expAvg = kept[0] ?? zeros_like(part.Parameter), expAvgSq = kept[1] ?? zeros_like(part.Parameter);
        void Count() => state.Set(step, [expAvg, expAvgSq]);
        if (sparse.IsEmpty) return Count;

        double beta1 = options.beta1!.Value, beta2 = options.beta2!.Value;
        double stepSize = options.LearningRate!.Value * Math.Sqrt(1 - Math.Pow(beta2, step)) / (1 - Math.Pow(beta1, step));
        var factors = new RowKernels.AdamFactors(1 - beta1, 1 - beta2, options.eps!.Value, -stepSize);
        Tensor table = part.Parameter.detach(); // keeps the memory of the rows if another thread converts or disposes the layer
        if (sparse.IsOfRows(table, expAvg, expAvgSq))
        {
            return () =>
            {
                Count();
                RowKernels.SparseAdam(sparse, table, expAvg, expAvgSq, factors);
            };
        }

        // PyTorch's own sequence of operations. Factors are applied with mul: libtorch's mul_ rounds a number to the tensor's dtype before
        // it multiplies, which Python's mul_ does not.
        using Scalar c1 = factors.OneMinusBeta1, c2 = factors.OneMinusBeta2, eps = factors.Eps, minusStepSize = factors.MinusStepSize;
        // TorchSharp's square() and add(x) make such numbers too, and leave them to the garbage collector while libtorch reads them.
        using Scalar one = 1, two = 2;
        Tensor oldAvg = sparse.MaskedValues(expAvg), oldSq = sparse.MaskedValues(expAvgSq);
        Tensor avg = sparse.Values.sub(oldAvg).mul(c1), sq = sparse.Values.pow(two).sub_(oldSq).mul(c2);
        Tensor denominator = RowKernels.SqrtInPlace(sq.add(oldSq, one).to(sq.dtype)).add_(eps, one); // after to(dtype) oldSq has another dtype
        Tensor change = avg.add(oldAvg, one).div_(denominator).mul(minusStepSize);
        return () =>
        {
            Count();
            sparse.AddTo(expAvg, avg);
            sparse.AddTo(expAvgSq, sq);
            sparse.AddTo(part.Parameter, change);
        };
    }

    /// <inheritdoc cref="SparseOptimizer.StateOf"/>
    public override State StateOf(Parameter parameter) => (State)base.StateOf(parameter);

    /// <inheritdoc cref="SparseOptimizerOptions"/>
    public sealed class Options : SparseOptimizerOptions
    {
        /// <summary>Options with nothing set.</summary>
        public Options() : base([nameof(beta1), nameof(beta2), nameof(eps)])
        {
        }

        /// <summary>The decay of the running mean of gradients.</summary>
        public double? beta1 { get => Number(); set => SetNumber(value); }

        /// <summary>The decay of the running mean of their squares.</summary>
        public double? beta2 { get => Number(); set => SetNumber(value); }

        /// <summary>Added to the denominator.</summary>
        public double? eps { get => Number(); set => SetNumber(value); }
    }

    /// <summary>The state of one parameter: PyTorch's <c>step</c>, <c>exp_avg</c> and <c>exp_avg_sq</c>.</summary>
    public sealed class State : SparseOptimizerState
    {
        internal State(Parameter parameter) : base(parameter, nameof(exp_avg), nameof(exp_avg_sq))
        {
        }

        /// <summary>The number of steps in which the parameter had a gradient. 0 or more.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value that is set is negative.</exception>
        public long step { get => StepCount(); set => SetStepCount(value); }

        /// <summary>
        /// The running mean of gradients, of the shape and dtype of the parameter; zeros before the first step. It shares the memory of the
        /// state: a step changes it. Setting it copies the values, converted to the dtype and device of the parameter.
        /// </summary>
        /// <exception cref="ArgumentNullException">The value that is set is null.</exception>
        /// <exception cref="ArgumentException">The value that is set has another shape, or is sparse or complex.</exception>
        /// <exception cref="ObjectDisposedException">The state is disposed, or the value that is set.</exception>
        public Tensor exp_avg { get => Show(0); set => Replace(0, value); }

        /// <summary>The running mean of squared gradients, of the same shape and dtype; otherwise as <see cref="exp_avg"/>.</summary>
        /// <inheritdoc cref="exp_avg"/>
        public Tensor exp_avg_sq { get => Show(1); set => Replace(1, value); }

        private protected override Tensor?[] Start(OptimizerOptions options) => [null, null];
    }

    /// <summary>Parameters with options of their own.</summary>
    public sealed class ParamGroup : ParamGroup<Options>, optim.IBetas
    {
        /// <summary>Makes a group.</summary>
        /// <param name="parameters">The parameters. They are read once, when the group is added.</param>
        /// <param name="options">What differs from the optimizer's defaults. Default: nothing.</param>
        /// <exception cref="ArgumentNullException"><paramref name="parameters"/> is null.</exception>
        public ParamGroup(IEnumerable<Parameter> parameters, Options? options = null)
            : base(parameters ?? throw new ArgumentNullException(nameof(parameters)), options ?? new Options())
        {
        }

        /// <summary>The group's (beta1, beta2), for schedulers that change them.</summary>
        /// <exception cref="InvalidOperationException">One is null, because the group was not added to an optimizer yet.</exception>
        public (double, double) Betas
        {
            get => Options is { beta1: double beta1, beta2: double beta2 }
                ? (beta1, beta2) : throw new InvalidOperationException("The betas are open: they are filled in when the group is added.");
            set => (Options.beta1, Options.beta2) = (value.Item1, value.Item2);
        }
    }
}
