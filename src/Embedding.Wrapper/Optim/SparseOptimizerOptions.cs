using System.Runtime.CompilerServices;
using TorchSharp.Modules;

namespace EmbeddingWrapper.Optim;

/// <summary>The options of a group. Null means that the optimizer's default is filled in when the group is added.</summary>
public abstract class SparseOptimizerOptions : OptimizerOptions
{
    private readonly OrderedDictionary<string, double?> _numbers = [];
    private readonly OrderedDictionary<string, bool?> _flags = [];

    /// <param name="numbers">The names of the options that are numbers, besides the learning rate.</param>
    /// <param name="flags">The names of those that are true or false, besides <see cref="Maximize"/>.</param>
    private protected SparseOptimizerOptions(string[] numbers, params string[] flags)
    {
        foreach (string name in numbers) _numbers[name] = null;
        foreach (string name in flags) _flags[name] = null;
        _flags[nameof(Maximize)] = null;
    }

    /// <summary>Whether to step up the gradient.</summary>
    public bool? Maximize { get => Flag(); set => SetFlag(value); }

    /// <summary>Whether every option has a value. A caller may set one to null after the group was added.</summary>
    internal bool IsComplete => LearningRate is not null && !_numbers.Values.Contains(null) && !_flags.Values.Contains(null);

    private protected double? Number([CallerMemberName] string name = "") => _numbers[name];

    private protected void SetNumber(double? value, [CallerMemberName] string name = "") => _numbers[name] = value;

    private protected bool? Flag([CallerMemberName] string name = "") => _flags[name];

    private protected void SetFlag(bool? value, [CallerMemberName] string name = "") => _flags[name] = value;

    internal void FillFrom(SparseOptimizerOptions defaults)
    {
        LearningRate ??= defaults.LearningRate;
        InitialLearningRate = LearningRate!.Value;
        foreach ((string name, double? value) in defaults._numbers) _numbers[name] ??= value;
        foreach ((string name, bool? value) in defaults._flags) _flags[name] ??= value;
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

    /// <summary>Reads the options from a stream.</summary>
    /// <param name="reader">Stands where <see cref="SaveStateDict"/> wrote.</param>
    /// <exception cref="ArgumentNullException"><paramref name="reader"/> is null.</exception>
    public override void LoadStateDict(BinaryReader reader)
    {
        ArgumentNullException.ThrowIfNull(reader);
        base.LoadStateDict(reader);
        foreach (string name in _numbers.Keys.ToArray()) _numbers[name] = reader.ReadDouble();
        foreach (string name in _flags.Keys.ToArray()) _flags[name] = reader.ReadBoolean();
    }

    /// <summary>Writes the options to a stream.</summary>
    /// <param name="writer">The destination.</param>
    /// <exception cref="ArgumentNullException"><paramref name="writer"/> is null.</exception>
    /// <exception cref="InvalidOperationException">An option is null. Nothing is written then.</exception>
    public override void SaveStateDict(BinaryWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        if (!IsComplete)
            throw new InvalidOperationException("An option is open: it is filled in when the group is added to an optimizer.");
        base.SaveStateDict(writer);
        foreach (double? value in _numbers.Values) writer.Write(value!.Value);
        foreach (bool? value in _flags.Values) writer.Write(value!.Value);
    }
}
