using System.Buffers;
using EmbeddingWrapper.Native;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Pretrained;

public sealed partial class WordVectors
{
    /// <summary>The cosine of the vectors of two words. gensim: <c>similarity</c>.</summary>
    /// <param name="first">A word.</param>
    /// <param name="second">Another, or the same.</param>
    /// <returns>
    /// A number from -1 to 1. It is 0 if a vector is zeros, and not a number if a vector has an infinity or a NaN.
    /// </returns>
    /// <exception cref="ArgumentNullException"><paramref name="first"/> or <paramref name="second"/> is null.</exception>
    /// <exception cref="KeyNotFoundException">There is no such word.</exception>
    /// <exception cref="InvalidOperationException">The shape of <see cref="Vectors"/> was changed in place.</exception>
    /// <exception cref="ObjectDisposedException">This, or <see cref="Vectors"/>, is disposed.</exception>
    public float Similarity(string first, string second)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        using ReadGate.Reading reading = _gate.Enter();
        RequireShape();
        return Cosines.Between(VectorOf(IndexOf(first)), VectorOf(IndexOf(second)));
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
    public IReadOnlyList<Neighbor> MostSimilar(string word, int count = 10)
    {
        ArgumentNullException.ThrowIfNull(word);
        Guard.ThrowIfNegative(count);
        using ReadGate.Reading reading = _gate.Enter();
        RequireShape();
        return Nearest(new Dictionary<int, int> { [IndexOf(word)] = 1 }, count);
    }

    /// <summary>Finds the words whose vectors have the largest cosine with a vector. gensim: <c>similar_by_vector</c>.</summary>
    /// <param name="vector">The vector. Its D numbers are those of no word in particular, so no word is left out.</param>
    /// <param name="count">The largest number of words to return. Default 10.</param>
    /// <returns>As for <see cref="MostSimilar(string, int)"/>.</returns>
    /// <exception cref="ArgumentException"><paramref name="vector"/> has another length than D.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="count"/> is negative.</exception>
    /// <exception cref="InvalidOperationException">The shape of <see cref="Vectors"/> was changed in place.</exception>
    /// <exception cref="ObjectDisposedException">This, or <see cref="Vectors"/>, is disposed.</exception>
    public IReadOnlyList<Neighbor> MostSimilar(ReadOnlySpan<float> vector, int count = 10)
    {
        Guard.ThrowIfNegative(count);
        using ReadGate.Reading reading = _gate.Enter();
        RequireShape();
        if (vector.Length != _vectors.size(1))
            throw new ArgumentException($"A vector has {_vectors.size(1)} numbers here, and this one has {vector.Length}.", nameof(vector));
        var direction = new double[vector.Length];
        Cosines.AddUnit(direction, vector, 1);
        return Nearest(direction, [], count);
    }

    /// <summary>
    /// Finds the words whose vectors have the largest cosine with the mean of the unit vectors of some words, where those of
    /// <paramref name="negative"/> count with a minus: <c>MostSimilar(["king", "woman"], ["man"])</c> asks for the word that is to "king" as
    /// "woman" is to "man". gensim: <c>most_similar</c>.
    /// </summary>
    /// <remarks>
    /// A word that occurs several times counts several times, and as often against if it is on both sides. A vector of zeros adds nothing;
    /// gensim gives NaN there. If the mean is zeros, every similarity is 0.
    /// </remarks>
    /// <param name="positive">The words that count with a plus. None of them is part of the result.</param>
    /// <param name="negative">The words that count with a minus. None of them is part of the result. Default: none.</param>
    /// <param name="count">The largest number of words to return. Default 10.</param>
    /// <returns>As for <see cref="MostSimilar(string, int)"/>.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="positive"/> is null.</exception>
    /// <exception cref="ArgumentException">A word is null, or there is no word at all.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="count"/> is negative.</exception>
    /// <exception cref="KeyNotFoundException">There is no such word.</exception>
    /// <exception cref="InvalidOperationException">The shape of <see cref="Vectors"/> was changed in place.</exception>
    /// <exception cref="ObjectDisposedException">This, or <see cref="Vectors"/>, is disposed.</exception>
    public IReadOnlyList<Neighbor> MostSimilar(IEnumerable<string> positive, IEnumerable<string>? negative = null, int count = 10)
    {
        ArgumentNullException.ThrowIfNull(positive);
        Guard.ThrowIfNegative(count);
        string[] plus = [.. positive], minus = [.. negative ?? []]; // foreign code, so before the gate is entered
        using ReadGate.Reading reading = _gate.Enter();
        RequireShape();
        var weights = new Dictionary<int, int>(); // of the rows
        Count(plus, 1, nameof(positive));
        Count(minus, -1, nameof(negative));
        if (weights.Count == 0) throw new ArgumentException("At least one word is needed.", nameof(positive));
        return Nearest(weights, count);

        void Count(string?[] words, int sign, string argument)
        {
            foreach (string? word in words)
            {
                if (word is null) throw new ArgumentException("A word is null.", argument);
                int row = IndexOf(word);
                weights[row] = weights.GetValueOrDefault(row) + sign;
            }
        }
    }

    private int IndexOf(string word) =>
        _indices.TryGetValue(word, out int row) ? row : throw new KeyNotFoundException($"There is no word {FileFault.Quote(word)}.");

    private float[] VectorOf(int row)
    {
        var vector = new float[_vectors.size(1)];
        CopyRow(row, vector);
        return vector;
    }

    private Neighbor[] Nearest(Dictionary<int, int> weights, int count)
    {
        var direction = new double[_vectors.size(1)];
        foreach ((int row, int weight) in weights) Cosines.AddUnit(direction, VectorOf(row), weight);
        return Nearest(direction, weights.Keys, count);
    }

    private unsafe Neighbor[] Nearest(double[] direction, IReadOnlyCollection<int> leftOut, int count)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        float* table = TensorMemory.Address<float>(_vectors.to(float32, CPU).contiguous());
        float[] cosines = ArrayPool<float>.Shared.Rent(_words.Count);
        try
        {
            Cosines.Of(table, _words.Count, Cosines.Unit(direction), cosines);
            foreach (int row in leftOut) cosines[row] = float.NaN;
            return Best(cosines, count);
        }
        finally
        {
            ArrayPool<float>.Shared.Return(cosines);
        }
    }

    private Neighbor[] Best(float[] cosines, int count)
    {
        if (count == 0) return [];
        var best = new PriorityQueue<int, (float, int)>(); // the least similar comes out first; of equals, the later
        float least = float.NegativeInfinity;
        for (int i = 0; i < _words.Count; i++)
        {
            if (!(cosines[i] > least)) continue; // NaN too
            if (best.Count < count) best.Enqueue(i, (cosines[i], -i));
            else best.DequeueEnqueue(i, (cosines[i], -i));
            if (best.Count == count) least = cosines[best.Peek()];
        }
        var answer = new Neighbor[best.Count];
        for (int i = answer.Length - 1; i >= 0; i--)
        {
            int row = best.Dequeue();
            answer[i] = new Neighbor(_words[row], cosines[row]);
        }
        return answer;
    }
}
