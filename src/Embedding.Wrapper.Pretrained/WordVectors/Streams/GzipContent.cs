using System.IO.Compression;

namespace EmbeddingWrapper.Pretrained;

/// <summary>The uncompressed content of a gzip file: of one member, or of several in a row. Zeros may follow the last one, as on tapes.</summary>
/// <remarks>
/// .NET's GZipStream (10.0) does not notice that a file was cut short. A gzip member made by this class is therefore read after the file.
/// Its content is the end of the uncompressed content only if the file was complete.
/// </remarks>
internal sealed class GzipContent : ForwardStream
{
    // The repetition makes the compressed bytes differ from the text. Stored bytes could also appear after a file that was cut short.
    private static readonly byte[] Marker = "Here ends the file. Here ends the file."u8.ToArray();

    private readonly Members _members;
    private readonly GZipStream _content;
    private readonly byte[] _buffer = new byte[1 << 16];
    private int _next, _length;
    private bool _ended;

    /// <param name="packed">The file, positioned at its start.</param>
    public GzipContent(Stream packed)
    {
        _members = new Members(packed);
        _content = new GZipStream(_members, CompressionMode.Decompress);
    }

    /// <summary>Reads some bytes.</summary>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public override int Read(Span<byte> buffer)
    {
        // Bytes that may be the marker stay in the buffer.
        while (!_ended && _length - _next <= Marker.Length) Fill();
        int length = Math.Min(buffer.Length, _length - _next - (_ended ? 0 : Marker.Length));
        _buffer.AsSpan(_next, length).CopyTo(buffer);
        _next += length;
        return length;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) _content.Dispose();
        base.Dispose(disposing);
    }

    private void Fill()
    {
        _buffer.AsSpan(_next, _length - _next).CopyTo(_buffer);
        (_next, _length) = (0, _length - _next);
        int read;
        try
        {
            read = _content.Read(_buffer.AsSpan(_length));
        }
        catch (InvalidDataException error) when (_members.MarkerWasRead)
        {
            throw new InvalidDataException("The file ends early.", error);
        }
        _length += read;
        if (read > 0) return;

        _ended = true;
        if (_buffer.AsSpan(0, _length).EndsWith(Marker)) _length -= Marker.Length;
        else if (_members.MarkerWasRead) throw new InvalidDataException("The file ends early.");
        else if (!_members.IsInPadding) throw new InvalidDataException("Something that is not gzip data follows them.");
    }

    /// <summary>
    /// The bytes of the file, then a gzip member that holds the marker. Zeros at the end of the file are read one at a time: the decompressor
    /// takes those that belong to the last member and stops at the first one that does not.
    /// </summary>
    private sealed class Members(Stream packed) : ForwardStream
    {
        private readonly MemoryStream _marker = PackedMarker();
        private readonly byte[] _buffer = new byte[1 << 16];
        private int _next, _end;
        private long _zeros; // between the bytes read so far and those in the buffer, or before the end of the file
        private bool _ended;

        public bool IsInPadding { get; private set; }

        public bool MarkerWasRead { get; private set; }

        public override int Read(Span<byte> buffer)
        {
            while (_next == _end && !_ended) Fill();
            int length;
            if (_zeros > 0)
            {
                IsInPadding = _next == _end;
                length = IsInPadding ? 1 : (int)Math.Min(buffer.Length, _zeros);
                buffer[..length].Clear();
                _zeros -= length;
                return length;
            }
            if (_next == _end)
            {
                MarkerWasRead = true;
                return _marker.Read(buffer);
            }
            length = Math.Min(buffer.Length, _end - _next);
            _buffer.AsSpan(_next, length).CopyTo(buffer);
            _next += length;
            if (_next == _end) _zeros = _zerosBehind;
            return length;
        }

        private int _zerosBehind;

        private void Fill()
        {
            int read = packed.Read(_buffer);
            _ended = read == 0;
            _next = 0;
            _end = _buffer.AsSpan(0, read).LastIndexOfAnyExcept((byte)0) + 1;
            if (_end == 0) _zeros += read;
            else _zerosBehind = read - _end;
        }

        private static MemoryStream PackedMarker()
        {
            var packed = new MemoryStream();
            using (var gzip = new GZipStream(packed, CompressionMode.Compress, leaveOpen: true)) gzip.Write(Marker);
            packed.Position = 0;
            return packed;
        }
    }
}
