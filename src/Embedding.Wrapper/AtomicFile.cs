namespace EmbeddingWrapper;

/// <summary>Writes files that are complete or do not exist.</summary>
internal static class AtomicFile
{
    private const string Prefix = ".embedding-wrapper-", Suffix = ".tmp";

    // Any number of processes may hold this at once. Remove() asks for the file alone, and so never takes one that is being written.
    private const FileShare WhileWriting = FileShare.Read | FileShare.Delete;

    /// <summary>
    /// Writes a file under a temporary name in the same folder, flushes it to the disk and renames it. If anything fails, an older
    /// file stays as it was, and no other file is left behind. A link stays, and its target is replaced; the mode of an older file is
    /// kept. Files that a killed process left in the folder are removed.
    /// </summary>
    /// <exception cref="IOException">
    /// The path is a folder, a pipe, a device or a socket, or the file cannot be written. The message names the path.
    /// </exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written. The message names the path.</exception>
    public static void Write(string path, Action<FileStream> write)
    {
        RegularFile.ThrowIfSpecial(path);
        if (Directory.Exists(path)) throw new IOException($"{path} is a folder, not a regular file.");
        string target = Path.GetFullPath(path);
        if (new FileInfo(target).LinkTarget is not null) target = ResolveLinks(target, follows: 0);
        UnixFileMode? mode = CheckWritable(target);
        string folder = Path.GetDirectoryName(target) ?? target;
        string temporary = "";
        try
        {
            RemoveAbandoned(folder);
            using FileStream file = Create(folder, mode, out temporary);
            try
            {
                write(file);
                if (mode is { } kept && !OperatingSystem.IsWindows()) File.SetUnixFileMode(file.SafeFileHandle, kept);
                file.Flush(flushToDisk: true);
                File.Move(temporary, target, overwrite: true); // before it is closed, so that nobody takes it for an abandoned one
            }
            catch
            {
                File.Delete(temporary);
                throw;
            }
        }
        catch (DirectoryNotFoundException)
        {
            throw new DirectoryNotFoundException($"Could not find a part of the path '{path}'.");
        }
        catch (UnauthorizedAccessException)
        {
            throw new UnauthorizedAccessException($"Access to the path '{path}' is denied.");
        }
        catch (IOException error) when (temporary.Length > 0 && error.Message.Contains(temporary))
        {
            throw new IOException(error.Message.Replace(temporary, path), error.HResult);
        }
    }

    /// <summary>Opens an existing file for writing, and leaves it as it is.</summary>
    /// <returns>Its mode, or null if there is no such file or the system has no modes.</returns>
    private static UnixFileMode? CheckWritable(string target)
    {
        try
        {
            using var old = File.OpenHandle(target, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
            return OperatingSystem.IsWindows() ? null : File.GetUnixFileMode(old);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (IOException) when (!OperatingSystem.IsWindows() && File.Exists(target))
        {
            return File.GetUnixFileMode(target); // another writer has locked it for a moment, to see whether it is abandoned
        }
    }

    private static FileStream Create(string folder, UnixFileMode? mode, out string temporary)
    {
        const int attempts = 10;

        var options = new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.ReadWrite,
            Share = WhileWriting,
            BufferSize = 0,
        };
        if (mode is not null && !OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        for (int attempt = 1; ; attempt++)
        {
            temporary = Path.Combine(folder, Prefix + Path.GetRandomFileName() + Suffix);
            try
            {
                var file = new FileStream(temporary, options);
                if (File.Exists(temporary)) return file;
                file.Dispose();
            }
            catch (IOException) when (attempt < attempts)
            {
                // Tried again: between its creation and its lock, another process may have taken the file for an abandoned one.
            }
        }
    }

    /// <summary>Removes what processes left behind that were killed while they wrote: files of our name that nobody has open.</summary>
    private static void RemoveAbandoned(string folder)
    {
        foreach (string file in Directory.EnumerateFiles(folder, Prefix + "*" + Suffix))
        {
            try
            {
                RegularFile.ThrowIfSpecial(file);
                using var alone = File.OpenHandle(file, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
                File.Delete(file);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // Another process writes it, or it belongs to another user.
            }
        }
    }

    /// <summary>The path behind links, also links in its folders: the target of a link is relative to where the link really is.</summary>
    private static string ResolveLinks(string path, int follows)
    {
        const int most = 40; // as Linux

        string resolved = Path.GetPathRoot(path)!;
        foreach (string part in path[resolved.Length..].Split(Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar))
        {
            if (part == "..") resolved = Path.GetDirectoryName(resolved) ?? resolved;
            if (part is "" or "." or "..") continue;
            string next = Path.Combine(resolved, part);
            if (new FileInfo(next).LinkTarget is not { } link) resolved = next;
            else if (follows == most) throw new IOException($"Too many levels of symbolic links in '{path}'.");
            else resolved = ResolveLinks(Path.IsPathRooted(link) ? link : resolved + Path.DirectorySeparatorChar + link, follows + 1);
        }
        return resolved;
    }
}
