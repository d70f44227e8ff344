using System.Text;

namespace EmbeddingWrapper.Repl.Prompt.Terminal;

/// <summary>
/// Keeps the history between sessions: a text file with a line for each entry, that only its user may read. Several prompts may add to
/// it at the same time. If it cannot be read or written, the prompt works without it.
/// </summary>
/// <param name="path">The file. Its folder is created with the first entry.</param>
internal sealed class HistoryFile(string path)
{
    /// <summary>A file that grows beyond this is cut to the newest entries that make half of it.</summary>
    public const int MaxBytes = 1 << 18;

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);

    /// <summary>The file in the folder that the system has for the state of programs, or null if there is none.</summary>
    public static HistoryFile? OfTheUser()
    {
        string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        string folder = OperatingSystem.IsWindows() ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
            : Environment.GetEnvironmentVariable("XDG_STATE_HOME") is { } state && Path.IsPathRooted(state) ? state
            : home.Length > 0 ? Path.Combine(home, ".local", "state")
            : "";
        return folder.Length > 0 ? new HistoryFile(Path.Combine(folder, "embedding-wrapper", "history")) : null;
    }

    /// <summary>The entries, the newest last.</summary>
    public List<string> Read()
    {
        List<string> entries = [];
        if (File.Exists(path)) Use(file => entries = [.. Newest(file, MaxBytes).Select(Decode)]);
        return entries;
    }

    /// <summary>Adds an entry at the end.</summary>
    public void Append(string entry)
    {
        byte[] line = Utf8.GetBytes($"{Encode(entry)}\n");
        if (line.Length > MaxBytes / 4) return; // a paste that would push out the rest
        Use(file =>
        {
            file.Seek(0, SeekOrigin.End);
            file.Write(line);
            if (file.Length <= MaxBytes) return;
            byte[] kept = Utf8.GetBytes(string.Concat(Newest(file, MaxBytes / 2).Select(text => $"{text}\n")));
            file.Seek(0, SeekOrigin.Begin);
            file.Write(kept);
            file.SetLength(kept.Length);
        });
    }

    /// <summary>The lines at the end of the file that are whole within so many bytes.</summary>
    private static string[] Newest(FileStream file, int bytes)
    {
        int length = (int)Math.Min(file.Length, bytes);
        file.Seek(-length, SeekOrigin.End);
        var content = new byte[length];
        file.ReadExactly(content);
        int start = length == file.Length ? 0 : Array.IndexOf(content, (byte)'\n') + 1;
        return Utf8.GetString(content.AsSpan(start)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    private void Use(Action<FileStream> body)
    {
        try
        {
            using FileStream file = Open();
            body(file);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            // The prompt goes on without this entry.
        }
    }

    /// <summary>Opens the file so that no other prompt has it, and waits a little for one that does.</summary>
    private FileStream Open()
    {
        const int attempts = 50;
        const UnixFileMode user = UnixFileMode.UserRead | UnixFileMode.UserWrite;

        var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None };
        string folder = Path.GetDirectoryName(path)!;
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(folder);
        else
        {
            Directory.CreateDirectory(folder, user | UnixFileMode.UserExecute);
            options.UnixCreateMode = user;
        }
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return new FileStream(path, options);
            }
            catch (IOException) when (attempt < attempts && File.Exists(path))
            {
                Thread.Sleep(10);
            }
        }
    }

    private static string Encode(string entry) => entry.Replace("\\", "\\\\").Replace("\r", "\\r").Replace("\n", "\\n");

    private static string Decode(string line)
    {
        var text = new StringBuilder();
        for (int i = 0; i < line.Length; i++)
        {
            if (line[i] != '\\' || i + 1 == line.Length) text.Append(line[i]);
            else text.Append(line[++i] switch { 'n' => '\n', 'r' => '\r', var other => other });
        }
        return text.ToString();
    }
}
