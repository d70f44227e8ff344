using System.Text;
using System.Text.Unicode;

namespace EmbeddingWrapper.Pretrained;

/// <summary>The bytes of a file of word vectors, decompressed and read from start to end.</summary>
internal sealed class VectorStream : IDisposable
{
    /// <summary>The longest row in bytes: four million numbers in binary. It limits the memory that a single line can take.</summary>
    public const int LongestRow = 1 << 24;

    private const int PeekLength = 1 << 16;

    private readonly FileStream _file;
    private readonly GzipContent? _content;
    private readonly byte[] _start;
    private readonly int _startLength;
    private int _startTaken;

    /// <exception cref="InvalidDataException">The file is a gzip file and is damaged.</exception>
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

    /// <summary>Whether the file is compressed.</summary>
    public bool IsPacked => _content is not null;

    public long TotalBytes { get; }

    public long BytesRead => _file.Position;

    /// <summary>The first bytes of the content, at most 64 KiB. <see cref="Read"/> returns them again. 8 more bytes are readable behind them.</summary>
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

    /// <summary>Decodes a word.</summary>
    /// <returns>The word, or null if the bytes are not valid UTF-8.</returns>
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
