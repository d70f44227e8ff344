using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Optim;

/// <summary>
/// Adagrad for dense and sparse gradients: PyTorch's <c>torch.optim.Adagrad</c>, with its bits. (TorchSharp's refuses sparse ones.) With a
/// sparse gradient only the rows that it has entries for are changed, so a step costs what the batch costs and not what the table costs.
/// </summary>
/// <remarks>
/// <c>step(closure)</c>, parameter groups, learning-rate schedulers, <c>state_dict</c>, <c>save_state_dict</c> and <c>load_state_dict</c>
/// are those of TorchSharp's optimizers. The accumulator is made with the optimizer.
/// </remarks>
public sealed class Adagrad : SparseOptimizer
{
    /// <summary>Optimizes parameters.</summary>
    /// <param name="parameters">Dense leaf tensors, real. At least one; they stay the caller's.</param>
    /// <param name="lr">The learning rate, 0 or more. Default 0.01.</param>
    /// <param name="lrDecay">
    /// The rate of step t is <c>lr / (1 + (t - 1) * lrDecay)</c>; 0 or more. Default 0. PyTorch: <c>lr_decay</c>.
    /// </param>
    /// <param name="weightDecay">
    /// This times the parameter is added to a dense gradient; 0 or more. Default 0. PyTorch: <c>weight_decay</c>.
    /// </param>
    /// <param name="initialAccumulatorValue">
    /// The value that the sum of squares starts with, 0 or more. Default 0. PyTorch: <c>initial_accumulator_value</c>.
    /// </param>
    /// <param name="eps">Added to the denominator, 0 or more. Default 1e-10.</param>
    /// <param name="maximize">Steps up the gradient instead of down. Default false.</param>
    /// <exception cref="ArgumentNullException"><paramref name="parameters"/> or one of them is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range; PyTorch's text.</exception>
    /// <exception cref="ArgumentException">There are no parameters, or one is not a leaf, is sparse, or is complex.</exception>
    public Adagrad(IEnumerable<Parameter> parameters, double lr = 1e-2, double lrDecay = 0, double weightDecay = 0,
        double initialAccumulatorValue = 0, double eps = 1e-10, bool maximize = false)
        : this([new ParamGroup(parameters)], lr, lrDecay, weightDecay, initialAccumulatorValue, eps, maximize)
    {
        RequireAny(this.parameters());
    }

    /// <summary>Optimizes groups of parameters, each with options of its own.</summary>
    /// <param name="parameters">
    /// The groups. The options that a group leaves open are taken from the arguments; those that it sets are not checked, as in PyTorch.
    /// </param>
    /// <inheritdoc cref="Adagrad(IEnumerable{Parameter}, double, double, double, double, double, bool)"/>
    /// <param name="lr"/><param name="lrDecay"/><param name="weightDecay"/><param name="initialAccumulatorValue"/>
    /// <param name="eps"/><param name="maximize"/>
    public Adagrad(IEnumerable<ParamGroup> parameters, double lr = 1e-2, double lrDecay = 0, double weightDecay = 0,
        double initialAccumulatorValue = 0, double eps = 1e-10, bool maximize = false)
        : base(parameters, Defaults(lr, lrDecay, weightDecay, initialAccumulatorValue, eps, maximize))
    {
    }

    private static Options Defaults(
        double lr, double lrDecay, double weightDecay, double initialAccumulatorValue, double eps, bool maximize)
    {
        Require(lr >= 0, "learning rate", lr, nameof(lr));
        Require(lrDecay >= 0, "lr_decay value", lrDecay, nameof(lrDecay));
        Require(weightDecay >= 0, "weight_decay value", weightDecay, nameof(weightDecay));
        Require(initialAccumulatorValue >= 0, "initial_accumulator_value value", initialAccumulatorValue, nameof(initialAccumulatorValue));
        Require(eps >= 0, "epsilon value", eps, nameof(eps));
        return new()
        {
            LearningRate = lr,
            InitialLearningRate = lr,
            lr_decay = lrDecay,
            weight_decay = weightDecay,
            initial_accumulator_value = initialAccumulatorValue,
            eps = eps,
            maximize = maximize,
        };
    }

    private protected override bool IsOwn(TorchSharp.Modules.ParamGroup group) => group is ParamGroup;

    private protected override SparseOptimizerOptions NewOptions() => new Options();

    private protected override SparseOptimizerState NewState(Parameter parameter) => new State(parameter);

    private protected override void Check(IReadOnlyList<Parameter> parameters, string argument)
    {
        if (parameters.Any(p => p.is_complex())) throw new ArgumentException("Adagrad does not support complex parameters here.", argument);
        if (parameters.Any(p => p.is_sparse)) throw new ArgumentException("Adagrad requires dense parameter tensors", argument);
    }

    private protected override void Check(SparseOptimizerOptions options, Parameter parameter, Tensor gradient)
    {
        if (parameter.is_complex()) throw new InvalidOperationException("Adagrad does not support complex parameters here.");
        if (gradient.is_sparse && ((Options)options).weight_decay != 0)
            throw new InvalidOperationException("weight_decay option is not compatible with sparse gradients");
        if (!gradient.is_sparse) Guard.ThrowIfOverlapping(parameter); // addcdiv_ would refuse only after the sum has changed
    }

    private protected override Action Prepare(Part part)
    {
        (var options, var state, Parameter parameter) = ((Options)part.Options, (State)part.State, part.Parameter);
        long step = state.StepCount() + 1;
        Tensor sum = state.RequireTensors()[0]!;
        void Count() => state.Set(step, [sum]);
        double rate = options.LearningRate!.Value / (1 + ((step - 1) * options.lr_decay!.Value));
        // TorchSharp's square() and add(x) make such numbers too, and leave them to the garbage collector while libtorch reads them.
        using Scalar eps = options.eps!.Value, one = 1, two = 2;
        if (part.Sparse is not { } sparse) return Dense();
        if (sparse.IsEmpty) return Count;

        Tensor table = parameter.detach(); // keeps the memory of the rows if another thread converts or disposes the layer
        if (Math.Abs(rate) <= float.MaxValue && sparse.IsOfRows(table, sum)) // libtorch refuses a factor that is too large
        {
            return () =>
            {
                Count();
                RowKernels.Adagrad(sparse, table, sum, options.eps.Value, -rate);
            };
        }

        // PyTorch's own sequences of operations, here and below. After to(dtype) the sum has another dtype, and rounds.
        Tensor squares = sparse.Values.pow(two);
        Tensor change = sparse.Values.div(RowKernels.SqrtInPlace(sparse.MaskedValues(sum).add(squares, one).to(sum.dtype)).add_(eps, one));
        return () =>
        {
            Count();
            sparse.AddTo(sum, squares);
            sparse.AddTo(parameter, change, -rate);
        };

        Action Dense()
        {
            using Scalar decay = options.weight_decay!.Value;
            Tensor gradient = options.maximize!.Value ? part.Gradient.neg() : part.Gradient;
            if (options.weight_decay != 0) gradient = gradient.add(parameter, alpha: decay);
            Tensor squares = sum.addcmul(gradient, gradient, one).to(sum.dtype);
            return () =>
            {
                Count();
                using Scalar epsilon = options.eps.Value, unit = 1, minusRate = -rate;
                sum.copy_(squares);
                parameter.addcdiv_(gradient, RowKernels.SqrtInPlace(squares).add_(epsilon, unit), minusRate);
            };
        }
    }

    /// <inheritdoc cref="SparseOptimizer.StateOf"/>
    public override State StateOf(Parameter parameter) => (State)base.StateOf(parameter);

    /// <inheritdoc cref="SparseOptimizerOptions"/>
    public sealed class Options : SparseOptimizerOptions
    {
        /// <summary>Options with nothing set.</summary>
        public Options() : base([nameof(lr_decay), nameof(weight_decay), nameof(initial_accumulator_value), nameof(eps)])
        {
        }

        /// <summary>The decay of the learning rate: that of step t is <c>lr / (1 + (t - 1) * lr_decay)</c>.</summary>
        public double? lr_decay { get => Number(); set => SetNumber(value); }

        /// <summary>This times the parameter is added to a dense gradient.</summary>
        public double? weight_decay { get => Number(); set => SetNumber(value); }

        /// <summary>
        /// The value that the sum of squares starts with. A group's own value has no effect: PyTorch takes the optimizer's.
        /// </summary>
        public double? initial_accumulator_value { get => Number(); set => SetNumber(value); }

        /// <summary>Added to the denominator.</summary>
        public double? eps { get => Number(); set => SetNumber(value); }

        internal override bool HasLargeNumber() => base.HasLargeNumber() || lr_decay < 0; // the rate of a step can then be any number
    }

    /// <summary>The state of one parameter: PyTorch's <c>step</c> and <c>sum</c>.</summary>
    public sealed class State : SparseOptimizerState
    {
        internal State(Parameter parameter) : base(parameter, nameof(sum))
        {
        }

        /// <summary>The number of steps in which the parameter had a gradient. 0 or more.</summary>
        /// <exception cref="ArgumentOutOfRangeException">The value that is set is negative.</exception>
        public long step { get => StepCount(); set => SetStepCount(value); }

        /// <summary>
        /// The sum of squared gradients, of the shape and dtype of the parameter. It shares the memory of the state: a step changes it.
        /// Setting it copies the values, converted to the dtype and device of the parameter.
        /// </summary>
        /// <exception cref="ArgumentNullException">The value that is set is null.</exception>
        /// <exception cref="ArgumentException">The value that is set has another shape, or is sparse or complex.</exception>
        /// <exception cref="ObjectDisposedException">The state is disposed, or the value that is set.</exception>
        public Tensor sum { get => Show(0); set => Replace(0, value); }

        private protected override Tensor?[] Start(OptimizerOptions options)
        {
            using Scalar start = ((Options)options).initial_accumulator_value
                ?? throw new ArgumentException("The initial value is open.", nameof(options));
            return [full_like(Of(), start)];
        }
    }

    /// <summary>Parameters with options of their own.</summary>
    public sealed class ParamGroup : ParamGroup<Options>
    {
        /// <summary>Makes a group.</summary>
        /// <param name="parameters">The parameters. They are read once, when the group is added.</param>
        /// <param name="options">What differs from the optimizer's defaults. Default: nothing.</param>
        /// <exception cref="ArgumentNullException"><paramref name="parameters"/> is null.</exception>
        public ParamGroup(IEnumerable<Parameter> parameters, Options? options = null)
            : base(parameters ?? throw new ArgumentNullException(nameof(parameters)), options ?? new Options())
        {
        }
    }
}
