using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace EmbeddingWrapper.Tests;

/// <summary>
/// Makes libtorch use its plain kernels: its vector kernels add in an order that depends on the processor. A value that the
/// environment already has stays, because one test of the optimizers starts this assembly again with vector kernels.
/// </summary>
internal static class PlainKernels
{
    // libtorch reads the environment with getenv. On Unix, getenv does not see what Environment.SetEnvironmentVariable writes.
    [ModuleInitializer]
    internal static void Select()
    {
        if (!OperatingSystem.IsWindows()) SetEnv("ATEN_CPU_CAPABILITY", "default", 0);
    }

    [DllImport("libc", EntryPoint = "setenv")]
    private static extern int SetEnv(string name, string value, int overwrite);
}
