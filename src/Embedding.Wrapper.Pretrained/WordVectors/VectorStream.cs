using System.Text;
using System.Text.Unicode;

namespace EmbeddingWrapper.Pretrained;

/// <summary>A file of word vectors, read from start to end; a gzip file as what is packed in it.</summary>
internal sealed class VectorStream : IDisposable
{
    /// <summary>The longest row, in bytes: four million numbers in binary. A file cannot make us hold more than that of one line.</summary>
    public const int LongestRow = 1 << 24;

    private const int PeekLength = 1 << 16;

    private readonly FileStream _file;
    private readonly GzipContent? _content;
    private readonly byte[] _start;
    private readonly int _startLength;
    private int _startTaken;

    /// <exception cref="InvalidDataException">It looks like a gzip file, and is damaged.</exception>
    public VectorStream(string path)
    {
        Path = path;
        _file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 1, FileOptions.SequentialScan);
        _start = new byte[PeekLength + sizeof(ulong)];
        try
        {
            TotalBytes = _file.Length;
            Span<byte> magic = stackalloc byte[2];
            int length = _file.ReadAtLeast(magic, magic.Length, throwOnEndOfStream: false);
            _file.Position = 0;
            if (length == 2 && magic.SequenceEqual<byte>([0x1F, 0x8B])) _content = new GzipContent(_file);
            _startLength = ReadContent(_start.AsSpan(0, PeekLength));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public string Path { get; }

    /// <summary>Whether it is a gzip file.</summary>
    public bool IsPacked => _content is not null;

    public long TotalBytes { get; }

    public long BytesRead => _file.Position;

    /// <summary>The first bytes, at most 64 KiB, without reading them. 8 bytes more are readable.</summary>
    public ReadOnlySpan<byte> Start => _start.AsSpan(0, _startLength);

    /// <summary>Reads until <paramref name="destination"/> is full or the file ends.</summary>
    /// <returns>The number of bytes read.</returns>
    /// <exception cref="InvalidDataException">The gzip file is damaged.</exception>
    public int Read(Span<byte> destination)
    {
        int taken = Math.Min(destination.Length, _startLength - _startTaken);
        _start.AsSpan(_startTaken, taken).CopyTo(destination);
        _startTaken += taken;
        return taken + ReadContent(destination[taken..]);
    }

    public void Dispose()
    {
        _content?.Dispose();
        _file.Dispose();
    }

    /// <summary>A word of the file.</summary>
    /// <returns>Null when the bytes are not UTF-8.</returns>
    public static string? Word(ReadOnlySpan<byte> bytes) => Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : null;

    private int ReadContent(Span<byte> destination)
    {
        if (_content is null) return _file.ReadAtLeast(destination, destination.Length, throwOnEndOfStream: false);
        try
        {
            return _content.Read(destination);
        }
        catch (InvalidDataException error)
        {
            throw FileFault.AtByte(Path, _file.Position, $"the gzip data are damaged. {error.Message}", error);
        }
    }
}
