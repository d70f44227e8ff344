using EmbeddingWrapper.Native;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Pretrained;

/// <summary>
/// The words and vectors read so far. Room for rows is reserved first, then the rows are filled in any order, and then their words are added
/// in the order of the rows. A word that occurs again keeps its first vector.
/// </summary>
/// <param name="width">The number of elements of a vector.</param>
internal sealed unsafe class WordTable(int width) : IDisposable
{
    private readonly List<string> _words = [];
    private readonly Dictionary<string, int> _indices = [];
    private readonly List<long> _repeated = []; // the rows in the table whose word occurred before
    private Tensor? _table;
    private float* _numbers;
    private long _capacity;
    private long _reserved;
    private long _added;
    private int _duplicates;

    public int WordCount => _words.Count;

    /// <summary>Whether this number of rows can be reserved.</summary>
    public bool HasRoomFor(int rows) => _reserved + rows <= _capacity;

    /// <summary>
    /// Makes room for more rows: removes the rows of repeated words, and enlarges the table if little room is left then. The words of all
    /// reserved rows must have been added. Pointers to rows are invalid afterwards.
    /// </summary>
    /// <param name="rows">The number of rows to reserve next.</param>
    /// <param name="expected">The number of rows that may follow up to the end of the file.</param>
    public void MakeRoom(int rows, long expected)
    {
        RemoveRepeated();
        if (HasRoomFor(rows) && _words.Count <= _capacity / 4 * 3) return;

        long capacity = _words.Count + Math.Max(rows, expected);
        Tensor table = empty(capacity, width, float32, CPU).DetachFromDisposeScope();
        float* numbers = TensorMemory.Address<float>(table);
        LargePages.Prefer(numbers, capacity * width * sizeof(float));
        Copy(_numbers, numbers, _reserved);
        _table?.Dispose();
        _table = table;
        _numbers = numbers;
        _capacity = capacity;
    }

    /// <summary>Reserves rows.</summary>
    /// <returns>The first of them.</returns>
    public long Reserve(int rows)
    {
        _reserved += rows;
        return _reserved - rows;
    }

    /// <summary>The memory of a row.</summary>
    public float* Row(long row) => _numbers + row * width;

    /// <summary>Adds the word of the next row.</summary>
    public void Add(string word)
    {
        if (_indices.TryAdd(word, _words.Count)) _words.Add(word);
        else _repeated.Add(_added);
        _added++;
    }

    /// <summary>Removes the rows of repeated words and hands the table over to the caller.</summary>
    /// <param name="skipped">The number of rows that were left out.</param>
    public WordVectors ToWordVectors(int skipped)
    {
        RemoveRepeated();
        Tensor table = _table ?? empty(0, width, float32, CPU).DetachFromDisposeScope();
        _table = null;
        Tensor vectors = table;
        if (table.size(0) != _words.Count)
        {
            vectors = table.narrow(0, 0, _words.Count).DetachFromDisposeScope();
            table.Dispose();
        }
        return new WordVectors(_words, _indices, vectors, _duplicates, skipped);
    }

    public void Dispose() => _table?.Dispose();

    private void RemoveRepeated()
    {
        for (int i = 0; i < _repeated.Count; i++)
        {
            long from = _repeated[i] + 1, end = i + 1 < _repeated.Count ? _repeated[i + 1] : _added;
            Copy(Row(from), Row(from - (i + 1)), end - from);
        }
        _duplicates += _repeated.Count;
        _repeated.Clear();
        _reserved = _added = _words.Count;
    }

    private void Copy(float* from, float* to, long rows)
    {
        long bytes = rows * width * sizeof(float);
        Buffer.MemoryCopy(from, to, bytes, bytes);
    }
}
