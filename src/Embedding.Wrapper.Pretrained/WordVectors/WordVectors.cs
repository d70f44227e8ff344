using System.Collections.ObjectModel;
using System.Runtime.InteropServices;
using EmbeddingWrapper.Native;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Pretrained;

/// <summary>
/// Words and their vectors, from the files in which they are passed on: GloVe's text, word2vec's text (fastText's <c>.vec</c>) and
/// binary, each as it is or packed as <c>.gz</c>, and what <see cref="Save"/> writes.
/// </summary>
/// <remarks>
/// Members may be used from several threads at once, while nobody writes to <see cref="Vectors"/>. <see cref="Dispose"/> waits for those
/// that run; later ones throw <see cref="ObjectDisposedException"/>. The tensor that <see cref="Vectors"/> gave has no such guard: dispose
/// after the last call that uses it.
/// </remarks>
public sealed partial class WordVectors : IDisposable
{
    private readonly ReadOnlyCollection<string> _words;
    private readonly Dictionary<string, int> _indices;
    private readonly Tensor _vectors;
    private readonly int _duplicateCount;
    private readonly ReadGate _gate;

    /// <summary>Takes everything over.</summary>
    internal WordVectors(List<string> words, Dictionary<string, int> indices, Tensor vectors, int duplicateCount)
    {
        _words = words.AsReadOnly();
        _indices = indices;
        _vectors = vectors;
        _duplicateCount = duplicateCount;
        _gate = new ReadGate(this);
    }

    /// <summary>The words, in the order of the file, each once.</summary>
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
    /// The vectors, float32 <c>[Words.Count, D]</c>, row by row those of <see cref="Words"/>. Every read gives the same object, which
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

    /// <summary>How many rows of the file were left out because their word was there before: the first one counts.</summary>
    /// <exception cref="ObjectDisposedException">This is disposed.</exception>
    public int DuplicateCount
    {
        get
        {
            ObjectDisposedException.ThrowIf(_gate.IsClosed, this);
            return _duplicateCount;
        }
    }

    /// <summary>Finds the row of a word. Case counts.</summary>
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
    /// Makes a layer over <see cref="Vectors"/>: <see cref="Embedding.FromPretrained(Tensor, bool, long?, double?, double, bool, bool)"/>.
    /// Nothing is copied, so a layer that is trained changes <see cref="Vectors"/>; it may outlive this object.
    /// </summary>
    /// <param name="freeze">The weight gets no gradient. Default true.</param>
    /// <param name="paddingIdx">A row that gets no gradient, from <c>-Words.Count</c> to <c>Words.Count - 1</c>. Default: none.</param>
    /// <param name="sparse">The gradient of the weight is a sparse tensor. Default false.</param>
    /// <returns>The layer. The caller disposes it.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="paddingIdx"/> is outside the table.</exception>
    /// <exception cref="ObjectDisposedException">This, or <see cref="Vectors"/>, is disposed.</exception>
    public Embedding ToEmbedding(bool freeze = true, long? paddingIdx = null, bool sparse = false)
    {
        using ReadGate.Reading reading = _gate.Enter();
        return Embedding.FromPretrained(_vectors, freeze, paddingIdx, sparse: sparse);
    }

    /// <summary>The words whose vectors point most nearly in the direction of this word's: the largest cosines.</summary>
    /// <param name="word">The word. It is not in the answer.</param>
    /// <param name="count">The most words to give. Default 10.</param>
    /// <returns>
    /// The best first; of equals, the one that comes first in <see cref="Words"/>. A vector of zeros has similarity 0 to all; words whose
    /// cosine is no number, for an infinity in a vector, are left out.
    /// </returns>
    /// <exception cref="ArgumentNullException"><paramref name="word"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="count"/> is negative.</exception>
    /// <exception cref="KeyNotFoundException">There is no such word.</exception>
    /// <exception cref="InvalidOperationException"><see cref="Vectors"/> was given another shape in place.</exception>
    /// <exception cref="ObjectDisposedException">This, or <see cref="Vectors"/>, is disposed.</exception>
    public IReadOnlyList<(string Word, float Similarity)> MostSimilar(string word, int count = 10)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        if (!TryGetIndex(word, out long self)) throw new KeyNotFoundException($"There is no word {FileFault.Quote(word)}.");

        Guard.ThrowIfNullOrDisposed(_vectors, nameof(Vectors));
        if (_vectors.dim() != 2 || _vectors.size(0) != _words.Count)
            throw new InvalidOperationException($"There are {_words.Count} words, and Vectors is now [{string.Join(", ", _vectors.shape)}].");
        using Tensor cosines = Cosines(self);
        ReadOnlySpan<float> similarity = MemoryMarshal.Cast<byte, float>(cosines.bytes);
        var best = new PriorityQueue<int, (float, int)>(); // the worst of them comes out first
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

    /// <summary>Disposes <see cref="Vectors"/>. Layers made over them stay as they are.</summary>
    public void Dispose()
    {
        if (_gate.Close()) _vectors.Dispose();
    }

    /// <summary>
    /// The cosine of each row with one of them. Not <c>cosine_similarity</c>, which makes two tables of this size on the way.
    /// </summary>
    private Tensor Cosines(long self)
    {
        const float smallest = 1e-8f; // cosine_similarity's

        using ReadGate.Reading reading = _gate.Enter();
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        Tensor norms = _vectors.norm(dim: 1).clamp_min_(smallest);
        return _vectors.mv(_vectors[self]).div_(norms).div_(norms[self]).MoveToOuterDisposeScope();
    }
}
