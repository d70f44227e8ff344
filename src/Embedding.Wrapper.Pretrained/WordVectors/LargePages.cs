using System.Runtime.InteropServices;

namespace EmbeddingWrapper.Native;

/// <summary>Memory in pages of 2 MiB, where Linux gives them on request: a new table is then not built from thousands of small ones.</summary>
/// <remarks>
/// The first touch of a small page takes longer than filling it: without this, most of the time of reading a binary file goes there.
/// libtorch has the same behind THP_MEM_ALLOC_ENABLE, which is the environment of the process and so not ours.
/// </remarks>
internal static unsafe partial class LargePages
{
    private const int HugePage = 14; // MADV_HUGEPAGE

    /// <summary>Asks for large pages in memory that was not touched yet. That it is refused does not matter.</summary>
    public static void Prefer(void* start, long bytes)
    {
        if (!OperatingSystem.IsLinux() || bytes < 1 << 21) return;
        long page = Environment.SystemPageSize, first = ((long)start + page - 1) / page * page;
        try
        {
            _ = Advise((void*)first, (nuint)((long)start + bytes - first), HugePage);
        }
        catch (Exception error) when (error is DllNotFoundException or EntryPointNotFoundException)
        {
            // A Linux whose C library has another name.
        }
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* start, nuint length, int advice);
}
