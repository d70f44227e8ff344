namespace EmbeddingWrapper.Pretrained;

/// <summary>Writes files that are complete or do not exist.</summary>
internal static class AtomicFile
{
    /// <summary>
    /// Writes a file under a temporary name in the same folder, flushes it to the disk and renames it. If anything fails, an older
    /// file stays as it was, and no other file is left behind.
    /// </summary>
    public static void Write(string path, Action<FileStream> write)
    {
        string full = Path.GetFullPath(path);
        string temporary = Path.Combine(Path.GetDirectoryName(full) ?? full, $".{Path.GetRandomFileName()}.tmp");
        using var file = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.Delete, bufferSize: 1);
        try
        {
            write(file);
            file.Flush(flushToDisk: true);
            file.Dispose();
            File.Move(temporary, full, overwrite: true);
        }
        catch
        {
            file.Dispose();
            File.Delete(temporary);
            throw;
        }
    }
}
