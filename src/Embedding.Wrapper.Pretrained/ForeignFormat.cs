using System.Buffers.Binary;
using System.Text;
using System.Text.RegularExpressions;

namespace EmbeddingWrapper.Pretrained;

/// <summary>
/// Recognises files of other formats by their first bytes, so that a message can say what a file is. A word of a text file may be
/// called <c>PAR1</c>, <c>GGUF</c> or <c>&lt;html&gt;</c>: where a signature is printable text, the bytes after it are checked too.
/// </summary>
internal static class ForeignFormat
{
    /// <summary>How many bytes of a file to look at: a header of tar has 512. Fewer are enough if the file has no more.</summary>
    public const int StartLength = 1024;

    private const string InPython = "load it in Python and save it as safetensors";
    private const string WithPyTorch = $"TorchSharp.PyBridge loads it; or {InPython}";

    private static readonly (byte[] Signature, string What)[] Signatures =
    [
        ([0x93, .. "NUMPY"u8], $"a numpy array (.npy): {InPython}"),
        ([0xFD, .. "7zXZ\0"u8], "an .xz file: unpack it first"),
        ([0x28, 0xB5, 0x2F, 0xFD], "a Zstandard file (.zst): unpack it first"),
        ([.. "7z"u8, 0xBC, 0xAF, 0x27, 0x1C], "a .7z archive: unpack it first"),
        ([.. "Rar!"u8, 0x1A, 0x07], "a .rar archive: unpack it first"),
        ([0x04, 0x22, 0x4D, 0x18], "an .lz4 file: unpack it first"),
        ([0x89, .. "HDF\r\n"u8, 0x1A, (byte)'\n'], $"an HDF5 file: {InPython}"),
        ([.. "ARROW1\0\0"u8], "an Arrow file"),
        ([.. "SQLite format 3\0"u8], "an SQLite database"),
        ([0xFF, 0xFE, 0, 0], "text in UTF-32: save it as UTF-8"),
        ([0, 0, 0xFE, 0xFF], "text in UTF-32: save it as UTF-8"),
        ([0xFF, 0xFE], "text in UTF-16: save it as UTF-8"),
        ([0xFE, 0xFF], "text in UTF-16: save it as UTF-8"),
        ([.. "version https://git-lfs.github.com/spec/"u8], "a Git LFS pointer, not the file itself: git lfs pull fetches it"),
        ([.. "version https://hawser.github.com/spec/"u8], "a Git LFS pointer, not the file itself: git lfs pull fetches it"),
    ];

    private static readonly Regex EntryOfPyTorch = new(
        @"\.pkl$|/(version|byteorder|\.format_version|\.storage_alignment|\.data/serialization_id|data/\d+)$|^[^/]*/code/");

    // A tag is followed by another tag. In a row of numbers it is not.
    private static readonly Regex StartOfPage = new(
        @"^\s*(<!--.*?-->\s*)*(<!doctype\s+html|<\?xml\s+version=|<(html|head|body|script)(\s[^<>]*)?>\s*<)",
        RegexOptions.IgnoreCase | RegexOptions.Singleline | RegexOptions.CultureInvariant);

    /// <summary>The format, if it is one that this library does not read.</summary>
    /// <param name="start">The first <see cref="StartLength"/> bytes of the file, or of what is packed in it.</param>
    /// <returns>The format and the way out, as the end of a sentence: "an .xz file: unpack it first". Null if unknown.</returns>
    public static string? Of(ReadOnlySpan<byte> start)
    {
        foreach ((byte[] signature, string what) in Signatures)
        {
            if (start.StartsWith(signature)) return what;
        }
        if (IsZip(start)) return PackedInZip(start);
        if (IsPickle(start)) return $"a Python pickle (.pt, .ckpt, .pkl, .model). If PyTorch wrote it, {WithPyTorch}";
        switch (start)
        {
            case [0xBA, 0x16, 0x4F, 0x2F, > 0 and < 100, 0, 0, 0, ..]: // a magic number and a version, both int32
                return "a fastText model (.bin): use its vectors, the .vec file";
            case [(byte)'G', (byte)'G', (byte)'U', (byte)'F', < 100, 0, 0, 0, ..]: // a version in little endian, or in big endian
            case [(byte)'G', (byte)'G', (byte)'U', (byte)'F', 0, 0, 0, < 100, ..]:
                return $"a GGUF model: {InPython}";
            case [(byte)'P', (byte)'A', (byte)'R', (byte)'1' or (byte)'E', var next, ..] when next < ' ' && !"\t\n\r"u8.Contains(next):
                return $"a Parquet file: {InPython}";
        }
        if (IsPage(start)) return "a page of a web server (HTML or XML), not the file itself: the download failed";
        if (IsTar(start)) return "a .tar archive: unpack it first";
        if (IsOnnx(start)) return $"an ONNX model: {InPython}";
        return IsUtf16(start) ? "text in UTF-16: save it as UTF-8" : null;
    }

    /// <summary>The format of a compressed file: gzip, bzip2 or zip. Word vectors are read from these, tensors are not.</summary>
    /// <inheritdoc cref="Of" path="/param|/returns"/>
    public static string? Packed(ReadOnlySpan<byte> start)
    {
        if (start.StartsWith<byte>([0x1F, 0x8B])) return "a gzip file: unpack it first";
        if (IsZip(start)) return "a zip archive: unpack it first";
        bool isBzip2 = start is [(byte)'B', (byte)'Z', (byte)'h', >= (byte)'1' and <= (byte)'9', .. var block]
            && block is [0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..] or [0x17, 0x72, 0x45, 0x38, 0x50, 0x90, ..];
        return isBzip2 ? "a bzip2 file: unpack it first" : null;
    }

    private static bool IsZip(ReadOnlySpan<byte> start) =>
        start is [(byte)'P', (byte)'K', 3, 4, ..] or [(byte)'P', (byte)'K', 5, 6, ..] or [(byte)'P', (byte)'K', 7, 8, ..];

    private static string? PackedInZip(ReadOnlySpan<byte> start)
    {
        const int nameLength = 26, name = 30; // places in the header of an entry

        if (start.Length < name) return null;
        int end = Math.Min(start.Length, name + BinaryPrimitives.ReadUInt16LittleEndian(start[nameLength..]));
        string first = Encoding.Latin1.GetString(start[name..end]);
        if (first.EndsWith(".npy", StringComparison.Ordinal)) return $"an archive of numpy arrays (.npz): {InPython}";
        return EntryOfPyTorch.IsMatch(first) ? $"a PyTorch file (.pt, .pth, .ckpt; a zip archive with a pickle): {WithPyTorch}" : null;
    }

    /// <summary>A pickle starts with its protocol. Protocols 0 and 1 have no signature; of them these are the usual starts.</summary>
    private static bool IsPickle(ReadOnlySpan<byte> start) =>
        start is [0x80, >= 2 and <= 5, ..]
        || start.StartsWith("ccopy_reg\n"u8) || start.StartsWith("(dp0\n"u8) || start.StartsWith("(lp0\n"u8);

    private static bool IsPage(ReadOnlySpan<byte> start)
    {
        if (start.StartsWith<byte>([0xEF, 0xBB, 0xBF])) start = start[3..];
        return StartOfPage.IsMatch(Encoding.Latin1.GetString(start[..Math.Min(start.Length, StartLength)]));
    }

    /// <summary>The header of tar holds the sum of its bytes. The text "ustar" in it is newer than the format, and may be a word.</summary>
    private static bool IsTar(ReadOnlySpan<byte> start)
    {
        const int length = 512, sumStart = 148, sumLength = 8;

        if (start.Length < length || start[0] == 0) return false;
        int written = 0, sum = sumLength * ' ';
        foreach (byte digit in start.Slice(sumStart, sumLength))
        {
            if (digit is >= (byte)'0' and <= (byte)'7') written = written * 8 + digit - '0';
            else if (digit is not (0 or (byte)' ')) return false;
        }
        for (int i = 0; i < length; i++)
        {
            if (i is < sumStart or >= sumStart + sumLength) sum += start[i];
        }
        return sum == written;
    }

    /// <summary>
    /// ONNX is a message of protobuf, which has no signature. Its first field is the version of the format, a small number; fields that
    /// an ONNX model has must follow up to the graph or the operator sets.
    /// </summary>
    private static bool IsOnnx(ReadOnlySpan<byte> start)
    {
        const int graph = 7, operatorSets = 8;

        if (start is not [0x08, > 0 and < 32, ..]) return false;
        ReadOnlySpan<byte> rest = start[2..];
        while (TryReadNumber(ref rest, out ulong tag) && TryReadNumber(ref rest, out ulong value))
        {
            switch (tag >> 3, tag & 7)
            {
                case (graph or operatorSets, 2):
                    return value > 0;
                case (2 or 3 or 4 or 6 or 14 or 20 or 25, 2) when value < (ulong)rest.Length: // texts and lists, by their length
                    rest = rest[(int)value..];
                    break;
                case (5, 0): // the version of the model
                    break;
                default:
                    return false;
            }
        }
        return false;

        static bool TryReadNumber(ref ReadOnlySpan<byte> rest, out ulong number)
        {
            number = 0;
            for (int i = 0; i < Math.Min(rest.Length, 10); i++)
            {
                number |= (ulong)(rest[i] & 0x7F) << (7 * i);
                if (rest[i] >= 0x80) continue;
                rest = rest[(i + 1)..];
                return true;
            }
            return false;
        }
    }

    /// <summary>Without a byte order mark: one byte of many pairs is zero, and never the other one.</summary>
    private static bool IsUtf16(ReadOnlySpan<byte> start)
    {
        int pairs = Math.Min(start.Length, 256) / 2, low = 0, high = 0;
        for (int i = 0; i < pairs; i++)
        {
            if (start[2 * i] == 0) low++;
            if (start[2 * i + 1] == 0) high++;
        }
        return pairs >= 8 && (low == 0 && high > pairs / 3 || high == 0 && low > pairs / 3);
    }
}
