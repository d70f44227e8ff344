using System.Runtime.InteropServices;
using EmbeddingWrapper.Native;

namespace EmbeddingWrapper.Optim;

// State files. TorchSharp's methods are not virtual: they write the type's name and two counts, and then go through the records. So the
// first record writes and reads all the rest.
public abstract partial class SparseOptimizer
{
    private readonly Dictionary<object, int> _rest = []; // by stream: the records that TorchSharp's method still has to go through

    /// <summary>
    /// Saves the options of all groups and the state of all parameters. An existing file is replaced when the new one is complete. A link
    /// stays, and its target is replaced.
    /// </summary>
    /// <param name="location">The path of the file.</param>
    /// <exception cref="ArgumentNullException"><paramref name="location"/> is null.</exception>
    /// <exception cref="InvalidOperationException">An option is null.</exception>
    /// <exception cref="IOException">The file cannot be written, or it is a pipe or a device.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written.</exception>
    /// <exception cref="ObjectDisposedException">The optimizer, a parameter or the state of one is disposed.</exception>
    public new void save_state_dict(string location)
    {
        ArgumentNullException.ThrowIfNull(location);
        AliveParameters();
        AtomicFile.Write(location, file => save_state_dict(new BinaryWriter(file)));
    }

    /// <summary>Writes what <see cref="save_state_dict(string)"/> saves.</summary>
    /// <param name="writer">The destination. It is not disposed.</param>
    /// <exception cref="ArgumentNullException"><paramref name="writer"/> is null.</exception>
    /// <exception cref="InvalidOperationException">An option is null, or libtorch cannot read a tensor of the state.</exception>
    /// <exception cref="ObjectDisposedException">The optimizer, a parameter or the state of one is disposed.</exception>
    public new void save_state_dict(BinaryWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        base.save_state_dict(writer);
    }

    /// <summary>Loads what <see cref="save_state_dict(string)"/> of the same type of optimizer has written.</summary>
    /// <param name="location">The path of the file.</param>
    /// <inheritdoc cref="load_state_dict(BinaryReader)"/>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public new void load_state_dict(string location)
    {
        ArgumentNullException.ThrowIfNull(location);
        AliveParameters();
        using var reader = new BinaryReader(File.OpenRead(location));
        load_state_dict(reader);
    }

    /// <summary>
    /// Loads what an optimizer of the same type has written, with as many groups and with parameters of the same shapes and dtypes.
    /// </summary>
    /// <param name="reader">At the place where <see cref="save_state_dict(BinaryWriter)"/> began to write.</param>
    /// <exception cref="ArgumentNullException">The argument is null.</exception>
    /// <exception cref="InvalidDataException">
    /// The data is damaged or cut, or was not written by the same type of optimizer with the same groups, shapes and dtypes. Nothing is
    /// changed then.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The optimizer or one of its parameters is disposed.</exception>
    public new void load_state_dict(BinaryReader reader)
    {
        ArgumentNullException.ThrowIfNull(reader);
        AliveParameters();
        try
        {
            base.load_state_dict(reader);
        }
        catch (Exception error) when (error is EndOfStreamException or FormatException or ArgumentException)
        {
            throw new InvalidDataException($"This is no state of an optimizer with the same groups: {error.Message}", error);
        }
    }

    internal static SparseOptimizer RequireOwner(SparseOptimizer? owner) =>
        owner ?? throw new InvalidOperationException("The record belongs to no optimizer. Save and load the state of an optimizer.");

    internal void SaveRecord(object record, BinaryWriter writer) => Through(record, writer, () => StateFile.Write(this, writer));

    internal void LoadRecord(object record, BinaryReader reader)
    {
        Through(record, reader, () =>
        {
            using StagedState staged = StateFile.Read(this, reader);
            staged.TakeOver();
        });
    }

    private void Through(object record, object stream, Action all)
    {
        lock (_stepLock)
        {
            if (!_rest.ContainsKey(stream)) // groups may share their options, so the first record may come again
            {
                if (!ReferenceEquals(record, _parameter_groups[0].Options))
                {
                    throw new InvalidOperationException(
                        "One record has no file of its own. Save and load the state of the whole optimizer.");
                }
                try
                {
                    all();
                }
                catch (ExternalException error)
                {
                    throw NativeErrors.Translate(error);
                }
                StateDictionary records = state_dict();
                _rest[stream] = records.Options.Count + records.State.Count;
            }
            if (--_rest[stream] == 0) _rest.Remove(stream);
        }
    }
}
