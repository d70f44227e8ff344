using System.Collections.Concurrent;
using System.Runtime;
using System.Runtime.InteropServices;

namespace EmbeddingWrapper.Repl.Prompt;

/// <summary>
/// Runs the lines of a session, all on one thread, because libtorch's gradient mode and TorchSharp's dispose scopes belong
/// to a thread: <c>no_grad()</c> in one line is meant to hold in the next. A thread whose line was stopped is not used
/// again: the second abort on one thread never arrives (.NET 10.0).
/// </summary>
internal sealed class ScriptThread
{
    private readonly Lock _gate = new();
    private Worker? _worker;
    private CancellationTokenSource? _running;

    /// <summary>Runs <paramref name="body"/> and what it awaits to the end.</summary>
    /// <exception cref="OperationCanceledException">It was stopped by <see cref="Stop"/>.</exception>
    /// <exception cref="ExternalException">
    /// libtorch refused, in a function of TorchSharp that does not hand the error on.
    /// </exception>
    public void Run(Func<Task> body)
    {
        using var stop = new CancellationTokenSource();
        Task line;
        lock (_gate)
        {
            _running = stop;
            line = (_worker ??= new Worker()).Start(body, stop.Token);
        }
        try
        {
            line.GetAwaiter().GetResult();
        }
        finally
        {
            lock (_gate)
            {
                _running = null;
                if (stop.IsCancellationRequested || !_worker.IsAlive)
                {
                    _worker.Retire();
                    _worker = null;
                }
            }
        }
        stop.Token.ThrowIfCancellationRequested();
    }

    /// <summary>Stops the line that runs, if any. In native code it goes on until that returns.</summary>
    public void Stop()
    {
        lock (_gate)
        {
            if (_running is null || _running.IsCancellationRequested) return;
            _worker!.Interrupt();
            _ = _running.CancelAsync();
        }
    }

    /// <summary>
    /// A thread and what it has to do. What a line awaits continues on the same thread, so it can be stopped too.
    /// </summary>
    private sealed class Worker : SynchronizationContext
    {
        private readonly BlockingCollection<Action> _queue = [];
        private readonly Thread _thread;
        private volatile TaskCompletionSource? _line;
        private volatile bool _stuck;

        public Worker()
        {
            _thread = new Thread(Work) { IsBackground = true, Name = "Script" };
            _thread.Start();
        }

        public bool IsAlive => !_stuck;

        public Task Start(Func<Task> body, CancellationToken stop)
        {
            var line = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _line = line;
            _queue.Add(() => Run(body, stop, line), CancellationToken.None);
            return line.Task;
        }

        /// <summary>Wakes a line that sleeps or waits: the abort of <see cref="ControlledExecution"/> does not.</summary>
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
            UncaughtNativeError.OnThisThread(message =>
            {
                _stuck = true;
                _line?.TrySetException(new ExternalException(message));
            });
            try
            {
                foreach (Action action in _queue.GetConsumingEnumerable()) action();
            }
            catch (ThreadInterruptedException)
            {
                // The line came to its end just when it was to be stopped.
            }
        }

        private void Run(Func<Task> body, CancellationToken stop, TaskCompletionSource line)
        {
            try
            {
                // Obsolete as a warning: an abort can leave anything half done. That is what Ctrl-C at a prompt is for.
#pragma warning disable SYSLIB0046
                ControlledExecution.Run(() => Pump(body(), stop), stop);
#pragma warning restore SYSLIB0046
                line.TrySetResult();
            }
            catch (Exception) when (stop.IsCancellationRequested)
            {
                line.TrySetCanceled(stop);
            }
            catch (Exception error)
            {
                line.TrySetException(error);
            }
        }

        private void Pump(Task task, CancellationToken stop)
        {
            task.ContinueWith(_ => Post(_ => { }, null), TaskScheduler.Default);
            while (!task.IsCompleted) _queue.Take(stop)();
            task.GetAwaiter().GetResult();
        }
    }
}
