namespace EmbeddingWrapper.Pretrained;

/// <summary>
/// Reads the rows of a text format, block by block. Several blocks are parsed at once, on the thread pool, while the next one is
/// read; words are collected in the order of the file.
/// </summary>
internal sealed unsafe class TextRows(VectorFile file, TextBlocks blocks, int width, LoadControl control)
{
    private static readonly int Parallelism = Math.Min(Environment.ProcessorCount, 8);

    private readonly Queue<(TextBlock Block, Task<string[]> Words)> _pending = [];
    private readonly WordTable _table = new(width);
    private long _rows;
    private InvalidDataException? _fault; // found ahead of rows that may hold an earlier one

    /// <summary>Reads to the end of the file.</summary>
    /// <param name="first">A block from which lines that are no rows were taken, or null.</param>
    /// <param name="announced">The number of rows that the header names, or null.</param>
    /// <exception cref="InvalidDataException">A row is damaged, or there are more or fewer than announced.</exception>
    public WordVectors Read(TextBlock? first, long? announced)
    {
        try
        {
            for (TextBlock? block = first; block is not null && _fault is null; block = Next())
            {
                Start(block, announced);
                while (_pending.Count >= Parallelism) Finish();
                if (_rows == control.Limit) break;
            }
            while (_pending.Count > 0) Finish();
            if (_fault is not null) throw _fault;
            long wanted = Math.Min(announced ?? 0, control.Limit ?? long.MaxValue);
            if (_rows < wanted) throw FileFault.AtLine(file.Path, blocks.LineCount + 1, $"the file ends after {_rows} rows, and the header says {announced}.");
            return _table.ToWordVectors();
        }
        finally
        {
            // Whatever happened: nothing may write to the table any more.
            foreach ((TextBlock block, Task<string[]> words) in _pending)
            {
                Task.WaitAny(words);
                block.Dispose();
            }
            _table.Dispose();
        }
    }

    private TextBlock? Next()
    {
        try
        {
            return blocks.Next();
        }
        catch (InvalidDataException fault)
        {
            _fault = fault;
            return null;
        }
    }

    private void Start(TextBlock block, long? announced)
    {
        KeepRows(block, announced);
        long firstRow = _rows;
        _rows += block.Lines.Count;
        if (!_table.HasRoomFor(_rows))
        {
            while (_pending.Count > 0) Finish();
            double fractionRead = (double)file.BytesRead / file.TotalBytes;
            double expected = fractionRead < 1 ? 1.05 * _rows / fractionRead : _rows; // lines further down may be a little shorter
            _table.Grow(_rows, (long)Math.Min(expected, Math.Min(control.Limit ?? long.MaxValue, announced ?? long.MaxValue)));
        }
        _pending.Enqueue((block, Parallelism > 1 ? Task.Run(() => Parse(block, firstRow)) : Task.FromResult(Parse(block, firstRow))));
    }

    /// <summary>Cuts a block where the rows end, be it by a fault that shows before a number is looked at.</summary>
    private void KeepRows(TextBlock block, long? announced)
    {
        List<TextLine> lines = block.Lines;
        long wanted = Math.Min(control.Limit ?? long.MaxValue, announced ?? long.MaxValue) - _rows;
        int count = (int)Math.Min(wanted, lines.Count);
        if (count < lines.Count && announced < (control.Limit ?? long.MaxValue))
            _fault = FileFault.AtLine(file.Path, lines[count].Number, $"a row too many: the header says {announced}.");

        // The table gets room for rows alone whose bytes are there: a number takes two, a space and a digit.
        int tooShort = lines.FindIndex(0, count, line => line.Length < 2L * width);
        if (tooShort >= 0)
        {
            TextLine line = lines[tooShort];
            _fault = FileFault.AtLine(file.Path, line.Number, TextRow.Fault(block[line], width));
            count = tooShort;
        }
        lines.RemoveRange(count, lines.Count - count);
    }

    private string[] Parse(TextBlock block, long row)
    {
        var words = new string[block.Lines.Count];
        for (int i = 0; i < words.Length; i++)
        {
            ReadOnlySpan<byte> line = block[block.Lines[i]];
            int length = TextRow.TryRead(line, _table.Row(row + i), width);
            string fault = "the word is not valid UTF-8.";
            if (length < 0) fault = TextRow.Fault(line, width);
            else if (VectorFile.Word(line[..length]) is { } word)
            {
                words[i] = word;
                continue;
            }
            throw FileFault.AtLine(file.Path, block.Lines[i].Number, fault);
        }
        return words;
    }

    private void Finish()
    {
        (TextBlock block, Task<string[]> words) = _pending.Peek();
        foreach (string word in words.GetAwaiter().GetResult()) _table.Add(word);
        block.Dispose();
        _pending.Dequeue();
        control.Report(file, _table.WordCount);
    }
}
