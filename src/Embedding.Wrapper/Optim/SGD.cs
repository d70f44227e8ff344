using EmbeddingWrapper.Native;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Optim;

/// <summary>
/// Stochastic gradient descent for dense and sparse gradients: PyTorch's <c>torch.optim.SGD</c>, with its bits. Without momentum, a sparse
/// gradient changes only the rows that it has entries for, so a step costs what the batch costs and not what the table costs.
/// </summary>
/// <remarks>
/// <para>
/// <b>Momentum and sparse gradients.</b> The momentum buffer of a sparse gradient is sparse, as in PyTorch, and never forgets an entry:
/// each step moves every row that any batch has had so far. PyTorch merges a gradient into the buffer as if both were sorted, and does not sum
/// what occurs twice. So a batch with repeated or unsorted rows adds entries for rows that the buffer already has, without bound: 50 random
/// look-ups a step in a table of 100 rows give 943 entries after 20 steps and 2,673 after 60, and each step costs more than the one before.
/// The bits are PyTorch's. If the buffer must stay small, coalesce the gradient before each step (then the buffer ends at the rows that
/// occur), look up sorted rows without repetition, use a dense gradient (<c>sparse: false</c>), or use <see cref="SparseAdam"/> or
/// <see cref="Adagrad"/>, whose state never grows.
/// </para>
/// <para>
/// <c>step(closure)</c>, parameter groups, learning-rate schedulers, <c>state_dict</c>, <c>save_state_dict</c> and <c>load_state_dict</c>
/// are those of TorchSharp's optimizers. A buffer is made at the first step with a gradient and momentum.
/// </para>
/// <para>
/// A table of one column, one look-up and <c>sum().backward()</c> make a sparse gradient that PyTorch's SGD adds as nothing, and so does this
/// one. Another look-up in the batch, or another loss than a sum, is enough for the step to be done.
/// </para>
/// </remarks>
public sealed class SGD : SparseOptimizer, optim.IMomentum
{
    private const string SparseToDense = "add(sparse, dense) is not supported. Use add(dense, sparse) instead.";

    /// <summary>Optimizes parameters.</summary>
    /// <param name="parameters">
    /// Dense leaf tensors. At least one; they stay the caller's. One that is listed twice is stepped twice.
    /// </param>
    /// <param name="lr">The learning rate, 0 or more. Default 0.001.</param>
    /// <param name="momentum">How much of the momentum buffer each step keeps, 0 or more. Default 0: there is no buffer.</param>
    /// <param name="dampening">1 minus this times the gradient is added to the buffer. Any number. Default 0.</param>
    /// <param name="weightDecay">
    /// This times the parameter is added to a dense gradient; 0 or more. Default 0. A step refuses it for a sparse gradient.
    /// PyTorch: <c>weight_decay</c>.
    /// </param>
    /// <param name="nesterov">Whether to step by gradient + momentum * buffer. Needs a momentum and no dampening. Default false.</param>
    /// <param name="maximize">Steps up the gradient instead of down. Default false.</param>
    /// <exception cref="ArgumentNullException"><paramref name="parameters"/> or one of them is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range; PyTorch's text.</exception>
    /// <exception cref="ArgumentException">
    /// There are no parameters, or one is not a leaf or is sparse; or <paramref name="nesterov"/> comes without momentum or with dampening.
    /// </exception>
    public SGD(IEnumerable<Parameter> parameters, double lr = 1e-3, double momentum = 0, double dampening = 0,
        double weightDecay = 0, bool nesterov = false, bool maximize = false)
        : this([new ParamGroup(parameters)], lr, momentum, dampening, weightDecay, nesterov, maximize)
    {
        RequireAny(this.parameters());
    }

    /// <summary>Optimizes groups of parameters, each with options of its own.</summary>
    /// <param name="parameters">
    /// The groups. The options that a group leaves open are taken from the arguments; those that it sets are not checked, as in PyTorch.
    /// </param>
    /// <inheritdoc cref="SGD(IEnumerable{Parameter}, double, double, double, double, bool, bool)"/>
    /// <param name="lr"/><param name="momentum"/><param name="dampening"/><param name="weightDecay"/>
    /// <param name="nesterov"/><param name="maximize"/>
    public SGD(IEnumerable<ParamGroup> parameters, double lr = 1e-3, double momentum = 0, double dampening = 0,
        double weightDecay = 0, bool nesterov = false, bool maximize = false)
        : base(parameters, Defaults(lr, momentum, dampening, weightDecay, nesterov, maximize))
    {
    }

    // NaN passes, as in PyTorch.
    private static Options Defaults(double lr, double momentum, double dampening, double weightDecay, bool nesterov, bool maximize)
    {
        Require(!(lr < 0), "learning rate", lr, nameof(lr));
        Require(!(momentum < 0), "momentum value", momentum, nameof(momentum));
        Require(!(weightDecay < 0), "weight_decay value", weightDecay, nameof(weightDecay));
        if (nesterov && (momentum <= 0 || dampening != 0))
            throw new ArgumentException("Nesterov momentum requires a momentum and zero dampening", nameof(nesterov));
        return new()
        {
            LearningRate = lr,
            InitialLearningRate = lr,
            momentum = momentum,
            dampening = dampening,
            weight_decay = weightDecay,
            nesterov = nesterov,
            maximize = maximize,
        };
    }

    /// <summary>The default momentum, for schedulers that change it.</summary>
    public double Momentum
    {
        get => ((Options)_defaults).momentum!.Value;
        set => ((Options)_defaults).momentum = value;
    }

    private protected override bool Coalesces => false;

    private protected override bool IsOwn(TorchSharp.Modules.ParamGroup group) => group is ParamGroup;

    private protected override SparseOptimizerOptions NewOptions() => new Options();

    private protected override SparseOptimizerState NewState(Parameter parameter) => new State(parameter);

    private protected override void Check(IReadOnlyList<Parameter> parameters, string argument)
    {
        if (parameters.Any(p => p.is_sparse)) throw new ArgumentException("SGD requires dense parameter tensors", argument);
    }

    private protected override void Check(SparseOptimizerOptions options, Parameter parameter, Tensor gradient)
    {
        if (gradient.is_sparse && ((Options)options).weight_decay != 0) throw new InvalidOperationException(SparseToDense);
        if (!is_floating_point(parameter.dtype) && !is_complex(parameter.dtype))
            throw new InvalidOperationException("For integral input tensors, argument alpha must not be a floating point number.");
        if (!gradient.is_sparse) Guard.ThrowIfOverlapping(parameter);
    }

    // PyTorch's own sequence of operations. What a sparse buffer becomes is computed beforehand; a dense one is changed in place.
    private protected override Action Prepare(Part part)
    {
        (var options, var state, Parameter parameter) = ((Options)part.Options, (State)part.State, part.Parameter);
        (double momentum, double rate) = (options.momentum!.Value, -options.LearningRate!.Value);
        double share = 1 - options.dampening!.Value;
        bool nesterov = options.nesterov!.Value;
        long step = state.StepCount() + 1;
        Tensor? kept = state.RequireTensors()[0];
        Tensor gradient = part.Sparse?.All ?? (options.maximize!.Value ? part.Gradient.neg() : part.Gradient);
        if (options.weight_decay != 0) gradient = Sum(gradient, parameter, options.weight_decay!.Value);
        if (momentum == 0) return MoveBy(gradient, kept, part.Sparse);

        // A parameter that is listed twice gets its buffer twice in its first step, as in PyTorch.
        if (kept is null || part.IsFirst) return MoveBy(Direction(gradient.clone(), out Tensor first), first);
        if (kept.is_sparse && !gradient.is_sparse) throw new InvalidOperationException(SparseToDense);
        if (kept.is_sparse)
        {
            using Scalar factor = momentum, addend = share;
            return MoveBy(Direction(kept.clone().mul_(factor).add_(gradient, addend), out Tensor grown), grown);
        }
        if (nesterov && gradient.is_sparse) throw new InvalidOperationException(SparseToDense);
        return Dense(kept);

        Tensor Direction(Tensor buffer, out Tensor same)
        {
            same = buffer;
            return nesterov ? Sum(gradient, buffer, momentum) : buffer;
        }

        Action MoveBy(Tensor direction, Tensor? buffer, SparseGradient? entries = null)
        {
            Tensor table = parameter.detach(); // keeps the memory of the rows if another thread converts or disposes the layer
            if (direction.is_sparse) entries ??= new(direction, negate: false, coalesce: false, "momentum buffer");
            return () =>
            {
                state.Set(step, [buffer]);
                if (entries is null) AddTo(table, direction, rate);
                else entries.AddTo(table, rate);
            };
        }

        // libtorch's mul_ rounds a factor to the dtype of half numbers before it multiplies. PyTorch's does not, and nor does mul.
        Action Dense(Tensor buffer)
        {
            using Scalar factor = momentum;
            Tensor? scaled = buffer.dtype is ScalarType.Float16 or ScalarType.BFloat16 ? buffer.mul(factor) : null;
            ScalarType both = promote_types(gradient.dtype, buffer.dtype); // after to(dtype) the buffer has another dtype
            Tensor? own = nesterov ? empty_like(gradient, both) : null;
            return () =>
            {
                using Scalar again = momentum;
                state.Set(step, [buffer]);
                if (scaled is null) buffer.mul_(again);
                else buffer.copy_(scaled);
                if (gradient.is_sparse) part.Sparse!.AddTo(buffer, share);
                else AddTo(buffer, gradient, share);
                if (own is not null) TorchScript.Add(gradient, buffer, momentum, own);
                AddTo(parameter, own ?? buffer, rate);
            };
        }
    }

    private static Tensor Sum(Tensor tensor, Tensor other, double factor)
    {
        using Scalar alpha = factor;
        return tensor.add(other, alpha);
    }

    private static void AddTo(Tensor tensor, Tensor other, double factor)
    {
        using Scalar alpha = factor;
        tensor.add_(other, alpha);
    }

    /// <inheritdoc cref="SparseOptimizer.StateOf"/>
    public override State StateOf(Parameter parameter) => (State)base.StateOf(parameter);

    /// <inheritdoc cref="SparseOptimizerOptions"/>
    public sealed class Options : SparseOptimizerOptions
    {
        /// <summary>Options with nothing set.</summary>
        public Options() : base([nameof(momentum), nameof(dampening), nameof(weight_decay)], nameof(nesterov))
        {
        }

        /// <summary>How much of the momentum buffer each step keeps. With 0 a buffer that is there is kept and not used.</summary>
        public double? momentum { get => Number(); set => SetNumber(value); }

        /// <summary>1 minus this times the gradient is added to the buffer.</summary>
        public double? dampening { get => Number(); set => SetNumber(value); }

        /// <summary>This times the parameter is added to a dense gradient.</summary>
        public double? weight_decay { get => Number(); set => SetNumber(value); }

        /// <summary>Whether to step by gradient + momentum * buffer.</summary>
        public bool? nesterov { get => Flag(); set => SetFlag(value); }
    }

    /// <summary>The state of one parameter: PyTorch's <c>momentum_buffer</c>.</summary>
    public sealed class State : SparseOptimizerState
    {
        internal State(Parameter parameter) : base(parameter, nameof(momentum_buffer))
        {
        }

        /// <summary>
        /// The momentum buffer, of the shape and dtype of the parameter: sparse if the first gradient was. Null before the first step with
        /// momentum. A dense one shares the memory of the state; a step replaces a sparse one and disposes what was read here. Setting it
        /// copies the values, converted to the dtype and device of the parameter; null makes the next step start a new buffer.
        /// </summary>
        /// <exception cref="ArgumentException">The value that is set has another shape, or is complex and the parameter is not.</exception>
        /// <exception cref="ObjectDisposedException">The state is disposed, or the value that is set.</exception>
        public Tensor? momentum_buffer
        {
            get => ShowIfAny(0);
            set
            {
                if (value is null) Drop(0);
                else Replace(0, value, allowSparse: true);
            }
        }

        private protected override Tensor?[] Start(OptimizerOptions options) => [null];
    }

    /// <summary>Parameters with options of their own.</summary>
    public sealed class ParamGroup : ParamGroup<Options>, optim.IMomentum
    {
        /// <summary>Makes a group.</summary>
        /// <param name="parameters">The parameters. They are read once, when the group is added.</param>
        /// <param name="options">What differs from the optimizer's defaults. Default: nothing.</param>
        /// <exception cref="ArgumentNullException"><paramref name="parameters"/> is null.</exception>
        public ParamGroup(IEnumerable<Parameter> parameters, Options? options = null)
            : base(parameters ?? throw new ArgumentNullException(nameof(parameters)), options ?? new Options())
        {
        }

        /// <summary>The group's momentum, for schedulers that change it.</summary>
        /// <exception cref="InvalidOperationException">It is null, because the group was not added to an optimizer yet.</exception>
        public double Momentum
        {
            get => Options.momentum
                ?? throw new InvalidOperationException("The momentum is open: it is filled in when the group is added.");
            set => Options.momentum = value;
        }
    }
}
