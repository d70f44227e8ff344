using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Optim;

public sealed partial class Adagrad
{
    /// <summary>The options of a group. Null: the optimizer's default, filled in when the group is added.</summary>
    public sealed class Options : OptimizerOptions, IStepOptions
    {
        /// <summary>How fast the learning rate falls.</summary>
        public double? LrDecay { get; set; }

        /// <summary>This times the parameter is added to a dense gradient.</summary>
        public double? WeightDecay { get; set; }

        /// <summary>What the sum of squares starts with. A group's own value has no effect: PyTorch takes the optimizer's.</summary>
        public double? InitialAccumulatorValue { get; set; }

        /// <summary>Added to the denominator.</summary>
        public double? Eps { get; set; }

        /// <summary>Whether to step up the gradient.</summary>
        public bool? Maximize { get; set; }

        bool IStepOptions.IsComplete =>
            LearningRate is not null && LrDecay is not null && WeightDecay is not null && InitialAccumulatorValue is not null
            && Eps is not null && Maximize is not null;

        internal void FillFrom(Options defaults)
        {
            LearningRate ??= defaults.LearningRate;
            InitialLearningRate = LearningRate!.Value;
            LrDecay ??= defaults.LrDecay;
            WeightDecay ??= defaults.WeightDecay;
            InitialAccumulatorValue ??= defaults.InitialAccumulatorValue;
            Eps ??= defaults.Eps;
            Maximize ??= defaults.Maximize;
        }

        /// <summary>Takes the options over from another record.</summary>
        /// <param name="source">A record of Adagrad.</param>
        /// <exception cref="ArgumentNullException"><paramref name="source"/> is null.</exception>
        /// <exception cref="ArgumentException"><paramref name="source"/> is a record of something else.</exception>
        public override void LoadStateDict(OptimizerOptions source)
        {
            var other = StateTensor.RequireKind<Options>(source, nameof(source));
            base.LoadStateDict(source);
            (LrDecay, WeightDecay, InitialAccumulatorValue) = (other.LrDecay, other.WeightDecay, other.InitialAccumulatorValue);
            (Eps, Maximize) = (other.Eps, other.Maximize);
        }

        /// <summary>Reads the options from a stream.</summary>
        /// <param name="reader">Stands where <see cref="SaveStateDict"/> wrote.</param>
        /// <exception cref="ArgumentNullException"><paramref name="reader"/> is null.</exception>
        public override void LoadStateDict(BinaryReader reader)
        {
            ArgumentNullException.ThrowIfNull(reader);
            base.LoadStateDict(reader);
            LrDecay = reader.ReadDouble();
            WeightDecay = reader.ReadDouble();
            InitialAccumulatorValue = reader.ReadDouble();
            Eps = reader.ReadDouble();
            Maximize = reader.ReadBoolean();
        }

        /// <summary>Writes the options to a stream.</summary>
        /// <param name="writer">Where to.</param>
        /// <exception cref="ArgumentNullException"><paramref name="writer"/> is null.</exception>
        /// <exception cref="InvalidOperationException">An option is open. Nothing is written then.</exception>
        public override void SaveStateDict(BinaryWriter writer)
        {
            ArgumentNullException.ThrowIfNull(writer);
            if (this is IStepOptions { IsComplete: false })
                throw new InvalidOperationException("An option is open: it is filled in when the group is added to an optimizer.");
            base.SaveStateDict(writer);
            writer.Write(LrDecay!.Value);
            writer.Write(WeightDecay!.Value);
            writer.Write(InitialAccumulatorValue!.Value);
            writer.Write(Eps!.Value);
            writer.Write(Maximize!.Value);
        }
    }

    /// <summary>What is kept for one parameter: PyTorch's <c>step</c> and <c>sum</c>.</summary>
    public sealed class State : OptimizerState, IStepState, IDisposable
    {
        private Tensor? _sum;

        internal State(Parameter parameter) : base(parameter)
        {
        }

        /// <summary>The number of steps in which the parameter had a gradient.</summary>
        public long Step { get; internal set; }

        /// <summary>The sum of squared gradients, of the shape and dtype of the parameter. The optimizer's to dispose.</summary>
        /// <exception cref="ObjectDisposedException">The state is disposed.</exception>
        public Tensor Sum => StateTensor.ThrowIfDisposed(_sum);

        Tensor?[] IStepState.Tensors => [StateTensor.ThrowIfDisposed(_sum)];

        /// <summary>Starts anew.</summary>
        /// <param name="options">Its <see cref="Options.InitialAccumulatorValue"/> is what the sum starts with.</param>
        /// <exception cref="ArgumentNullException"><paramref name="options"/> is null.</exception>
        /// <exception cref="ArgumentException"><paramref name="options"/> is a record of something else, or leaves that value open.</exception>
        public override void Initialize(OptimizerOptions options)
        {
            double start = StateTensor.RequireKind<Options>(options, nameof(options)).InitialAccumulatorValue
                ?? throw new ArgumentException("The initial value is open.", nameof(options));
            Set(0, StateTensor.Make(_parameter, () => [full_like(_parameter, start)]));
        }

        /// <summary>Moves the sum to a device.</summary>
        /// <param name="device">Where to.</param>
        /// <exception cref="ArgumentNullException"><paramref name="device"/> is null.</exception>
        public override void to(Device device)
        {
            ArgumentNullException.ThrowIfNull(device);
            Set(Step, StateTensor.Make(_parameter, () => [StateTensor.To(_sum, device)]));
        }

        /// <summary>Copies the state of another optimizer, converted to the dtype and device of this parameter. Nothing is shared.</summary>
        /// <param name="source">A record of Adagrad.</param>
        /// <exception cref="ArgumentNullException"><paramref name="source"/> is null.</exception>
        /// <exception cref="ArgumentException"><paramref name="source"/> is a record of something else.</exception>
        /// <exception cref="ObjectDisposedException"><paramref name="source"/> is disposed.</exception>
        public override void LoadStateDict(OptimizerState source)
        {
            var other = StateTensor.RequireKind<State>(source, nameof(source));
            Set(other.Step, StateTensor.Make(_parameter, () => [StateTensor.CopyOf(other.Sum, _parameter)]));
        }

        /// <summary>Reads the state from a stream.</summary>
        /// <param name="reader">Stands where <see cref="SaveStateDict"/> wrote.</param>
        /// <exception cref="ArgumentNullException"><paramref name="reader"/> is null.</exception>
        public override void LoadStateDict(BinaryReader reader)
        {
            ArgumentNullException.ThrowIfNull(reader);
            long step = reader.ReadInt64();
            Set(step, StateTensor.Make(_parameter, () => [StateTensor.Read(reader, _parameter)]));
        }

        /// <summary>Writes the state to a stream.</summary>
        /// <param name="writer">Where to.</param>
        /// <exception cref="ArgumentNullException"><paramref name="writer"/> is null.</exception>
        /// <exception cref="ObjectDisposedException">The state is disposed.</exception>
        public override void SaveStateDict(BinaryWriter writer)
        {
            ArgumentNullException.ThrowIfNull(writer);
            Tensor sum = Sum;
            writer.Write(Step);
            SaveConditionalStateTensor(writer, sum);
        }

        /// <summary>Whether two states are nearly the same.</summary>
        /// <param name="other">The other one.</param>
        /// <returns>True where the steps are equal and the sums close.</returns>
        public override bool ApproximatelyEquals(OptimizerState other) =>
            other is State state && Step == state.Step && StateTensor.AreClose(_sum, state._sum);

        /// <summary>Disposes the sum.</summary>
        public void Dispose()
        {
            _sum?.Dispose();
            _sum = null;
        }

        private void Set(long step, Tensor?[] tensors)
        {
            Dispose();
            (Step, _sum) = (step, tensors[0]);
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
