using EmbeddingWrapper.Native;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Pretrained;

/// <summary>The words and vectors read so far. A word that occurs again keeps its first vector.</summary>
/// <param name="width">The number of elements of a vector.</param>
internal sealed unsafe class WordTable(int width) : IDisposable
{
    private readonly List<string> _words = [];
    private readonly Dictionary<string, int> _indices = [];
    private readonly List<long> _duplicates = []; // their rows in the table
    private Tensor? _table;
    private float* _numbers;
    private long _capacity;
    private long _added;

    public int WordCount => _words.Count;

    /// <summary>Whether the table has room for this number of rows in total.</summary>
    public bool HasRoomFor(long rows) => rows <= _capacity;

    /// <summary>Enlarges the table. Pointers to rows are invalid afterwards.</summary>
    /// <param name="rows">The total number of rows that must fit.</param>
    /// <param name="expected">The number of rows expected at the end of the file.</param>
    public void Grow(long rows, long expected)
    {
        long capacity = Math.Max(rows, expected);
        Tensor table = empty(capacity, width, float32).DetachFromDisposeScope();
        float* numbers = TensorMemory.Address<float>(table);
        LargePages.Prefer(numbers, capacity * width * sizeof(float));
        Copy(_numbers, numbers, _added);
        _table?.Dispose();
        _table = table;
        _numbers = numbers;
        _capacity = capacity;
    }

    /// <summary>The memory of a row.</summary>
    public float* Row(long row) => _numbers + row * width;

    /// <summary>Adds the word of the next row.</summary>
    public void Add(string word)
    {
        if (_indices.TryAdd(word, _words.Count)) _words.Add(word);
        else _duplicates.Add(_added);
        _added++;
    }

    /// <summary>Removes the rows of repeated words and hands the table over to the caller.</summary>
    public WordVectors ToWordVectors()
    {
        for (int i = 0; i < _duplicates.Count; i++)
        {
            long from = _duplicates[i] + 1, end = i + 1 < _duplicates.Count ? _duplicates[i + 1] : _added;
            Copy(Row(from), Row(from - (i + 1)), end - from);
        }
        Tensor table = _table ?? empty(0, width, float32).DetachFromDisposeScope();
        _table = null;
        Tensor vectors = table;
        if (table.size(0) != _words.Count)
        {
            vectors = table.narrow(0, 0, _words.Count).DetachFromDisposeScope();
            table.Dispose();
        }
        return new WordVectors(_words, _indices, vectors, _duplicates.Count);
    }

    public void Dispose() => _table?.Dispose();

    private void Copy(float* from, float* to, long rows)
    {
        long bytes = rows * width * sizeof(float);
        Buffer.MemoryCopy(from, to, bytes, bytes);
    }
}
