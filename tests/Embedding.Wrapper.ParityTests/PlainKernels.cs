using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace EmbeddingWrapper.ParityTests;

/// <summary>
/// Makes libtorch use its plain kernels, because the goldens were made with them. The vector kernels sum a norm in an order that
/// depends on the processor (see parity-scripts/README.md). libtorch reads the variable once, when it is loaded, so this runs
/// before any test.
/// </summary>
internal static class PlainKernels
{
    private const string Variable = "ATEN_CPU_CAPABILITY", Value = "default";

    [ModuleInitializer]
    internal static void Select()
    {
        // Environment.SetEnvironmentVariable changes .NET's copy of the environment; native code reads another one.
        int failed = OperatingSystem.IsWindows() ? SetOnWindows(Variable, Value) : Set(Variable, Value, 1);
        if (failed != 0) throw new InvalidOperationException($"{Variable} could not be set.");
    }

    [DllImport("libc", EntryPoint = "setenv")]
    private static extern int Set(string name, string value, int overwrite);

    [DllImport("ucrtbase", EntryPoint = "_putenv_s")]
    private static extern int SetOnWindows(string name, string value);
}
