using System.Collections.ObjectModel;
using System.Runtime.InteropServices;
using EmbeddingWrapper.Native;
using Microsoft.Win32.SafeHandles;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Pretrained;

/// <summary>
/// A file of named tensors in the safetensors format, or a checkpoint of several such files. Opening a file reads its header and maps
/// the rest into memory: the operating system reads a page when it is used, and tensors share the pages.
/// </summary>
/// <remarks>
/// <para>
/// Tensors that were read live on after <see cref="Dispose"/>. Writing to one, training included, is private to this process and
/// never reaches the file.
/// </para>
/// <para>
/// Replacing a file, as <see cref="Save"/> does, leaves open ones alone. If a file is cut short in place while it is open, the
/// operating system ends the process at the next access: that is how mapped files work.
/// </para>
/// <para>
/// A file may be larger than the memory: the system can drop pages that were only read, and only pages that were written to take memory.
/// (Windows counts the whole file as committed memory.)
/// </para>
/// <para>
/// Members may be used from several threads at once. <see cref="Dispose"/> waits for calls that are running; later calls throw
/// <see cref="ObjectDisposedException"/>.
/// </para>
/// </remarks>
public sealed partial class SafeTensorsFile : IDisposable
{
    private readonly List<MappedFile> _mappings = [];
    private readonly Dictionary<string, (SafeTensorsEntry Entry, MappedFile Mapping, long Position)> _tensors = [];
    private readonly List<string> _names = []; // in the order of the file
    private readonly Dictionary<string, string> _metadata = [];
    private readonly string _path;
    private readonly ReadGate _gate;

    private SafeTensorsFile(string path)
    {
        _path = path;
        _gate = new ReadGate(this);
    }

    /// <summary>Opens a file.</summary>
    /// <param name="path">
    /// A safetensors file, or the index of a checkpoint in several files, <c>model.safetensors.index.json</c>: a path that ends in
    /// <c>.json</c> is read as an index, and the files that it names are opened as one. They are in its folder.
    /// </param>
    /// <returns>The open file. The caller disposes it.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="path"/> is null.</exception>
    /// <exception cref="FileNotFoundException">The file, or a file that the index names, does not exist.</exception>
    /// <exception cref="InvalidDataException">
    /// The file is damaged; the message names it, the byte and the fault. Or it has another format; the message says which.
    /// </exception>
    /// <exception cref="IOException">The file cannot be read or mapped, or it is a pipe, a device or a socket.</exception>
    /// <exception cref="ArgumentException"><paramref name="path"/> is empty or no path.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    public static SafeTensorsFile Open(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        var file = new SafeTensorsFile(path);
        try
        {
            if (path.EndsWith(".json", StringComparison.OrdinalIgnoreCase)) file.AddAll(ReadIndex(path));
            else file.Add(path);
            file.AddTiedNames();
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The names of the tensors, in the order of the file, or of the index. The other names of tied tensors come last: those that
    /// <see cref="Save"/> and Python's <c>save_model</c> recorded in <see cref="Metadata"/>.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The file is disposed.</exception>
    public IReadOnlyCollection<string> Names
    {
        get
        {
            ObjectDisposedException.ThrowIf(_gate.IsClosed, this);
            return _names.AsReadOnly();
        }
    }

    /// <summary>
    /// The texts that the file holds beside its tensors. A checkpoint in several files has the texts of all files and those of the
    /// index; the numbers of an index (<c>total_size</c>) are given as text.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The file is disposed.</exception>
    public IReadOnlyDictionary<string, string> Metadata
    {
        get
        {
            ObjectDisposedException.ThrowIf(_gate.IsClosed, this);
            return new ReadOnlyDictionary<string, string>(_metadata);
        }
    }

    /// <summary>Gives a tensor over the mapped pages. Nothing is copied, and a page is read when it is used.</summary>
    /// <remarks>
    /// A tensor is copied if its first byte is not at a multiple of the size of its elements. The reference implementation and
    /// <see cref="Save"/> write no such tensors.
    /// </remarks>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <returns>A new tensor on the CPU, of the file's shape and dtype. The caller disposes it, before or after the file.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="KeyNotFoundException">There is no tensor of that name.</exception>
    /// <exception cref="NotSupportedException">TorchSharp lacks the dtype: U16, U32, U64 and the floats of 8 bits or less.</exception>
    /// <exception cref="ObjectDisposedException">The file is disposed.</exception>
    public Tensor Read(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        using ReadGate.Reading reading = _gate.Enter();
        if (!_tensors.TryGetValue(name, out var tensor))
            throw new KeyNotFoundException($"{_path} holds no tensor {FileFault.Quote(name)}.");
        SafeTensorsEntry entry = tensor.Entry;
        if (entry.Type.Dtype is not ScalarType dtype)
        {
            throw new NotSupportedException(
                $"{_path}: the tensor {FileFault.Quote(name)} is of type {entry.Type.Name}, which TorchSharp does not have.");
        }
        if (entry.Start == entry.End) return empty(entry.Shape, dtype, CPU);
        return tensor.Mapping.Read(dtype, tensor.Position, entry.Shape);
    }

    /// <summary>Reads a tensor that must exist and have this dtype and number of dimensions.</summary>
    /// <exception cref="InvalidDataException">It does not.</exception>
    internal Tensor ReadAs(string name, ScalarType dtype, int dimensions)
    {
        if (!_tensors.TryGetValue(name, out var tensor)) throw FileFault.AtByte(_path, 0, $"there is no tensor {FileFault.Quote(name)}.");
        SafeTensorsEntry entry = tensor.Entry;
        if (entry.Type.Dtype != dtype || entry.Shape.Length != dimensions)
        {
            throw FileFault.AtByte(_path, entry.Place,
                $"{FileFault.Quote(name)} is {entry.Type.Name} of {entry.Shape.Length} dimensions, and should be {dtype} of {dimensions}.");
        }
        return Read(name);
    }

    /// <summary>Gives all tensors, as <c>load_state_dict</c> takes them.</summary>
    /// <returns>
    /// All tensors by name, each as <see cref="Read"/> gives it. The names of a tied tensor have different objects over the same memory. The caller
    /// disposes the tensors.
    /// </returns>
    /// <exception cref="NotSupportedException">TorchSharp lacks the dtype of one of them.</exception>
    /// <exception cref="ObjectDisposedException">The file is disposed.</exception>
    public Dictionary<string, Tensor> ReadAll()
    {
        ObjectDisposedException.ThrowIf(_gate.IsClosed, this);
        var tensors = new Dictionary<string, Tensor>();
        try
        {
            foreach (string name in _names)
            {
                string kept = _tensors[name].Entry.Name;
                tensors.Add(name, kept != name && tensors.TryGetValue(kept, out Tensor? tied) ? tied.alias() : Read(name));
            }
            return tensors;
        }
        catch
        {
            foreach (Tensor tensor in tensors.Values) tensor.Dispose();
            throw;
        }
    }

    /// <summary>Closes the file. Tensors that were read stay valid; the last of them releases the mapping.</summary>
    public void Dispose()
    {
        if (!_gate.Close()) return;
        foreach (MappedFile mapping in _mappings) mapping.Dispose();
    }

    private void Add(string path)
    {
        (SafeTensorsHeader header, MappedFile mapping) = Map(path);
        foreach (SafeTensorsEntry entry in header.Entries)
        {
            _names.Add(entry.Name);
            _tensors.Add(entry.Name, (entry, mapping, header.DataStart + entry.Start));
        }
    }

    private void AddAll(SafeTensorsIndex index)
    {
        string folder = Path.GetDirectoryName(_path)!;
        _names.AddRange(index.Files.Select(file => file.Tensor));
        foreach (var shard in index.Files.GroupBy(file => file.File))
        {
            (SafeTensorsHeader header, MappedFile mapping) = Map(Path.Combine(folder, shard.Key));
            Dictionary<string, SafeTensorsEntry> entries = header.Entries.ToDictionary(entry => entry.Name);
            foreach ((string name, string file, long place) in shard)
            {
                if (!entries.TryGetValue(name, out SafeTensorsEntry? entry))
                    throw FileFault.AtByte(_path, place, $"{FileFault.Quote(name)} is said to be in {FileFault.Quote(file)}, and is not.");
                _tensors.Add(name, (entry, mapping, header.DataStart + entry.Start));
            }
        }
        foreach ((string key, string value) in index.Metadata) _metadata[key] = value;
    }

    /// <summary>
    /// Adds the other names of tied tensors. Python's <c>save_model</c> and <see cref="Save"/> write a tied tensor once, and a text under
    /// each other name that holds the name that was kept.
    /// </summary>
    private void AddTiedNames()
    {
        List<string> tied = [];
        foreach ((string name, string kept) in _metadata)
        {
            if (name == "format" && kept == "pt") continue; // many writers mark their files like that
            if (!_tensors.ContainsKey(name) && _tensors.ContainsKey(kept)) tied.Add(name);
        }
        foreach (string name in tied) _tensors.Add(name, _tensors[_metadata[name]]);
        _names.AddRange(tied);
    }

    /// <summary>Parses and maps the same open file: another one may take its name at any time.</summary>
    private (SafeTensorsHeader Header, MappedFile Mapping) Map(string path)
    {
        using SafeFileHandle file = RegularFile.OpenRead(path);
        long length = RandomAccess.GetLength(file);
        Span<byte> prefix = stackalloc byte[SafeTensorsHeader.PrefixLength];
        prefix = prefix[..RegularFile.Read(file, prefix, 0)];
        SafeTensorsHeader header;
        try
        {
            int jsonLength = SafeTensorsHeader.Length(prefix, length, path);
            header = Parse(file, prefix.Length, jsonLength, path, json => new SafeTensorsHeader(json, length, path));
        }
        catch (InvalidDataException error) when (NameForeignFormat(file, SafeTensorsHeader.PrefixLength, path) is { } foreign)
        {
            throw new InvalidDataException(foreign, error);
        }
        foreach ((string key, string value) in header.Metadata) _metadata[key] = value;
        var mapping = new MappedFile(file, length, path);
        _mappings.Add(mapping);
        return (header, mapping);
    }

    private static SafeTensorsIndex ReadIndex(string path)
    {
        using SafeFileHandle file = RegularFile.OpenRead(path);
        long length = RandomAccess.GetLength(file);
        if (length > SafeTensorsHeader.Longest)
            throw FileFault.AtByte(path, 0, $"the index has {length} bytes, and {SafeTensorsHeader.Longest} is the limit.");
        try
        {
            return Parse(file, 0, (int)length, path, json => new SafeTensorsIndex(json, path));
        }
        catch (InvalidDataException error) when (NameForeignFormat(file, 0, path) is { } foreign)
        {
            throw new InvalidDataException(foreign, error);
        }
    }

    private delegate T Parser<T>(ReadOnlySpan<byte> json);

    /// <summary>Parses a part of a file, in memory that is freed at once: the garbage collector would keep up to 100 MB.</summary>
    private static unsafe T Parse<T>(SafeFileHandle file, long start, int length, string path, Parser<T> parse)
    {
        void* memory = NativeMemory.Alloc((nuint)length);
        try
        {
            var json = new Span<byte>(memory, length);
            int read = RegularFile.Read(file, json, start);
            if (read < length) throw FileFault.AtByte(path, start + read, "the file has become shorter.");
            return parse(json);
        }
        finally
        {
            NativeMemory.Free(memory);
        }
    }

    /// <param name="file">A damaged file.</param>
    /// <param name="jsonStart">Where its JSON should start.</param>
    /// <param name="path">Its name.</param>
    /// <returns>The message for a file of another format, or null if it is a damaged file of this one.</returns>
    private static string? NameForeignFormat(SafeFileHandle file, int jsonStart, string path)
    {
        Span<byte> start = stackalloc byte[ForeignFormat.StartLength];
        start = start[..RegularFile.Read(file, start, 0)];
        if (start.Length > jsonStart && start[jsonStart] == '{') return null;
        string? what = ForeignFormat.Of(start) ?? ForeignFormat.Packed(start);
        if (what is null && start.Length > 8 && !start.ContainsAnyInRange<byte>(0, 8) && !start.ContainsAnyInRange<byte>(0xF5, 0xFF))
            what = "text; WordVectors.Load reads vectors of words";
        return what is null ? null : FileFault.AtByte(path, 0, $"this is {what}.").Message;
    }
}
