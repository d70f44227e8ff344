using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace EmbeddingWrapper.Repl.Prompt;

/// <summary>
/// Runs the lines of a session, all on one thread, because libtorch's gradient mode and TorchSharp's dispose scopes belong
/// to a thread: <c>no_grad()</c> in one line is meant to hold in the next.
/// </summary>
/// <param name="stillRunning">Called when a line that is to stop has not stopped after a while.</param>
internal sealed class ScriptThread(Action stillRunning)
{
    private static readonly TimeSpan ForLoops = TimeSpan.FromMilliseconds(200), ForSleepers = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private Worker? _worker;
    private Line? _running;

    /// <summary>Runs <paramref name="body"/> and what it awaits to the end.</summary>
    /// <exception cref="OperationCanceledException">It was stopped by <see cref="Stop"/>.</exception>
    /// <exception cref="TimeoutException">It could not be stopped, and was left behind.</exception>
    /// <exception cref="ExternalException">
    /// libtorch refused, in a function of TorchSharp that does not hand the error on.
    /// </exception>
    public void Run(Func<Task> body)
    {
        var line = new Line(body);
        Worker worker;
        lock (_gate)
        {
            _running = line;
            worker = _worker ??= new Worker();
            worker.Start(line);
        }
        try
        {
            line.End.Task.GetAwaiter().GetResult();
        }
        finally
        {
            lock (_gate)
            {
                _running = null;
                if (!worker.IsFree)
                {
                    worker.Retire();
                    _worker = null;
                }
            }
        }
        line.Stop.Token.ThrowIfCancellationRequested();
    }

    /// <summary>
    /// Stops the line that runs, if any: what it awaits is no longer waited for, its next <see cref="LoopChecks.Go"/> ends
    /// it, and if it sleeps it is woken. Asked once more it is left behind, in a native call or wherever it is.
    /// </summary>
    /// <returns>Whether a line ran.</returns>
    public bool Stop()
    {
        lock (_gate)
        {
            if (_running is not { } line) return false;
            if (line.Flag.IsUp)
            {
                line.End.TrySetException(new TimeoutException());
                return true;
            }
            line.Flag.Raise();
            _ = line.Stop.CancelAsync();
            _ = Insist(line, _worker!);
            return true;
        }
    }

    private async Task Insist(Line line, Worker worker)
    {
        await Task.Delay(ForLoops).ConfigureAwait(false);
        lock (_gate)
        {
            if (_running != line) return;
            worker.Interrupt();
        }
        await Task.Delay(ForSleepers).ConfigureAwait(false);
        bool runs;
        lock (_gate) runs = _running == line;
        if (runs) stillRunning();
    }

    /// <summary>A line that runs.</summary>
    private sealed class Line(Func<Task> body)
    {
        public Func<Task> Body => body;

        public TaskCompletionSource End { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public StopFlag Flag { get; } = new();

        public CancellationTokenSource Stop { get; } = new();
    }

    /// <summary>
    /// A thread and what it has to do. What a line awaits continues on the same thread, so it can be stopped too.
    /// </summary>
    private sealed class Worker : SynchronizationContext
    {
        private readonly BlockingCollection<Action> _queue = [];
        private readonly Thread _thread;
        private volatile Line? _line;

        public Worker()
        {
            _thread = new Thread(Work) { IsBackground = true, Name = "Script" };
            _thread.Start();
        }

        /// <summary>The last line came to its end, and no exception of C++ holds the thread.</summary>
        public bool IsFree => _line is null;

        public void Start(Line line)
        {
            _line = line;
            _queue.Add(() => Run(line));
        }

        /// <summary>Wakes a line that sleeps or waits.</summary>
        public void Interrupt() => _thread.Interrupt();

        public void Retire() => _queue.CompleteAdding();

        public override void Post(SendOrPostCallback callback, object? state)
        {
            try
            {
                _queue.Add(() => callback(state));
            }
            catch (InvalidOperationException)
            {
                // Something that a stopped line awaited came to its end. Nobody waits for it any more.
            }
        }

        private void Work()
        {
            SetSynchronizationContext(this);
            UncaughtNativeError.OnThisThread(message => _line?.End.TrySetException(new ExternalException(message)));
            while (!_queue.IsCompleted)
            {
                try
                {
                    foreach (Action action in _queue.GetConsumingEnumerable()) action();
                }
                catch (ThreadInterruptedException)
                {
                    // The line that was to be woken had just come to its end.
                }
            }
        }

        private void Run(Line line)
        {
            LoopChecks.Watch(line.Flag);
            try
            {
                Pump(line);
                _line = null;
                line.End.TrySetResult();
            }
            catch (Exception error)
            {
                _line = null;
                if (line.Flag.IsUp) line.End.TrySetCanceled();
                else line.End.TrySetException(error);
            }
        }

        private void Pump(Line line)
        {
            Task task = line.Body();
            task.ContinueWith(_ => Post(_ => { }, null), TaskScheduler.Default);
            while (!task.IsCompleted) _queue.Take(line.Stop.Token)();
            task.GetAwaiter().GetResult();
        }
    }
}
