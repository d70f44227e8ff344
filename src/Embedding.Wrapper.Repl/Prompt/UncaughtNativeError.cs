using System.Runtime.InteropServices;

namespace EmbeddingWrapper.Repl.Prompt;

/// <summary>
/// Some functions of TorchSharp let libtorch's C++ exceptions out (0.107.0: <c>matmul</c>, <c>cummax</c>,
/// <c>autograd.grad</c>; those in its native sources without CATCH). On Linux such an exception finds no handler and C++
/// ends the process: a wrong shape would cost the session. At that point nothing is unwound yet, so the thread can be kept
/// where it is, for ever, while the session goes on with another. (On Windows the runtime turns such exceptions into
/// SEHException by itself.)
/// </summary>
internal static unsafe class UncaughtNativeError
{
    [ThreadStatic] private static Action<string>? t_report;
    private static delegate* unmanaged<void> s_previous;
    private static int s_installed;

    /// <summary>
    /// From now on an uncaught C++ exception on this thread calls <paramref name="report"/> with its text and never returns.
    /// </summary>
    public static void OnThisThread(Action<string> report)
    {
        t_report = report;
        if (OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64
            && Interlocked.Exchange(ref s_installed, 1) == 0)
        {
            s_previous = SetTerminate(&OnTerminate);
        }
    }

    [UnmanagedCallersOnly]
    private static void OnTerminate()
    {
        if (t_report is { } report)
        {
            report(Message());
            while (true)
            {
                try
                {
                    Thread.Sleep(Timeout.Infinite);
                }
                catch (ThreadInterruptedException)
                {
                    // Ctrl-C came at the same time.
                }
            }
        }
        s_previous();
    }

    private static string Message()
    {
        CurrentException(out nint exception);
        // A std::type_info is its table of functions, then its name. Only what derives from std::exception has what().
        string type = exception == 0 ? "" : Marshal.PtrToStringUTF8(((nint*)CurrentExceptionType())[1]) ?? "";
        bool hasWhat = type.StartsWith("N3c10", StringComparison.Ordinal) || type.StartsWith("St", StringComparison.Ordinal);
        if (!hasWhat) return "";

        // Two destructors come before what().
        var what = (delegate* unmanaged<nint, nint>)(*(nint**)exception)[2];
        return Marshal.PtrToStringUTF8(what(exception)) ?? "";
    }

    [DllImport("libstdc++.so.6", EntryPoint = "_ZSt13set_terminatePFvvE")]
    private static extern delegate* unmanaged<void> SetTerminate(delegate* unmanaged<void> handler);

    /// <summary>
    /// <c>std::exception_ptr std::current_exception()</c>; on x64 such a result is written to where the argument points.
    /// </summary>
    [DllImport("libstdc++.so.6", EntryPoint = "_ZSt17current_exceptionv")]
    private static extern void CurrentException(out nint exception);

    [DllImport("libstdc++.so.6", EntryPoint = "__cxa_current_exception_type")]
    private static extern nint CurrentExceptionType();
}
