using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace EmbeddingWrapper;

/// <summary>Keeps away from what is at a path and is not a file: opening a pipe waits for its other end, and a device has no end.</summary>
internal static unsafe partial class RegularFile
{
    /// <summary>Opens a file for reading. The caller disposes the handle.</summary>
    /// <exception cref="IOException">It is a pipe, a device or a socket, or it cannot be opened.</exception>
    /// <exception cref="UnauthorizedAccessException">It is a folder, or it may not be read.</exception>
    public static SafeFileHandle OpenRead(string path)
    {
        ThrowIfSpecial(path);
        return File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
    }

    /// <summary>Fills a buffer from a place in a file.</summary>
    /// <returns>The number of bytes read; fewer than the buffer has only if the file ends.</returns>
    public static int Read(SafeFileHandle file, Span<byte> buffer, long position)
    {
        int done = 0, read;
        while (done < buffer.Length && (read = RandomAccess.Read(file, buffer[done..], position + done)) > 0) done += read;
        return done;
    }

    /// <summary>Checks what is at a path, behind links, without opening it. No file at all is fine, and so is a folder.</summary>
    /// <remarks>
    /// .NET does not tell pipes and devices from files before it opens them. Linux is asked directly, through <c>statx</c>: its structure
    /// is the same on every processor. Elsewhere nothing is checked.
    /// </remarks>
    /// <exception cref="IOException">It is a pipe, a device or a socket.</exception>
    public static void ThrowIfSpecial(string path)
    {
        const int currentFolder = -100, typeOnly = 1, sizeOfResult = 256, placeOfMode = 28;

        if (!OperatingSystem.IsLinux()) return;
        byte* result = stackalloc byte[sizeOfResult];
        try
        {
            if (Statx(currentFolder, path, 0, typeOnly, result) != 0) return; // opening it will say why
        }
        catch (Exception error) when (error is DllNotFoundException or EntryPointNotFoundException)
        {
            return; // a Linux whose C library is older, or has another name
        }
        string? kind = (*(ushort*)(result + placeOfMode) >> 12) switch
        {
            1 => "pipe",
            2 or 6 => "device",
            12 => "socket",
            _ => null,
        };
        if (kind is not null) throw new IOException($"{path} is a {kind}, not a regular file.");
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint mask, byte* result);
}
