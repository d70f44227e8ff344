using ICSharpCode.SharpZipLib;
using ICSharpCode.SharpZipLib.BZip2;

namespace EmbeddingWrapper.Pretrained;

/// <summary>The uncompressed content of a bzip2 file: of one stream, or of several in a row.</summary>
/// <param name="packed">The file, positioned at its start.</param>
internal sealed class Bzip2Content(SourceStream packed) : ForwardStream
{
    private BZip2InputStream? _content;
    private bool _ended;

    /// <summary>Reads some bytes.</summary>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public override int Read(Span<byte> buffer)
    {
        if (buffer.IsEmpty) return 0;
        try
        {
            while (!_ended)
            {
                // SharpZipLib (1.4.2) reads one stream and takes not one byte of the next.
                _content ??= new BZip2InputStream(packed) { IsStreamOwner = false };
                int read = 0;
                for (int value; read < buffer.Length && (value = _content.ReadByte()) >= 0; read++) buffer[read] = (byte)value;
                if (read > 0) return read;
                _content = null;
                _ended = packed.Peek(1).IsEmpty;
            }
            return 0;
        }
        catch (EndOfStreamException error)
        {
            throw new InvalidDataException("The file ends early.", error);
        }
        catch (Exception error) when (!packed.Failed && error is SharpZipBaseException or IndexOutOfRangeException)
        {
            throw new InvalidDataException(error.Message, error);
        }
    }
}
