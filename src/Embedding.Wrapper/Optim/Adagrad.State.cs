using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Optim;

public sealed partial class Adagrad
{
    /// <summary>The options of a group. Null: the optimizer's default, filled in when the group is added.</summary>
    public sealed class Options : OptimizerOptions
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
        public override void LoadStateDict(OptimizerOptions source)
        {
            base.LoadStateDict(source);
            var other = (Options)source;
            (LrDecay, WeightDecay, InitialAccumulatorValue) = (other.LrDecay, other.WeightDecay, other.InitialAccumulatorValue);
            (Eps, Maximize) = (other.Eps, other.Maximize);
        }

        /// <summary>Reads the options from a stream.</summary>
        /// <param name="reader">Stands where <see cref="SaveStateDict"/> wrote.</param>
        public override void LoadStateDict(BinaryReader reader)
        {
            base.LoadStateDict(reader);
            LrDecay = reader.ReadDouble();
            WeightDecay = reader.ReadDouble();
            InitialAccumulatorValue = reader.ReadDouble();
            Eps = reader.ReadDouble();
            Maximize = reader.ReadBoolean();
        }

        /// <summary>Writes the options to a stream.</summary>
        /// <param name="writer">Where to.</param>
        public override void SaveStateDict(BinaryWriter writer)
        {
            base.SaveStateDict(writer);
            writer.Write(LrDecay!.Value);
            writer.Write(WeightDecay!.Value);
            writer.Write(InitialAccumulatorValue!.Value);
            writer.Write(Eps!.Value);
            writer.Write(Maximize!.Value);
        }
    }

    /// <summary>What is kept for one parameter: PyTorch's <c>step</c> and <c>sum</c>.</summary>
    public sealed class State : OptimizerState, IDisposable
    {
        private Tensor? _sum;

        internal State(Parameter parameter) : base(parameter)
        {
        }

        /// <summary>The number of steps in which the parameter had a gradient.</summary>
        public long Step { get; internal set; }

        /// <summary>The sum of squared gradients, of the shape and dtype of the parameter. The optimizer's to dispose.</summary>
        /// <exception cref="ObjectDisposedException">The state is disposed.</exception>
        public Tensor Sum => _sum ?? throw new ObjectDisposedException(nameof(State));

        /// <summary>Starts anew.</summary>
        /// <param name="options">Its <see cref="Options.InitialAccumulatorValue"/> is what the sum starts with.</param>
        public override void Initialize(OptimizerOptions options)
        {
            Dispose();
            Step = 0;
            _sum = full_like(_parameter, ((Options)options).InitialAccumulatorValue!.Value).DetachFromDisposeScope();
        }

        /// <summary>Moves the sum to a device.</summary>
        /// <param name="device">Where to.</param>
        public override void to(Device device) => StateTensor.MoveTo(ref _sum, device);

        /// <summary>Copies the state of another optimizer, converted to the dtype and device of this parameter. Nothing is shared.</summary>
        /// <param name="source">A record of Adagrad.</param>
        public override void LoadStateDict(OptimizerState source)
        {
            var other = (State)source;
            Step = other.Step;
            StateTensor.Copy(ref _sum, other.Sum, _parameter);
        }

        /// <summary>Reads the state from a stream.</summary>
        /// <param name="reader">Stands where <see cref="SaveStateDict"/> wrote.</param>
        public override void LoadStateDict(BinaryReader reader)
        {
            Step = reader.ReadInt64();
            StateTensor.Read(ref _sum, reader, _parameter);
        }

        /// <summary>Writes the state to a stream.</summary>
        /// <param name="writer">Where to.</param>
        public override void SaveStateDict(BinaryWriter writer)
        {
            writer.Write(Step);
            SaveConditionalStateTensor(writer, Sum);
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
