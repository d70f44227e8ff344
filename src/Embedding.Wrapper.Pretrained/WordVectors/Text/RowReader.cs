using System.Runtime.CompilerServices;

namespace EmbeddingWrapper.Pretrained;

/// <summary>
/// Reads rows into a table. Several blocks are parsed at once, on the thread pool, while the next one is read; words are collected
/// in the order of the file.
/// </summary>
internal sealed class RowReader
{
    private static readonly int Parallelism = Math.Min(Environment.ProcessorCount, 8);

    private readonly RowFormat _source;
    private readonly LoadControl _control;
    private readonly Queue<(RowBlock Block, Task<string[]> Words)> _pending = [];
    private readonly long _wanted;
    private WordTable? _table;
    private long _rows;

    private RowReader(RowFormat source, LoadControl control)
    {
        _source = source;
        _control = control;
        _wanted = control.Limit ?? long.MaxValue;
    }

    /// <summary>Reads to the end of the file, or to the limit.</summary>
    /// <exception cref="InvalidDataException">The file is damaged: of several faults, the first.</exception>
    public static WordVectors Read(RowFormat source, LoadControl control) => new RowReader(source, control).Read();

    private WordVectors Read()
    {
        try
        {
            RowBlock? block = Next();
            _table = new WordTable(_source.Width);
            for (; block is not null; block = _rows < _wanted ? Next() : null)
            {
                Start(block);
                while (_pending.Count >= Parallelism) Finish();
            }
            FinishAll();
            return _table.ToWordVectors();
        }
        finally
        {
            // Whatever happened: nothing may write to the table any more.
            foreach ((RowBlock block, Task<string[]> words) in _pending)
            {
                Task.WaitAny(words);
                block.Dispose();
            }
            _table?.Dispose();
        }
    }

    private RowBlock? Next()
    {
        try
        {
            return _source.Next();
        }
        catch (InvalidDataException)
        {
            FinishAll(); // the blocks before may hold an earlier fault
            throw;
        }
    }

    private void Start(RowBlock block)
    {
        if (block.Rows.Count > _wanted - _rows) block.Rows.RemoveRange((int)(_wanted - _rows), block.Rows.Count - (int)(_wanted - _rows));
        long first = _rows;
        _rows += block.Rows.Count;
        if (!_table!.HasRoomFor(_rows))
        {
            FinishAll();
            _table.Grow(_rows, ExpectedRows());
        }
        _pending.Enqueue((block, Parallelism > 1 ? Task.Run(() => Parse(block, first)) : Task.FromResult(Parse(block, first))));
    }

    /// <summary>How many rows to make room for. A file that lies about them costs no more memory than its size is worth.</summary>
    private long ExpectedRows()
    {
        VectorStream file = _source.File;

        // What is packed may be packed better further down, so there it is four times what was read.
        double most = file.IsPacked ? 4.0 * _rows : file.TotalBytes / _source.BytesPerRow;
        double fractionRead = (double)file.BytesRead / file.TotalBytes;
        double likely = fractionRead < 1 ? 1.05 * _rows / fractionRead : _rows; // rows further down may be a little shorter
        return (long)Math.Min(Math.Min(most, likely), Math.Min(_wanted, _source.DeclaredRows));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // a file is read once: there is no time to warm up
    private unsafe string[] Parse(RowBlock block, long first)
    {
        var words = new string[block.Rows.Count];
        for (int i = 0; i < words.Length; i++)
        {
            Row row = block.Rows[i];
            words[i] = _source.Parse(block[row], row.Place, _table!.Row(first + i));
        }
        return words;
    }

    private void FinishAll()
    {
        while (_pending.Count > 0) Finish();
    }

    private void Finish()
    {
        (RowBlock block, Task<string[]> words) = _pending.Peek();
        foreach (string word in words.GetAwaiter().GetResult()) _table!.Add(word);
        block.Dispose();
        _pending.Dequeue();
        _control.Report(_source.File, _table!.WordCount);
    }
}
