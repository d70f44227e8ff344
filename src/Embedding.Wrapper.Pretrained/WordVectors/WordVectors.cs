using System.Collections.ObjectModel;
using System.Runtime.InteropServices;
using EmbeddingWrapper.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Pretrained;

/// <summary>
/// Words and their vectors. <c>Load</c> reads GloVe's text, word2vec's text (also fastText's <c>.vec</c>) and word2vec's binary
/// format, plain or compressed as <c>.gz</c>, <c>.bz2</c> or <c>.zip</c>, and the files that <see cref="Save"/> writes.
/// </summary>
/// <remarks>
/// Several threads may use the members at the same time, as long as no thread writes to <see cref="Vectors"/>. <see cref="Dispose"/> waits
/// for calls that are running; later calls throw <see cref="ObjectDisposedException"/>. The tensor returned by <see cref="Vectors"/> is not
/// protected in this way: dispose this object after the last use of the tensor.
/// </remarks>
public sealed partial class WordVectors : IDisposable
{
    private readonly ReadOnlyCollection<string> _words;
    private readonly Dictionary<string, int> _indices;
    private readonly Tensor _vectors;
    private readonly long _dimensions;
    private readonly int _duplicateCount;
    private readonly int _skippedCount;
    private readonly ReadGate _gate;

    /// <summary>Becomes the owner of all arguments.</summary>
    internal WordVectors(List<string> words, Dictionary<string, int> indices, Tensor vectors, int duplicateCount, int skippedCount)
    {
        _words = words.AsReadOnly();
        _indices = indices;
        _vectors = vectors;
        _dimensions = vectors.size(1);
        _duplicateCount = duplicateCount;
        _skippedCount = skippedCount;
        _gate = new ReadGate(this);
    }

    /// <summary>
    /// Words with vectors that exist already, so that vectors have neighbours and can be saved after training:
    /// <c>new WordVectors(words, embedding.Weight)</c>. Nothing is copied. <see cref="Vectors"/> is a new tensor without gradients over the
    /// memory of <paramref name="vectors"/>, so a write to either shows in both.
    /// </summary>
    /// <remarks>
    /// The memory is that of the time of the call. After <c>embedding.to(...)</c> or the assignment of another weight, make a new object.
    /// </remarks>
    /// <param name="words">A word for each row, in the order of the rows. They are read once, now.</param>
    /// <param name="vectors">
    /// The table, float32 <c>[words, D]</c>, with or without gradients, on any device. The tensor object stays the caller's to use and to
    /// dispose.
    /// </param>
    /// <exception cref="ArgumentNullException"><paramref name="words"/> or <paramref name="vectors"/> is null.</exception>
    /// <exception cref="ArgumentException">
    /// A word is null or occurs twice, there are more or fewer words than rows, or <paramref name="vectors"/> is not 2-dimensional, not float32
    /// (convert it with <c>to(float32)</c>), sparse, lazily negated, or on the meta device.
    /// </exception>
    /// <exception cref="ObjectDisposedException"><paramref name="vectors"/> is disposed.</exception>
    public WordVectors(IEnumerable<string> words, Tensor vectors)
    {
        ArgumentNullException.ThrowIfNull(words);
        Guard.ThrowIfNullOrDisposed(vectors);
        if (vectors.dim() != 2)
            throw new ArgumentException($"The vectors must be 2-dimensional, and have {vectors.dim()} dimensions.", nameof(vectors));
        if (vectors.dtype != ScalarType.Float32)
            throw new ArgumentException($"The vectors must be Float32, and are {vectors.dtype}.", nameof(vectors));
        if (vectors.is_sparse || vectors.device_type == DeviceType.META || vectors.is_neg())
        {
            throw new ArgumentException(
                "The vectors must be a dense tensor with memory: not sparse, lazily negated, or on the meta device.", nameof(vectors));
        }
        if (vectors.size(1) > Array.MaxLength)
            throw new ArgumentException($"A vector has at most {Array.MaxLength} numbers, not {vectors.size(1)}.", nameof(vectors));
        List<string> list = [.. words];
        if (list.Count != vectors.size(0))
            throw new ArgumentException($"There are {list.Count} words and {vectors.size(0)} vectors.", nameof(words));
        _indices = new Dictionary<string, int>(list.Count);
        for (int i = 0; i < list.Count; i++)
        {
            if (list[i] is null) throw new ArgumentException($"Word {i} is null.", nameof(words));
            if (!_indices.TryAdd(list[i], i))
                throw new ArgumentException($"Words {_indices[list[i]]} and {i} are both {FileFault.Quote(list[i])}.", nameof(words));
        }
        _words = list.AsReadOnly();
        _vectors = vectors.detach().DetachFromDisposeScope();
        _dimensions = vectors.size(1);
        _gate = new ReadGate(this);
    }

    /// <summary>The words in the order of the rows. Each word occurs once.</summary>
    /// <exception cref="ObjectDisposedException">This is disposed.</exception>
    public IReadOnlyList<string> Words
    {
        get
        {
            ObjectDisposedException.ThrowIf(_gate.IsClosed, this);
            return _words;
        }
    }

    /// <summary>
    /// The vectors, float32 <c>[Words.Count, D]</c>. Row i belongs to word i of <see cref="Words"/>. Every read returns the same object, which
    /// is disposed with this one.
    /// </summary>
    /// <exception cref="ObjectDisposedException">This is disposed.</exception>
    public Tensor Vectors
    {
        get
        {
            ObjectDisposedException.ThrowIf(_gate.IsClosed, this);
            return _vectors;
        }
    }

    /// <summary>The number of rows that were left out because an earlier row has the same word. The first row of a word is kept.</summary>
    /// <exception cref="ObjectDisposedException">This is disposed.</exception>
    public int DuplicateCount
    {
        get
        {
            ObjectDisposedException.ThrowIf(_gate.IsClosed, this);
            return _duplicateCount;
        }
    }

    /// <summary>The number of rows that <see cref="UndecodableText.Skip"/> left out because their word is not valid UTF-8.</summary>
    /// <exception cref="ObjectDisposedException">This is disposed.</exception>
    public int SkippedCount
    {
        get
        {
            ObjectDisposedException.ThrowIf(_gate.IsClosed, this);
            return _skippedCount;
        }
    }

    /// <summary>Finds the row of a word. The comparison is case-sensitive.</summary>
    /// <param name="word">The word.</param>
    /// <param name="index">Its row, or 0 when there is no such word.</param>
    /// <returns>Whether there is such a word.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="word"/> is null.</exception>
    /// <exception cref="ObjectDisposedException">This is disposed.</exception>
    public bool TryGetIndex(string word, out long index)
    {
        ArgumentNullException.ThrowIfNull(word);
        ObjectDisposedException.ThrowIf(_gate.IsClosed, this);
        bool found = _indices.TryGetValue(word, out int row);
        index = row;
        return found;
    }

    /// <summary>Copies the vector of a word. The comparison is case-sensitive.</summary>
    /// <param name="word">The word.</param>
    /// <param name="destination">
    /// Receives the D numbers. Its length must be exactly that. It is not written to when there is no such word.
    /// </param>
    /// <returns>Whether there is such a word.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="word"/> is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="destination"/> has another length, whether there is such a word or not.</exception>
    /// <exception cref="InvalidOperationException">The shape of <see cref="Vectors"/> was changed in place.</exception>
    /// <exception cref="ObjectDisposedException">This, or <see cref="Vectors"/>, is disposed.</exception>
    public bool TryGetVector(string word, Span<float> destination)
    {
        ArgumentNullException.ThrowIfNull(word);
        using ReadGate.Reading reading = _gate.Enter();
        RequireShape();
        if (destination.Length != _vectors.size(1))
        {
            throw new ArgumentException(
                $"A vector has {_vectors.size(1)} numbers, and the destination {destination.Length}.", nameof(destination));
        }
        bool found = _indices.TryGetValue(word, out int row);
        if (found) CopyRow(row, destination);
        return found;
    }

    /// <summary>
    /// Creates a layer whose weight is <see cref="Vectors"/>, as
    /// <see cref="Embedding.FromPretrained(Tensor, bool, long?, double?, double, bool, bool)"/> does. Nothing is copied, so training the layer
    /// changes <see cref="Vectors"/>. The layer may outlive this object.
    /// </summary>
    /// <param name="freeze">Whether the weight is kept fixed, without a gradient. Default true.</param>
    /// <param name="paddingIdx">A row that gets no gradient, from <c>-Words.Count</c> to <c>Words.Count - 1</c>. Default: none.</param>
    /// <param name="sparse">Whether the gradient of the weight is a sparse tensor. Default false.</param>
    /// <returns>The layer. The caller disposes it.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="paddingIdx"/> is outside the table.</exception>
    /// <exception cref="ObjectDisposedException">This, or <see cref="Vectors"/>, is disposed.</exception>
    public Embedding ToEmbedding(bool freeze = true, long? paddingIdx = null, bool sparse = false)
    {
        using ReadGate.Reading reading = _gate.Enter();
        return Embedding.FromPretrained(_vectors, freeze, paddingIdx, sparse: sparse);
    }

    /// <summary>
    /// Creates a layer for the words of another vocabulary, such as a tokenizer's: row i has the vector of word i of
    /// <paramref name="vocabulary"/>, or zeros if there is none (<c>&lt;pad&gt;</c>, <c>&lt;unk&gt;</c>, words that were not seen).
    /// The rows are copies.
    /// </summary>
    /// <param name="vocabulary">The words of the rows. A word that occurs twice has two rows.</param>
    /// <param name="missing">The words of <paramref name="vocabulary"/> without a vector, in its order.</param>
    /// <param name="freeze">Whether the weight is kept fixed, without a gradient. Default true.</param>
    /// <param name="paddingIdx">
    /// A row that gets no gradient, from <c>-vocabulary.Count</c> to <c>vocabulary.Count - 1</c>. Its numbers are those of its word.
    /// Default: none.
    /// </param>
    /// <param name="sparse">Whether the gradient of the weight is a sparse tensor. Default false.</param>
    /// <returns>The layer, float32 <c>[vocabulary.Count, D]</c>, on the device of <see cref="Vectors"/>. The caller disposes it.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="vocabulary"/> is null.</exception>
    /// <exception cref="ArgumentException">A word of <paramref name="vocabulary"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="paddingIdx"/> is outside the vocabulary.</exception>
    /// <exception cref="InvalidOperationException">The shape of <see cref="Vectors"/> was changed in place.</exception>
    /// <exception cref="ObjectDisposedException">This, or <see cref="Vectors"/>, is disposed.</exception>
    public Embedding ToEmbedding(IReadOnlyList<string> vocabulary, out IReadOnlyList<string> missing,
        bool freeze = true, long? paddingIdx = null, bool sparse = false)
    {
        ArgumentNullException.ThrowIfNull(vocabulary);
        string?[] words = [.. vocabulary]; // foreign code, so before the gate is entered
        using ReadGate.Reading reading = _gate.Enter();
        RequireShape();
        var rows = new long[words.Length]; // of this table, for each row of the layer; 0 where there is none
        var without = new List<long>(); // rows of the layer
        var absent = new List<string>();
        for (int i = 0; i < words.Length; i++)
        {
            string word = words[i] ?? throw new ArgumentException($"Word {i} is null.", nameof(vocabulary));
            if (_indices.TryGetValue(word, out int row)) rows[i] = row;
            else
            {
                without.Add(i);
                absent.Add(word);
            }
        }
        Guard.NormalizePaddingIdx(paddingIdx, rows.Length); // before any memory is needed

        using var scope = NewDisposeScope();
        Device device = _vectors.device;
        Tensor table;
        using (no_grad())
        using (Scalar zero = 0f)
        {
            table = _words.Count == 0
                ? zeros(rows.Length, _vectors.size(1), float32, device)
                : _vectors.index_select(0, TensorMemory.Copy<long>(rows, int64).to(device));
            table.index_fill_(0, TensorMemory.Copy<long>(CollectionsMarshal.AsSpan(without), int64).to(device), zero);
        }
        Embedding layer = Embedding.FromPretrained(table, freeze, paddingIdx, sparse: sparse);
        missing = absent;
        return layer;
    }

    /// <summary>One line: <c>WordVectors(400000 words, 100 dimensions)</c>.</summary>
    /// <returns>The text, after disposal too.</returns>
    public override string ToString() => $"WordVectors({_words.Count} words, {_dimensions} dimensions)";

    /// <summary>Disposes <see cref="Vectors"/>. Layers that share their memory stay usable.</summary>
    public void Dispose()
    {
        if (_gate.Close()) _vectors.Dispose();
    }

    private unsafe void CopyRow(long row, Span<float> destination)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        Tensor vector = _vectors.narrow(0, row, 1).to(float32, CPU).contiguous();
        new ReadOnlySpan<float>(TensorMemory.Address<float>(vector), destination.Length).CopyTo(destination);
    }

    private void RequireShape()
    {
        Guard.ThrowIfNullOrDisposed(_vectors, nameof(Vectors));
        if (_vectors.dim() != 2 || _vectors.size(0) != _words.Count)
            throw new InvalidOperationException($"There are {_words.Count} words, and Vectors is now [{string.Join(", ", _vectors.shape)}].");
    }
}
