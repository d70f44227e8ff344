namespace EmbeddingWrapper.Pretrained;

/// <summary>The content of a file of word vectors, decompressed and read from start to end.</summary>
internal sealed class VectorStream : IDisposable
{
    /// <summary>The longest row in bytes: four million numbers in binary. It limits the memory that a single line can take.</summary>
    public const int LongestRow = 1 << 24;

    private const int StartLength = 1 << 16;

    private readonly SourceStream _source;
    private readonly CancellationToken _cancellation;
    private readonly string? _compression;
    private readonly Stream _content;
    private readonly byte[] _start = new byte[StartLength + sizeof(ulong)];
    private readonly int _startLength;
    private int _startTaken;

    /// <exception cref="InvalidDataException">The file is compressed and damaged, or it is a zip archive of several files.</exception>
    /// <exception cref="NotSupportedException">The source is a zip archive and cannot seek.</exception>
    private VectorStream(SourceStream source, string name, string? path, CancellationToken cancellation)
    {
        (_source, Name, Path, _cancellation) = (source, name, path, cancellation);
        _content = source;
        try
        {
            _compression = CompressionOf(source.Peek(10));
            if (_compression == "zip" && ForeignFormat.Of(source.Peek(ForeignFormat.StartLength)) is string what) throw Foreign(what);
            try
            {
                _content = Decompress();
            }
            catch (Exception error) when (IsDamage(error))
            {
                throw Damaged(error);
            }
            while (_startLength < StartLength && ReadContent(_start.AsSpan(_startLength, StartLength - _startLength)) is int read and > 0)
                _startLength += read;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The file or the stream, for messages.</summary>
    public string Name { get; }

    /// <summary>The path, or null for a stream and for a pipe.</summary>
    public string? Path { get; }

    public bool IsCompressed => _compression is not null;

    /// <summary>Whether the number of bytes of the content is unknown, because it is compressed or comes from a pipe.</summary>
    public bool HasUnknownLength => IsCompressed || TotalBytes == 0;

    /// <summary>The size of the file, or 0 if it is unknown.</summary>
    public long TotalBytes => _source.TotalBytes;

    /// <summary>The number of bytes of the file that have been read.</summary>
    public long BytesRead => _source.BytesRead;

    /// <summary>The first bytes of the content, at most 64 KiB. <see cref="Read"/> returns them again. 8 more bytes are readable behind them.</summary>
    public ReadOnlySpan<byte> Start => _start.AsSpan(0, _startLength);

    /// <inheritdoc cref="VectorStream(SourceStream, string, string?, CancellationToken)"/>
    public static VectorStream Open(string path, CancellationToken cancellation)
    {
        bool isPipe = PipeStream.MayBe(path);
        Stream file = isPipe ? new PipeStream(path, cancellation) : OpenFile(path);
        return new VectorStream(new SourceStream(file, leaveOpen: false, cancellation), path, isPipe ? null : path, cancellation);
    }

    /// <inheritdoc cref="VectorStream(SourceStream, string, string?, CancellationToken)"/>
    public static VectorStream Open(Stream stream, CancellationToken cancellation) =>
        new(new SourceStream(stream, leaveOpen: true, cancellation), stream is FileStream file ? file.Name : "the stream", null, cancellation);

    public static FileStream OpenFile(string path) =>
        new(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 1, FileOptions.SequentialScan);

    /// <summary>Reads some bytes. At first these are the bytes of <see cref="Start"/>.</summary>
    /// <returns>The number of bytes read; 0 only at the end of the content.</returns>
    /// <exception cref="InvalidDataException">The compressed data are damaged.</exception>
    /// <exception cref="OperationCanceledException">The load was cancelled.</exception>
    public int Read(Span<byte> destination)
    {
        int taken = Math.Min(destination.Length, _startLength - _startTaken);
        if (taken == 0) return ReadContent(destination);
        _start.AsSpan(_startTaken, taken).CopyTo(destination);
        _startTaken += taken;
        return taken;
    }

    /// <summary>If the content has a format that is not read here: an exception that says which.</summary>
    public InvalidDataException? Foreign()
    {
        ReadOnlySpan<byte> start = Start[..Math.Min(Start.Length, ForeignFormat.StartLength)];
        string? what = ForeignFormat.Of(start) ?? (IsCompressed ? ForeignFormat.Packed(start) : null);
        return what is null ? null : Foreign(what);
    }

    public void Dispose()
    {
        _content.Dispose();
        _source.Dispose();
    }

    /// <summary>The compression, or null. A file that ends within the first bytes of a compressed file was cut short.</summary>
    private static string? CompressionOf(ReadOnlySpan<byte> start)
    {
        if (start.Length > 0 && Begins(start, [0x1F, 0x8B])) return "gzip";
        if (start.StartsWith("PK\u0003\u0004"u8) || start.StartsWith("PK\u0005\u0006"u8)) return "zip";

        // The digit is the size of the blocks. "BZh9" alone may be a word; the first block, or the end of an empty file, follows the digit.
        bool isBzip2 = start.Length >= 4 && start.StartsWith("BZh"u8) && char.IsAsciiDigit((char)start[3])
            && (Begins(start[4..], "1AY&SY"u8) || Begins(start[4..], [0x17, 0x72, 0x45, 0x38, 0x50, 0x90]));
        return isBzip2 ? "bzip2" : null;
    }

    private static bool Begins(ReadOnlySpan<byte> file, ReadOnlySpan<byte> magic) => file.StartsWith(magic) || magic.StartsWith(file);

    private Stream Decompress() => _compression switch
    {
        "gzip" => new GzipContent(_source),
        "bzip2" => new Bzip2Content(_source),
        "zip" when !_source.CanSeek =>
            throw new NotSupportedException($"{Name} is a zip archive, which is read only from a file or from the start of a stream that can seek."),
        "zip" => new ZipContent(_source),
        _ => _source,
    };

    private int ReadContent(Span<byte> destination)
    {
        _cancellation.ThrowIfCancellationRequested();
        try
        {
            return _content.Read(destination);
        }
        catch (Exception error) when (IsDamage(error))
        {
            throw Damaged(error);
        }
    }

    /// <summary>Whether a decompressor threw an exception because of the data. The source throws exceptions of its own.</summary>
    private bool IsDamage(Exception error) =>
        _compression is not null && !_source.Failed && error is InvalidDataException or EndOfStreamException or ArgumentException;

    private InvalidDataException Foreign(string what) => FileFault.AtByte(Name, 0, $"this is {what}.");

    private InvalidDataException Damaged(Exception error) =>
        FileFault.AtByte(Name, _source.BytesRead, $"the {_compression} data cannot be read. {error.Message}", error);
}
