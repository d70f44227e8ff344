using System.Runtime.CompilerServices;

namespace EmbeddingWrapper.Pretrained;

/// <summary>
/// Reads rows into a table. While the next block is read, threads of the pool parse the blocks before it. The calling thread parses what no
/// thread of the pool has begun, so a load does not depend on the pool. The words are collected in the order of the file.
/// </summary>
internal sealed class RowReader
{
    private static readonly int Parallelism = Math.Min(Environment.ProcessorCount, 8);

    private readonly RowFormat _format;
    private readonly LoadOptions _options;
    private readonly Queue<(RowBlock Block, ParseJob Job)> _pending = [];
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
            do
            {
                RowBlock? block = Next();
                if (block is null) break;
                if (block.Rows.Count > 0) Start(block);
                else Skip(block);
                while (_pending.Count >= Parallelism) Finish();
            }
            while (_format.Width == 0 || (_rows < _wanted && !_options.Words.IsComplete));
            FinishAll();
            _table ??= new WordTable(_format.Width);
            return _table.ToWordVectors(_options.Words.SkippedCount);
        }
        finally
        {
            // No thread may write to the table after this method has ended.
            foreach ((RowBlock block, ParseJob job) in _pending)
            {
                job.Cancel();
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

    private void Skip(RowBlock block)
    {
        block.Dispose();
        _options.Report(_format.File, _table?.WordCount ?? 0);
    }

    private void Start(RowBlock block)
    {
        List<Row> rows = block.Rows;
        if (rows.Count > _wanted - _rows) rows.RemoveRange((int)(_wanted - _rows), rows.Count - (int)(_wanted - _rows));
        _rows += rows.Count;
        _table ??= new WordTable(_format.Width);
        if (!_table.HasRoomFor(rows.Count))
        {
            FinishAll();
            _table.MakeRoom(rows.Count, ExpectedRows() - _rows + rows.Count);
        }
        long first = _table.Reserve(rows.Count);
        var job = new ParseJob(() => Parse(block, first));
        _pending.Enqueue((block, job));
        if (Parallelism > 1) ThreadPool.UnsafeQueueUserWorkItem(job, preferLocal: false);
    }

    /// <summary>The number of rows to expect in the file. A wrong header does not make the table larger than the size of the file allows.</summary>
    private long ExpectedRows()
    {
        VectorStream file = _format.File;

        // The rest of a compressed file may be compressed better, so the table has room for four times the rows read so far.
        double most = file.HasUnknownLength ? 4.0 * _rows : file.TotalBytes / _format.BytesPerRow;
        double fractionRead = file.TotalBytes == 0 ? 0 : (double)file.BytesRead / file.TotalBytes;
        double likely = fractionRead < 1 ? 1.05 * _rows / fractionRead : _rows; // later rows may be a little shorter
        return (long)Math.Min(Math.Min(most, likely), Math.Min(Math.Min(_wanted, _format.DeclaredRows), _options.Words.MostWords));
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
        (RowBlock block, ParseJob job) = _pending.Peek();
        foreach (string word in job.Result()) _table!.Add(word);
        block.Dispose();
        _pending.Dequeue();
        _options.Report(_format.File, _table!.WordCount);
    }
}
