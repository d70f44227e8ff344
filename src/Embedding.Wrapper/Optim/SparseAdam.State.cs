using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Optim;

public sealed partial class SparseAdam
{
    /// <summary>The options of a group. Null: the optimizer's default, filled in when the group is added.</summary>
    public sealed class Options : OptimizerOptions
    {
        /// <summary>The decay of the running mean of gradients.</summary>
        public double? Beta1 { get; set; }

        /// <summary>The decay of the running mean of their squares.</summary>
        public double? Beta2 { get; set; }

        /// <summary>Added to the denominator.</summary>
        public double? Eps { get; set; }

        /// <summary>Whether to step up the gradient.</summary>
        public bool? Maximize { get; set; }

        internal void FillFrom(Options defaults)
        {
            LearningRate ??= defaults.LearningRate;
            InitialLearningRate = LearningRate!.Value;
            Beta1 ??= defaults.Beta1;
            Beta2 ??= defaults.Beta2;
            Eps ??= defaults.Eps;
            Maximize ??= defaults.Maximize;
        }

        /// <summary>Takes the options over from another record.</summary>
        /// <param name="source">A record of SparseAdam.</param>
        public override void LoadStateDict(OptimizerOptions source)
        {
            base.LoadStateDict(source);
            var other = (Options)source;
            (Beta1, Beta2, Eps, Maximize) = (other.Beta1, other.Beta2, other.Eps, other.Maximize);
        }

        /// <summary>Reads the options from a stream.</summary>
        /// <param name="reader">Stands where <see cref="SaveStateDict"/> wrote.</param>
        public override void LoadStateDict(BinaryReader reader)
        {
            base.LoadStateDict(reader);
            Beta1 = reader.ReadDouble();
            Beta2 = reader.ReadDouble();
            Eps = reader.ReadDouble();
            Maximize = reader.ReadBoolean();
        }

        /// <summary>Writes the options to a stream.</summary>
        /// <param name="writer">Where to.</param>
        public override void SaveStateDict(BinaryWriter writer)
        {
            base.SaveStateDict(writer);
            writer.Write(Beta1!.Value);
            writer.Write(Beta2!.Value);
            writer.Write(Eps!.Value);
            writer.Write(Maximize!.Value);
        }
    }

    /// <summary>What is kept for one parameter: PyTorch's <c>step</c>, <c>exp_avg</c> and <c>exp_avg_sq</c>.</summary>
    public sealed class State : OptimizerState, IDisposable
    {
        private Tensor? _expAvg, _expAvgSq;

        internal State(Parameter parameter) : base(parameter)
        {
        }

        /// <summary>The number of steps in which the parameter had a gradient.</summary>
        public long Step { get; private set; }

        /// <summary>
        /// The running mean of gradients, of the shape and dtype of the parameter; null before the first step. The optimizer's to dispose.
        /// </summary>
        public Tensor? ExpAvg => _expAvg;

        /// <summary>The running mean of squared gradients, of the same shape and dtype; otherwise as <see cref="ExpAvg"/>.</summary>
        public Tensor? ExpAvgSq => _expAvgSq;

        /// <summary>Counts a step, and makes the moments at the first one.</summary>
        internal void Start()
        {
            Step++;
            _expAvg ??= zeros_like(_parameter).DetachFromDisposeScope();
            _expAvgSq ??= zeros_like(_parameter).DetachFromDisposeScope();
        }

        /// <summary>Forgets everything, as before the first step.</summary>
        /// <param name="options">Not needed here.</param>
        public override void Initialize(OptimizerOptions options)
        {
            Dispose();
            Step = 0;
        }

        /// <summary>Moves the moments to a device.</summary>
        /// <param name="device">Where to.</param>
        public override void to(Device device)
        {
            StateTensor.MoveTo(ref _expAvg, device);
            StateTensor.MoveTo(ref _expAvgSq, device);
        }

        /// <summary>Copies the state of another optimizer, converted to the dtype and device of this parameter. Nothing is shared.</summary>
        /// <param name="source">A record of SparseAdam.</param>
        public override void LoadStateDict(OptimizerState source)
        {
            var other = (State)source;
            Step = other.Step;
            StateTensor.Copy(ref _expAvg, other._expAvg, _parameter);
            StateTensor.Copy(ref _expAvgSq, other._expAvgSq, _parameter);
        }

        /// <summary>Reads the state from a stream.</summary>
        /// <param name="reader">Stands where <see cref="SaveStateDict"/> wrote.</param>
        public override void LoadStateDict(BinaryReader reader)
        {
            Step = reader.ReadInt64();
            StateTensor.Read(ref _expAvg, reader, _parameter);
            StateTensor.Read(ref _expAvgSq, reader, _parameter);
        }

        /// <summary>Writes the state to a stream.</summary>
        /// <param name="writer">Where to.</param>
        public override void SaveStateDict(BinaryWriter writer)
        {
            writer.Write(Step);
            SaveConditionalStateTensor(writer, _expAvg);
            SaveConditionalStateTensor(writer, _expAvgSq);
        }

        /// <summary>Whether two states are nearly the same.</summary>
        /// <param name="other">The other one.</param>
        /// <returns>True where the steps are equal and the moments close.</returns>
        public override bool ApproximatelyEquals(OptimizerState other) =>
            other is State state && Step == state.Step
            && StateTensor.AreClose(_expAvg, state._expAvg) && StateTensor.AreClose(_expAvgSq, state._expAvgSq);

        /// <summary>Disposes the moments.</summary>
        public void Dispose()
        {
            _expAvg?.Dispose();
            _expAvgSq?.Dispose();
            _expAvg = _expAvgSq = null;
        }
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

        /// <summary>The group's (beta1, beta2), for schedulers that turn them.</summary>
        public (double, double) Betas
        {
            get => (Options.Beta1!.Value, Options.Beta2!.Value);
            set => (Options.Beta1, Options.Beta2) = (value.Item1, value.Item2);
        }
    }
}
