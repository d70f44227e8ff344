using System.Runtime.ExceptionServices;

namespace EmbeddingWrapper.Pretrained;

/// <summary>The parsing of a block. It is done once, by the thread that begins it first: one of the pool, or the one that needs the result.</summary>
/// <param name="parse">Parses the block and returns its words.</param>
internal sealed class ParseJob(Func<string[]> parse) : IThreadPoolWorkItem
{
    private readonly Lock _running = new();
    private Func<string[]>? _parse = parse; // null when it has been begun; a job that stays in the queue of the pool keeps nothing alive
    private string[]? _words;
    private ExceptionDispatchInfo? _error;

    /// <summary>Parses the block, unless another thread has begun to. A thread of the pool does not wait.</summary>
    public void Execute()
    {
        if (!_running.TryEnter()) return;
        try
        {
            ParseOnce();
        }
        finally
        {
            _running.Exit();
        }
    }

    /// <summary>The words of the block, which is parsed now if no thread has begun to.</summary>
    /// <exception cref="InvalidDataException">A row is damaged.</exception>
    public string[] Result()
    {
        lock (_running) ParseOnce();
        _error?.Throw();
        string[] words = _words!;
        _words = null;
        return words;
    }

    /// <summary>Waits for a thread that parses the block. No thread begins to afterwards.</summary>
    public void Cancel()
    {
        bool interrupted = false;
        for (bool ended = false; !ended;)
        {
            try
            {
                lock (_running) _parse = null;
                ended = true;
            }
            catch (ThreadInterruptedException)
            {
                interrupted = true; // the other thread still writes to the table, so the wait goes on
            }
        }
        if (interrupted) Thread.CurrentThread.Interrupt();
    }

    private void ParseOnce()
    {
        Func<string[]>? parse = _parse;
        _parse = null;
        if (parse is null) return;
        try
        {
            _words = parse();
        }
        catch (Exception error)
        {
            _error = ExceptionDispatchInfo.Capture(error);
        }
    }
}
