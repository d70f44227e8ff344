using System.Runtime.CompilerServices;
using System.Text;
using EmbeddingWrapper.Pretrained;

namespace EmbeddingWrapper.Tests.Pretrained;

/// <summary>A temporary folder for one test. Its name is not ASCII, because the folders of users may not be either.</summary>
internal sealed class TestFolder : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("ew-tëst-").FullName;

    public string this[string name] => Path.Combine(_path, name);

    public IEnumerable<string> Files => Directory.EnumerateFileSystemEntries(_path).Select(path => Path.GetFileName(path)).Order();

    public string Write(string name, byte[] content)
    {
        File.WriteAllBytes(this[name], content);
        return this[name];
    }

    public string Write(string name, string content) => Write(name, Encoding.UTF8.GetBytes(content));

    /// <summary>Makes a named pipe.</summary>
    public string Pipe(string name)
    {
        using var process = System.Diagnostics.Process.Start("mkfifo", [this[name]]);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
        return this[name];
    }

    public void Dispose() => Directory.Delete(_path, recursive: true);

    /// <summary>The path of a golden of <c>parity-scripts/checks/pretrained.py</c>.</summary>
    public static string Golden(string name) => Path.Combine(Path.GetDirectoryName(SourceFile())!, "Data", name);

    private static string SourceFile([CallerFilePath] string path = "") => path;
}

internal static class TestVectors
{
    public static WordVectors Load(string path, WordVectorsFormat format = WordVectorsFormat.Auto, int? limit = null,
        IProgress<LoadProgress>? progress = null, UndecodableText undecodable = UndecodableText.Throw, IReadOnlySet<string>? only = null) =>
        WordVectors.Load(path, format, limit, progress, TestContext.Current.CancellationToken, undecodable, only);

    public static WordVectors Load(Stream stream, WordVectorsFormat format = WordVectorsFormat.Auto, int? limit = null,
        UndecodableText undecodable = UndecodableText.Throw) =>
        WordVectors.Load(stream, format, limit, null, TestContext.Current.CancellationToken, undecodable);
}
