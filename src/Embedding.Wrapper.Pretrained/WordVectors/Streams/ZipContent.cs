using System.IO.Compression;
using ICSharpCode.SharpZipLib.Checksum;

namespace EmbeddingWrapper.Pretrained;

/// <summary>The uncompressed content of the only file in a zip archive.</summary>
internal sealed class ZipContent : ForwardStream
{
    private const int MostNames = 10; // in a message

    private readonly ZipArchive _archive;
    private readonly ZipArchiveEntry _entry;
    private readonly Stream _content;
    private readonly Crc32 _checksum = new(); // .NET (10.0) does not check it
    private readonly byte[] _buffer = new byte[1 << 16];
    private long _length;

    /// <param name="packed">The archive. It must be able to seek, because the list of files is at the end.</param>
    /// <exception cref="InvalidDataException">The archive is damaged, or it does not hold exactly one file.</exception>
    public ZipContent(SourceStream packed)
    {
        _archive = new ZipArchive(packed, ZipArchiveMode.Read, leaveOpen: true);
        ZipArchiveEntry[] files = [.. _archive.Entries.Where(IsFile)];
        if (files.Length != 1) throw new InvalidDataException(NotOne(files));
        _entry = files[0];
        if (_entry.IsEncrypted) throw new InvalidDataException($"{FileFault.Quote(_entry.FullName)} is encrypted.");
        _content = _entry.Open();
    }

    /// <summary>Reads some bytes.</summary>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public override int Read(Span<byte> buffer)
    {
        int read = _content.Read(_buffer.AsSpan(0, Math.Min(buffer.Length, _buffer.Length)));
        _buffer.AsSpan(0, read).CopyTo(buffer);
        _checksum.Update(new ArraySegment<byte>(_buffer, 0, read));
        _length += read;
        if (read > 0 || buffer.IsEmpty) return read;
        if (_length < _entry.Length) throw new InvalidDataException($"{FileFault.Quote(_entry.FullName)} ends early.");
        if (_checksum.Value != _entry.Crc32) throw new InvalidDataException($"The checksum of {FileFault.Quote(_entry.FullName)} is wrong.");
        return 0;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) _archive.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>Whether an entry is a file of the user's. Folders, and the files that macOS adds, are not.</summary>
    private static bool IsFile(ZipArchiveEntry entry) =>
        !entry.FullName.EndsWith('/') && !entry.FullName.EndsWith('\\')
        && !entry.FullName.StartsWith("__MACOSX/", StringComparison.Ordinal) && entry.Name != ".DS_Store";

    private static string NotOne(ZipArchiveEntry[] files)
    {
        if (files.Length == 0) return "The archive holds no file.";
        string names = string.Join(", ", files.Take(MostNames).Select(file => FileFault.Quote(file.FullName)));
        string more = files.Length > MostNames ? $" and {files.Length - MostNames} more" : "";
        return $"The archive holds several files: {names}{more}. Unpack it and load one of them.";
    }
}
