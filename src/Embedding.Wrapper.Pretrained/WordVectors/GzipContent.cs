using System.IO.Compression;

namespace EmbeddingWrapper.Pretrained;

/// <summary>The uncompressed content of a gzip file.</summary>
/// <remarks>
/// .NET's GZipStream (10.0) does not notice that a file was cut short. A gzip member made by this class is therefore read after the file.
/// Its content is the end of the uncompressed content only if the file was complete.
/// </remarks>
internal sealed class GzipContent : IDisposable
{
    // The repetition makes the compressed bytes differ from the text. Stored bytes could also appear after a file that was cut short.
    private static readonly byte[] End = "Here ends the file. Here ends the file."u8.ToArray();

    private readonly GZipStream _content;
    private readonly byte[] _buffer = new byte[1 << 16];
    private int _next, _length;
    private bool _ended;

    /// <param name="packed">The file, positioned at its start.</param>
    public GzipContent(Stream packed)
    {
        var end = new MemoryStream();
        using (var gzip = new GZipStream(end, CompressionMode.Compress, leaveOpen: true)) gzip.Write(End);
        end.Position = 0;
        _content = new GZipStream(new TwoStreams(packed, end), CompressionMode.Decompress);
    }

    /// <summary>Reads until <paramref name="destination"/> is full or the content ends.</summary>
    /// <returns>The number of bytes read.</returns>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public int Read(Span<byte> destination)
    {
        int read = 0;
        while (true)
        {
            // Bytes that may be the end marker stay in the buffer.
            int length = Math.Min(destination.Length - read, _length - _next - (_ended ? 0 : End.Length));
            if (length > 0)
            {
                _buffer.AsSpan(_next, length).CopyTo(destination[read..]);
                _next += length;
                read += length;
            }
            if (_ended || read == destination.Length) return read;
            Fill();
        }
    }

    public void Dispose() => _content.Dispose();

    private void Fill()
    {
        int kept = _length - _next;
        _buffer.AsSpan(_next, kept).CopyTo(_buffer);
        _next = 0;
        _length = kept + _content.ReadAtLeast(_buffer.AsSpan(kept), _buffer.Length - kept, throwOnEndOfStream: false);
        if (_length == _buffer.Length) return;
        if (!_buffer.AsSpan(0, _length).EndsWith(End)) throw new InvalidDataException("They end early, or something follows them.");
        _length -= End.Length;
        _ended = true;
    }

    /// <summary>The bytes of one stream followed by those of another.</summary>
    private sealed class TwoStreams(Stream first, Stream second) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(Span<byte> buffer)
        {
            int read = first.Read(buffer);
            return read > 0 ? read : second.Read(buffer);
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush()
        {
        }
    }
}
