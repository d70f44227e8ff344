namespace EmbeddingWrapper.Pretrained;

/// <summary>
/// The bytes of a file or of a caller's stream as they are stored: buffered, counted, and with a check for cancellation at each read.
/// </summary>
/// <param name="stream">The file or the caller's stream.</param>
/// <param name="leaveOpen">Whether the stream stays open after this object is disposed.</param>
/// <param name="cancellation">Ends the reading.</param>
internal sealed class SourceStream(Stream stream, bool leaveOpen, CancellationToken cancellation) : ForwardStream
{
    private readonly byte[] _buffer = new byte[1 << 16];
    private readonly long _start = stream.CanSeek ? stream.Position : 0;
    private int _next, _end;
    private long _read; // from the stream

    /// <summary>The number of bytes from the start of the stream to its end, or 0 if the stream does not know it.</summary>
    public long TotalBytes { get; } = stream.CanSeek ? stream.Length - stream.Position : 0;

    /// <summary>The number of bytes before the next one.</summary>
    public long BytesRead => _read - (_end - _next);

    /// <summary>Whether the stream itself threw an exception. Other exceptions of a decompressor mean damaged data.</summary>
    public bool Failed { get; private set; }

    /// <summary>Whether the stream can seek. Positions count from the first byte of the stream, not from where reading began.</summary>
    public override bool CanSeek => stream.CanSeek && _start == 0;

    public override long Length => CanSeek ? stream.Length : throw new NotSupportedException();

    public override long Position { get => CanSeek ? BytesRead : throw new NotSupportedException(); set => Seek(value, SeekOrigin.Begin); }

    /// <summary>The next bytes, which are read again afterwards: as many as asked for, or fewer at the end of the stream.</summary>
    /// <param name="count">The number of bytes, at most 64 KiB.</param>
    public ReadOnlySpan<byte> Peek(int count)
    {
        _buffer.AsSpan(_next, _end - _next).CopyTo(_buffer);
        (_next, _end) = (0, _end - _next);
        while (_end < count && ReadStored(_buffer.AsSpan(_end)) is int read and > 0) _end += read;
        return _buffer.AsSpan(0, Math.Min(count, _end));
    }

    public override int Read(Span<byte> buffer)
    {
        if (buffer.IsEmpty) return 0;
        if (_next == _end)
        {
            if (buffer.Length >= _buffer.Length) return ReadStored(buffer);
            (_next, _end) = (0, ReadStored(_buffer));
        }
        int length = Math.Min(buffer.Length, _end - _next);
        _buffer.AsSpan(_next, length).CopyTo(buffer);
        _next += length;
        return length;
    }

    public override int ReadByte()
    {
        if (_next == _end) (_next, _end) = (0, ReadStored(_buffer));
        return _next < _end ? _buffer[_next++] : -1;
    }

    public override long Seek(long offset, SeekOrigin origin)
    {
        if (!CanSeek) throw new NotSupportedException();
        _read = stream.Seek(origin == SeekOrigin.Current ? offset + BytesRead : offset, origin == SeekOrigin.End ? origin : SeekOrigin.Begin);
        _next = _end = 0;
        return _read;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && !leaveOpen) stream.Dispose();
        base.Dispose(disposing);
    }

    private int ReadStored(Span<byte> buffer)
    {
        cancellation.ThrowIfCancellationRequested();
        try
        {
            int read = stream.Read(buffer);
            _read += read;
            return read;
        }
        catch
        {
            Failed = true;
            throw;
        }
    }
}
