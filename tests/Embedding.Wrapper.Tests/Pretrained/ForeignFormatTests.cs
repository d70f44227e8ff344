using System.IO.Compression;
using System.Text;
using EmbeddingWrapper.Pretrained;

namespace EmbeddingWrapper.Tests.Pretrained;

/// <summary>Files of other formats are named, and word vectors that look like them are not.</summary>
public class ForeignFormatTests
{
    public static TheoryData<string, byte[]> Foreign => new()
    {
        { "a fastText model", [0xBA, 0x16, 0x4F, 0x2F, 12, 0, 0, 0, 100, 0, 0, 0, 5, 0, 0, 0] },
        { "a numpy array", [0x93, .. "NUMPY\x01\0v\0{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }"u8] },
        { "an archive of numpy arrays", Zip("arr_0.npy") },
        { "a PyTorch file", Zip("model/data.pkl") },
        { "a PyTorch file", Zip("best-epoch/.format_version") },
        { "a Python pickle", [0x80, 2, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, (byte)'.'] },
        { "a Python pickle", [0x80, 4, 0x95, 0x1A, 0, 0, 0, 0, 0, 0, 0, (byte)'}'] },
        { "an .xz file", [0xFD, .. "7zXZ"u8, 0, 0, 4] },
        { "a Zstandard file", [0x28, 0xB5, 0x2F, 0xFD, 4, 0x58, 0x49, 0] },
        { "a .7z archive", [.. "7z"u8, 0xBC, 0xAF, 0x27, 0x1C, 0, 4] },
        { "a .tar archive", Tar(isUstar: true) },
        { "a .tar archive", Tar(isUstar: false) },
        { "text in UTF-16", [0xFF, 0xFE, .. Encoding.Unicode.GetBytes("the 0.1 0.2\n")] },
        { "text in UTF-16", [0xFE, 0xFF, .. Encoding.BigEndianUnicode.GetBytes("the 0.1 0.2\n")] },
        { "text in UTF-16", Encoding.Unicode.GetBytes("日本 0.1 0.2 0.3\nthe 0.4 0.5 0.6\n") },
        { "a page of a web server", "<!DOCTYPE html><title>404</title>"u8.ToArray() },
        { "a page of a web server", "<html>\r\n<head><title>403 Forbidden</title></head>"u8.ToArray() },
        { "a page of a web server", "\uFEFF <!-- moved -->\n<!doctype HTML PUBLIC \"-//W3C//DTD\">"u8.ToArray() },
        { "a page of a web server", "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>"u8.ToArray() },
        { "a Git LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"u8.ToArray() },
        { "a Parquet file", [.. "PAR1"u8, 0x15, 0x04, 0x15, 0x80, 0x01] },
        { "a GGUF model", [.. "GGUF"u8, 3, 0, 0, 0, 0x24, 1, 0, 0] },
        { "an HDF5 file", [0x89, .. "HDF\r\n\u001a\n"u8, 0, 0] },
        { "an ONNX model", [0x08, 0x08, 0x12, 0x07, .. "pytorch"u8, 0x1A, 0x05, .. "2.1.0"u8, 0x3A, 0xC6, 0x02, 0x0A] },
        { "an ONNX model", [0x08, 0x07, 0x3A, 0x10, 0x0A, 0x05] },
        { "an ONNX model", [0x08, 0x0A, 0x28, 0x01, 0x42, 0x04, 0x0A, 0, 0x10, 0x11, 0x3A, 0x02, 0x12, 0] },
    };

    public static TheoryData<string, byte[]> Packed => new()
    {
        { "a gzip file", WordVectorsFormatTests.Pack("the 0.1 0.2\n"u8.ToArray()) },
        { "a zip archive", Zip("glove.6B.50d.txt") },
        { "a bzip2 file", [.. "BZh9"u8, 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, 0, 0] },
    };

    [Theory]
    [MemberData(nameof(Foreign))]
    public void AForeignFormatIsNamed(string what, byte[] start)
    {
        Assert.StartsWith(what, ForeignFormat.Of(start));
        Assert.StartsWith(what, ForeignFormat.Of([.. start, .. start, .. start]));
    }

    [Theory]
    [MemberData(nameof(Packed))]
    public void WhatIsPackedIsNamedApart(string what, byte[] start)
    {
        Assert.StartsWith(what, ForeignFormat.Packed(start));
        Assert.Null(ForeignFormat.Of(start));
    }

    [Theory]
    [InlineData("the 0.1 -0.2\n")]
    [InlineData("BZh9 0.1 0.2\n")]
    [InlineData("PAR1 0.1 0.2\n")]
    [InlineData("PAR1\t0.1\t0.2\n")]
    [InlineData("GGUF 0.1 0.2\n")]
    [InlineData("GGUF -1 2 3\n")]
    [InlineData("PK 0.1 0.2\n")]
    [InlineData("7z 0.1 0.2\n")]
    [InlineData("Rar! 0.1 0.2\n")]
    [InlineData("ARROW1 0.1 0.2\n")]
    [InlineData("version 0.1 0.2\n")]
    [InlineData("ustar 0.1 0.2\n")]
    [InlineData("<html> 0.1 0.2\n<head> 0.1 0.2\n")]
    [InlineData("<!-- 0.1 0.2\n--> 0.3 0.4\n<html> 0.1 0.2\n")]
    [InlineData("<body> -0.1 0.2\n")]
    [InlineData("(dp0 0.1 0.2\n")]
    [InlineData("5 2\nthe 0.1 0.2\n")]
    [InlineData("\u00A0 0.1\n")]
    [InlineData("\uFEFFthe 0.1\n")]
    [InlineData("")]
    [InlineData("\0")]
    [InlineData("ж 0.1\n日本 0.2\n")]
    public void WordVectorsAreNoForeignFormat(string text)
    {
        byte[] start = Encoding.UTF8.GetBytes(text);
        Assert.Null(ForeignFormat.Of(start));
        Assert.Null(ForeignFormat.Packed(start));
        string ustarAtItsPlace = text.PadRight(257 - (start.Length - text.Length)) + "ustar\0";
        Assert.Null(ForeignFormat.Of([.. Encoding.UTF8.GetBytes(ustarAtItsPlace), .. new byte[1000]]));
    }

    private static byte[] Zip(string entry)
    {
        using var content = new MemoryStream();
        using (var archive = new ZipArchive(content, ZipArchiveMode.Create, leaveOpen: true))
        using (Stream file = archive.CreateEntry(entry).Open()) file.Write("content"u8);
        return content.ToArray();
    }

    private static byte[] Tar(bool isUstar)
    {
        using var content = new MemoryStream();
        using (var writer = new System.Formats.Tar.TarWriter(content, System.Formats.Tar.TarEntryFormat.Ustar, leaveOpen: true))
            writer.WriteEntry(new System.Formats.Tar.UstarTarEntry(System.Formats.Tar.TarEntryType.RegularFile, "words.txt"));
        byte[] archive = content.ToArray();
        if (isUstar) return archive;
        int removed = 0;
        for (int i = 257; i < 265; i++)
        {
            removed += archive[i];
            archive[i] = 0;
        }
        int sum = Convert.ToInt32(Encoding.ASCII.GetString(archive, 148, 6).Trim('\0', ' '), 8) - removed;
        Encoding.ASCII.GetBytes(Convert.ToString(sum, 8).PadLeft(6, '0')).CopyTo(archive, 148);
        return archive;
    }
}
