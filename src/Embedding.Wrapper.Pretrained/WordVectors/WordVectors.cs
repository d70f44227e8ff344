using System.Collections.ObjectModel;
using EmbeddingWrapper.Native;
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
    private readonly int _duplicateCount;
    private readonly int _skippedCount;
    private readonly ReadGate _gate;

    /// <summary>Becomes the owner of all arguments.</summary>
    internal WordVectors(List<string> words, Dictionary<string, int> indices, Tensor vectors, int duplicateCount, int skippedCount)
    {
        _words = words.AsReadOnly();
        _indices = indices;
        _vectors = vectors;
        _duplicateCount = duplicateCount;
        _skippedCount = skippedCount;
        _gate = new ReadGate(this);
    }

    /// <summary>The words in the order of the file. Each word occurs once.</summary>
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

    /// <summary>Finds the words whose vectors have the largest cosine with the vector of a word.</summary>
    /// <param name="word">The word. It is not part of the result.</param>
    /// <param name="count">The largest number of words to return. Default 10.</param>
    /// <returns>
    /// The most similar word first. Words with equal similarity are in the order of <see cref="Words"/>. A vector of zeros has similarity 0 to
    /// every other vector. Words whose cosine is not a number, because of an infinity or a NaN in a vector, are left out.
    /// </returns>
    /// <exception cref="ArgumentNullException"><paramref name="word"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="count"/> is negative.</exception>
    /// <exception cref="KeyNotFoundException">There is no such word.</exception>
    /// <exception cref="InvalidOperationException">The shape of <see cref="Vectors"/> was changed in place.</exception>
    /// <exception cref="ObjectDisposedException">This, or <see cref="Vectors"/>, is disposed.</exception>
    public IReadOnlyList<(string Word, float Similarity)> MostSimilar(string word, int count = 10)
    {
        Guard.ThrowIfNegative(count);
        if (!TryGetIndex(word, out long self)) throw new KeyNotFoundException($"There is no word {FileFault.Quote(word)}.");

        float[] similarity;
        using (_gate.Enter())
        {
            RequireShape();
            similarity = Cosines.Of(_vectors, self);
        }
        var best = new PriorityQueue<int, (float, int)>(); // the least similar comes out first
        for (int i = 0; i < similarity.Length; i++)
        {
            if (i == self || float.IsNaN(similarity[i])) continue;
            (float, int) rank = (similarity[i], -i);
            if (best.Count < count) best.Enqueue(i, rank);
            else if (count > 0 && best.TryPeek(out _, out var worst) && rank.CompareTo(worst) > 0) best.DequeueEnqueue(i, rank);
        }
        var answer = new (string, float)[best.Count];
        for (int i = answer.Length - 1; i >= 0; i--)
        {
            int index = best.Dequeue();
            answer[i] = (_words[index], similarity[index]);
        }
        return answer;
    }

    /// <summary>Disposes <see cref="Vectors"/>. Layers that share their memory stay usable.</summary>
    public void Dispose()
    {
        if (_gate.Close()) _vectors.Dispose();
    }

    private void RequireShape()
    {
        Guard.ThrowIfNullOrDisposed(_vectors, nameof(Vectors));
        if (_vectors.dim() != 2 || _vectors.size(0) != _words.Count)
            throw new InvalidOperationException($"There are {_words.Count} words, and Vectors is now [{string.Join(", ", _vectors.shape)}].");
    }
}
