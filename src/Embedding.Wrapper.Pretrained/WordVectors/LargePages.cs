using System.Runtime.InteropServices;

namespace EmbeddingWrapper.Pretrained;

/// <summary>Asks Linux for memory pages of 2 MiB, so that a new table does not consist of thousands of 4 KiB pages.</summary>
/// <remarks>
/// The first touch of a 4 KiB page takes longer than filling it. Without large pages, most of the time of reading a binary file is spent on
/// first touches. libtorch makes the same request when THP_MEM_ALLOC_ENABLE is set, but the environment belongs to the process, not to this
/// library.
/// </remarks>
internal static unsafe partial class LargePages
{
    private const int HugePage = 14; // MADV_HUGEPAGE

    /// <summary>Asks for large pages in memory that has not been touched yet. The kernel may ignore the request; that is harmless.</summary>
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
            // The C library of this Linux has another name.
        }
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* start, nuint length, int advice);
}
