using System.Runtime.CompilerServices;

namespace EmbeddingWrapper.Pretrained;

/// <summary>
/// Reads rows into a table. Several blocks are parsed on the thread pool while the next block is read. The words are collected in the order
/// of the file.
/// </summary>
internal sealed class RowReader
{
    private static readonly int Parallelism = Math.Min(Environment.ProcessorCount, 8);

    private readonly RowFormat _format;
    private readonly LoadOptions _options;
    private readonly Queue<(RowBlock Block, Task<string[]> Words)> _pending = [];
    private readonly long _wanted;
    private WordTable? _table;
    private long _rows;

    private RowReader(RowFormat format, LoadOptions options)
    {
        _format = format;
        _options = options;
        _wanted = options.Limit ?? long.MaxValue;
    }

    /// <summary>Reads to the end of the file, or to the limit.</summary>
    /// <exception cref="InvalidDataException">The file is damaged. If there are several faults, the first one is reported.</exception>
    public static WordVectors Read(RowFormat format, LoadOptions options) => new RowReader(format, options).Read();

    private WordVectors Read()
    {
        try
        {
            RowBlock? block = Next();
            _table = new WordTable(_format.Width);
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
            // No thread may write to the table after this method has ended.
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
            return _format.Next();
        }
        catch (InvalidDataException)
        {
            FinishAll(); // the blocks before this one may contain an earlier fault
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

    /// <summary>The number of rows to make room for. A wrong header does not make the table larger than the size of the file allows.</summary>
    private long ExpectedRows()
    {
        VectorStream file = _format.File;

        // The rest of a compressed file may be compressed better, so the table has room for four times the rows read so far.
        double most = file.IsPacked ? 4.0 * _rows : file.TotalBytes / _format.BytesPerRow;
        double fractionRead = (double)file.BytesRead / file.TotalBytes;
        double likely = fractionRead < 1 ? 1.05 * _rows / fractionRead : _rows; // later rows may be a little shorter
        return (long)Math.Min(Math.Min(most, likely), Math.Min(_wanted, _format.DeclaredRows));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // a file is read once, so tiered compilation would come too late
    private unsafe string[] Parse(RowBlock block, long first)
    {
        var words = new string[block.Rows.Count];
        for (int i = 0; i < words.Length; i++)
        {
            Row row = block.Rows[i];
            words[i] = _format.Parse(block[row], row.Place, _table!.Row(first + i));
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
        _options.Report(_format.File, _table!.WordCount);
    }
}
