namespace EmbeddingWrapper.Native;

/// <summary>
/// Waits, by polling, for something that another thread is about to finish. <see cref="Thread.Interrupt"/> does not end the wait: the
/// interrupt is raised again by <see cref="End"/>, and the thread sees it at its next wait.
/// </summary>
internal struct UninterruptedWait
{
    private SpinWait _spin;
    private bool _interrupted;

    /// <summary>Spins, yields or sleeps for a moment.</summary>
    /// <param name="sleeps">Whether a long wait may sleep. If not, the end of the wait is seen at once, at the cost of a processor.</param>
    public void Once(bool sleeps = true)
    {
        try
        {
            _spin.SpinOnce(sleeps ? 20 : -1); // 20 is SpinWait's own default
        }
        catch (ThreadInterruptedException)
        {
            _interrupted = true;
        }
    }

    /// <summary>Must follow the last <see cref="Once"/>, whatever was thrown.</summary>
    public readonly void End()
    {
        if (_interrupted) Thread.CurrentThread.Interrupt();
    }
}
