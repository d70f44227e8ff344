using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Optim;

public sealed partial class SparseAdam
{
    /// <summary>The options of a group. Null: the optimizer's default, filled in when the group is added.</summary>
    public sealed class Options : OptimizerOptions, IStepOptions
    {
        /// <summary>The decay of the running mean of gradients.</summary>
        public double? Beta1 { get; set; }

        /// <summary>The decay of the running mean of their squares.</summary>
        public double? Beta2 { get; set; }

        /// <summary>Added to the denominator.</summary>
        public double? Eps { get; set; }

        /// <summary>Whether to step up the gradient.</summary>
        public bool? Maximize { get; set; }

        bool IStepOptions.IsComplete =>
            LearningRate is not null && Beta1 is not null && Beta2 is not null && Eps is not null && Maximize is not null;

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
        /// <exception cref="ArgumentNullException"><paramref name="source"/> is null.</exception>
        /// <exception cref="ArgumentException"><paramref name="source"/> is a record of something else.</exception>
        public override void LoadStateDict(OptimizerOptions source)
        {
            var other = StateTensor.RequireKind<Options>(source, nameof(source));
            base.LoadStateDict(source);
            (Beta1, Beta2, Eps, Maximize) = (other.Beta1, other.Beta2, other.Eps, other.Maximize);
        }

        /// <summary>Reads the options from a stream.</summary>
        /// <param name="reader">Stands where <see cref="SaveStateDict"/> wrote.</param>
        /// <exception cref="ArgumentNullException"><paramref name="reader"/> is null.</exception>
        public override void LoadStateDict(BinaryReader reader)
        {
            ArgumentNullException.ThrowIfNull(reader);
            base.LoadStateDict(reader);
            Beta1 = reader.ReadDouble();
            Beta2 = reader.ReadDouble();
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
            writer.Write(Beta1!.Value);
            writer.Write(Beta2!.Value);
            writer.Write(Eps!.Value);
            writer.Write(Maximize!.Value);
        }
    }

    /// <summary>What is kept for one parameter: PyTorch's <c>step</c>, <c>exp_avg</c> and <c>exp_avg_sq</c>.</summary>
    public sealed class State : OptimizerState, IStepState, IDisposable
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

        Tensor?[] IStepState.Tensors
        {
            get
            {
                bool none = Step == 0 && _expAvg is null && _expAvgSq is null;
                return none ? [null, null] : [StateTensor.ThrowIfDisposed(_expAvg), StateTensor.ThrowIfDisposed(_expAvgSq)];
            }
        }

        /// <summary>Counts a step, and makes the moments at the first one.</summary>
        internal void Start()
        {
            Step++;
            _expAvg ??= zeros_like(_parameter).DetachFromDisposeScope();
            _expAvgSq ??= zeros_like(_parameter).DetachFromDisposeScope();
        }

        /// <summary>Forgets everything, as before the first step.</summary>
        /// <param name="options">Not needed here.</param>
        /// <exception cref="ArgumentNullException"><paramref name="options"/> is null.</exception>
        /// <exception cref="ArgumentException"><paramref name="options"/> is a record of something else.</exception>
        public override void Initialize(OptimizerOptions options)
        {
            StateTensor.RequireKind<Options>(options, nameof(options));
            Set(0, [null, null]);
        }

        /// <summary>Moves the moments to a device.</summary>
        /// <param name="device">Where to.</param>
        /// <exception cref="ArgumentNullException"><paramref name="device"/> is null.</exception>
        public override void to(Device device)
        {
            ArgumentNullException.ThrowIfNull(device);
            Set(Step, StateTensor.Make(_parameter, () => [StateTensor.To(_expAvg, device), StateTensor.To(_expAvgSq, device)]));
        }

        /// <summary>Copies the state of another optimizer, converted to the dtype and device of this parameter. Nothing is shared.</summary>
        /// <param name="source">A record of SparseAdam.</param>
        /// <exception cref="ArgumentNullException"><paramref name="source"/> is null.</exception>
        /// <exception cref="ArgumentException"><paramref name="source"/> is a record of something else.</exception>
        /// <exception cref="ObjectDisposedException"><paramref name="source"/> is disposed.</exception>
        public override void LoadStateDict(OptimizerState source)
        {
            var other = StateTensor.RequireKind<State>(source, nameof(source));
            Tensor?[] tensors = ((IStepState)other).Tensors;
            Set(other.Step, StateTensor.Make(_parameter, () => [.. tensors.Select(tensor => StateTensor.CopyOf(tensor, _parameter))]));
        }

        /// <summary>Reads the state from a stream.</summary>
        /// <param name="reader">Stands where <see cref="SaveStateDict"/> wrote.</param>
        /// <exception cref="ArgumentNullException"><paramref name="reader"/> is null.</exception>
        public override void LoadStateDict(BinaryReader reader)
        {
            ArgumentNullException.ThrowIfNull(reader);
            long step = reader.ReadInt64();
            Set(step, StateTensor.Make(_parameter, () => [StateTensor.Read(reader, _parameter), StateTensor.Read(reader, _parameter)]));
        }

        /// <summary>Writes the state to a stream.</summary>
        /// <param name="writer">Where to.</param>
        /// <exception cref="ArgumentNullException"><paramref name="writer"/> is null.</exception>
        /// <exception cref="ObjectDisposedException">The state is disposed.</exception>
        public override void SaveStateDict(BinaryWriter writer)
        {
            ArgumentNullException.ThrowIfNull(writer);
            Tensor?[] tensors = ((IStepState)this).Tensors;
            writer.Write(Step);
            foreach (Tensor? tensor in tensors) SaveConditionalStateTensor(writer, tensor);
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

        private void Set(long step, Tensor?[] tensors)
        {
            Dispose();
            (Step, _expAvg, _expAvgSq) = (step, tensors[0], tensors[1]);
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
        /// <exception cref="InvalidOperationException">One is open, and the group was not added to an optimizer.</exception>
        public (double, double) Betas
        {
            get => Options is { Beta1: double beta1, Beta2: double beta2 }
                ? (beta1, beta2) : throw new InvalidOperationException("The betas are open: they are filled in when the group is added.");
            set => (Options.Beta1, Options.Beta2) = (value.Item1, value.Item2);
        }
    }
}
