using System.Runtime.CompilerServices;
using TorchSharp.Modules;

namespace EmbeddingWrapper.Optim;

/// <summary>
/// The options of a group, with PyTorch's names. Null means that the optimizer's default is filled in when the group is added.
/// </summary>
/// <remarks>
/// The names are PyTorch's, as in TorchSharp's own optimizers, because tools such as TorchSharp.PyBridge find the options by name and write
/// these names to files. Such tools also set every other property and field that reflection finds in a derived record. So the values
/// are kept in private fields of this class, and the derived records have no members besides the options.
/// </remarks>
public abstract class SparseOptimizerOptions : OptimizerOptions
{
    private readonly OrderedDictionary<string, double?> _numbers = [];
    private readonly OrderedDictionary<string, bool?> _flags = [];
    private SparseOptimizer? _owner;

    /// <param name="numbers">The names of the options that are numbers, besides the learning rate.</param>
    /// <param name="flags">The names of those that are true or false, besides <see cref="maximize"/>.</param>
    private protected SparseOptimizerOptions(string[] numbers, params string[] flags)
    {
        foreach (string name in numbers) _numbers[name] = null;
        foreach (string name in flags) _flags[name] = null;
        _flags[nameof(maximize)] = null;
    }

    /// <summary>Whether to step up the gradient.</summary>
    public bool? maximize { get => Flag(); set => SetFlag(value); }

    private protected double? Number([CallerMemberName] string name = "") => _numbers[name];

    private protected void SetNumber(double? value, [CallerMemberName] string name = "") => _numbers[name] = value;

    private protected bool? Flag([CallerMemberName] string name = "") => _flags[name];

    private protected void SetFlag(bool? value, [CallerMemberName] string name = "") => _flags[name] = value;

    /// <summary>Whether every option has a value. A caller may set one to null after the group was added.</summary>
    internal bool IsComplete() => LearningRate is not null && !_numbers.Values.Contains(null) && !_flags.Values.Contains(null);

    /// <summary>Whether libtorch may refuse a number: some dtype does not hold it, or 1 less it.</summary>
    internal virtual bool HasLargeNumber() => IsLarge(LearningRate) || _numbers.Values.Any(IsLarge);

    private static bool IsLarge(double? number) => !(Math.Abs(number ?? 0) <= 32768); // the largest float16 is 65504

    /// <summary>Makes these the options of a group of an optimizer.</summary>
    internal void Join(SparseOptimizer owner, SparseOptimizerOptions defaults)
    {
        _owner = owner;
        LearningRate ??= defaults.LearningRate;
        InitialLearningRate = LearningRate!.Value;
        foreach ((string name, double? value) in defaults._numbers) _numbers[name] ??= value;
        foreach ((string name, bool? value) in defaults._flags) _flags[name] ??= value;
    }

    /// <summary>All options by PyTorch's names; each is a double or a bool.</summary>
    internal IEnumerable<KeyValuePair<string, object?>> All() =>
    [
        new("lr", LearningRate),
        new("initial_lr", InitialLearningRate),
        .. _numbers.Select(option => new KeyValuePair<string, object?>(option.Key, option.Value)),
        .. _flags.Select(option => new KeyValuePair<string, object?>(option.Key, option.Value)),
    ];

    /// <summary>Sets all options, in the order of <see cref="All"/>. A flag is 0 or 1.</summary>
    internal void SetAll(double[] values)
    {
        (LearningRate, InitialLearningRate) = (values[0], values[1]);
        int next = 2;
        foreach (string name in _numbers.Keys.ToArray()) _numbers[name] = values[next++];
        foreach (string name in _flags.Keys.ToArray()) _flags[name] = values[next++] != 0;
    }

    /// <summary>Copies the options of another record.</summary>
    /// <param name="source">A record of the same optimizer.</param>
    /// <exception cref="ArgumentNullException"><paramref name="source"/> is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="source"/> is a record of another optimizer.</exception>
    public override void LoadStateDict(OptimizerOptions source)
    {
        var other = (SparseOptimizerOptions)SparseOptimizerState.RequireKind(GetType().DeclaringType!, source, nameof(source));
        base.LoadStateDict(source);
        foreach ((string name, double? value) in other._numbers) _numbers[name] = value;
        foreach ((string name, bool? value) in other._flags) _flags[name] = value;
    }

    /// <summary>
    /// Reads the state of the whole optimizer if these are the options of the first group. TorchSharp's <c>load_state_dict</c> calls this.
    /// </summary>
    /// <param name="reader">At the place where <see cref="SaveStateDict"/> began to write.</param>
    /// <exception cref="ArgumentNullException"><paramref name="reader"/> is null.</exception>
    /// <exception cref="InvalidDataException">The stream holds something else. Nothing is changed then.</exception>
    /// <exception cref="InvalidOperationException">The call is not a part of loading an optimizer.</exception>
    public override void LoadStateDict(BinaryReader reader)
    {
        ArgumentNullException.ThrowIfNull(reader);
        SparseOptimizer.RequireOwner(_owner).LoadRecord(this, reader);
    }

    /// <summary>
    /// Writes the state of the whole optimizer if these are the options of the first group. TorchSharp's <c>save_state_dict</c> calls this.
    /// </summary>
    /// <param name="writer">The destination.</param>
    /// <exception cref="ArgumentNullException"><paramref name="writer"/> is null.</exception>
    /// <exception cref="InvalidOperationException">
    /// An option is null, or the call is not a part of saving an optimizer. Nothing is written then.
    /// </exception>
    public override void SaveStateDict(BinaryWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        SparseOptimizer.RequireOwner(_owner).SaveRecord(this, writer);
    }
}
