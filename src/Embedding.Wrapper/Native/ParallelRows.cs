using System.Runtime.ExceptionServices;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Native;

/// <summary>Work on many rows, divided among up to as many threads as libtorch may use.</summary>
/// <remarks>
/// The calling thread works too, and it never waits for the thread pool to start a thread: it would do so while it holds a gate, and the
/// threads of the pool may be waiting for that gate. Pool threads are only invited. One that comes late finds no share left and touches
/// no memory. The call ends when every share that a thread has claimed is finished, whatever was thrown.
/// </remarks>
internal sealed class ParallelRows : IThreadPoolWorkItem
{
    /// <summary>Less than this is not worth another thread: waking one takes as long as copying it.</summary>
    private const long BytesPerThread = 256 * 1024;

    /// <summary>
    /// More than one share a thread, so that the wait for the last one is short. With more than this, the same rows are more often copied by
    /// another thread than in the call before, and are not in its cache.
    /// </summary>
    private const int SharesPerThread = 2;

    /// <summary>How many invitations may be in the pool's queue. If its threads are all busy, the queue must not grow with each call.</summary>
    private static readonly int MaxInvited = 4 * Environment.ProcessorCount;

    private static int s_invited;

    private readonly long _rows, _rowsPerShare;
    private Action<long, long>? _work; // null when the call has ended: an invitation in the queue keeps nothing alive
    private Exception? _error;
    private long _claimed, _finished; // rows

    private ParallelRows(int threads, long rows, Action<long, long> work)
    {
        _rows = rows;
        _rowsPerShare = Math.Max(1, rows / ((long)threads * SharesPerThread));
        _work = work;
    }

    /// <summary>The number of threads for work on this many bytes: 1 when another thread would cost more than it gains.</summary>
    public static int Threads(long bytes) => bytes < 2 * BytesPerThread ? 1 : (int)Math.Min(get_num_threads(), bytes / BytesPerThread);

    /// <summary>
    /// Calls <paramref name="work"/> with the first row of each share and the row after its last one. <paramref name="work"/> must not wait.
    /// </summary>
    public static void Run(int threads, long rows, Action<long, long> work)
    {
        var job = new ParallelRows(threads, rows, work);
        for (int i = 1; i < threads; i++) job.Invite();
        job.ClaimShares();
        var wait = new UninterruptedWait();
        while (Volatile.Read(ref job._finished) < rows) wait.Once(sleeps: false); // for the rest of a share; a sleep takes as long as a job
        wait.End();
        job._work = null;
        if (job._error is not null) ExceptionDispatchInfo.Throw(job._error);
    }

    void IThreadPoolWorkItem.Execute()
    {
        Interlocked.Decrement(ref s_invited);
        ClaimShares();
    }

    private void Invite()
    {
        if (Volatile.Read(ref s_invited) >= MaxInvited) return;
        Interlocked.Increment(ref s_invited);
        try
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
        catch (ThreadInterruptedException)
        {
            Interlocked.Decrement(ref s_invited);
            Thread.CurrentThread.Interrupt();
        }
        catch (OutOfMemoryException) // for another thread; this one does the work
        {
            Interlocked.Decrement(ref s_invited);
        }
    }

    private void ClaimShares()
    {
        long end;
        while ((end = Interlocked.Add(ref _claimed, _rowsPerShare)) - _rowsPerShare < _rows)
        {
            long start = end - _rowsPerShare;
            end = Math.Min(end, _rows);
            try
            {
                if (Volatile.Read(ref _error) is null) _work!(start, end);
            }
            catch (Exception error)
            {
                Volatile.Write(ref _error, error);
            }
            Interlocked.Add(ref _finished, end - start);
        }
    }
}
