using System.Buffers.Binary;

namespace EmbeddingWrapper.Pretrained;

/// <summary>A tensor as the header describes it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Its element type.</param>
/// <param name="Shape">Its size.</param>
/// <param name="Start">The first byte, counted from the end of the header.</param>
/// <param name="End">The byte after the last one, counted in the same way.</param>
/// <param name="Place">Where the header describes it, in bytes from the start of the file.</param>
internal sealed record SafeTensorsEntry(string Name, SafeTensorsType Type, long[] Shape, long Start, long End, long Place);

/// <summary>
/// The header of a safetensors file: its length in 8 bytes, then JSON. The parser reads bytes only; it opens nothing. It checks
/// everything that the header says, as strictly as the reference implementation: the tensors fill the rest of the file without
/// gaps and without overlaps.
/// </summary>
internal sealed class SafeTensorsHeader
{
    /// <summary>The name under which the header holds texts in place of a tensor.</summary>
    public const string MetadataName = "__metadata__";

    /// <summary>The number of bytes in front of the JSON: they hold its length.</summary>
    public const int PrefixLength = sizeof(ulong);

    /// <summary>The longest JSON that the reference implementation reads, in bytes.</summary>
    public const int Longest = 100_000_000;

    /// <summary>
    /// The most dimensions of a tensor. The format has no limit, but functions of libtorch refuse more, and deeper code would overflow.
    /// </summary>
    public const int MostDimensions = 64;

    /// <summary>The most tensors and texts together. The format has no limit, but a header of 100 MB would take gigabytes.</summary>
    public const int MostNames = 1_000_000;

    private const int MostFields = 100; // of a tensor; the format has three

    private static readonly string[] TypeNames = Array.ConvertAll(SafeTensorsType.All, type => type.Name);

    private readonly string _file;

    /// <summary>Parses the JSON of a header.</summary>
    /// <param name="json">The bytes after the prefix, as many as <see cref="Length"/> says.</param>
    /// <param name="fileLength">The size of the whole file in bytes.</param>
    /// <param name="file">The name of the file, for messages.</param>
    /// <exception cref="InvalidDataException">The header is damaged, or does not fit the file.</exception>
    public SafeTensorsHeader(ReadOnlySpan<byte> json, long fileLength, string file)
    {
        _file = file;
        DataStart = PrefixLength + json.Length;
        if (json is not [(byte)'{', ..]) throw FileFault.AtByte(file, PrefixLength, "the header does not start with '{'.");
        Parse(new StrictJson(file, PrefixLength, json));
        CheckLayout(fileLength - DataStart);
    }

    /// <summary>Where the tensors start in the file.</summary>
    public long DataStart { get; }

    /// <summary>The tensors, in the order in which they lie in the file.</summary>
    public List<SafeTensorsEntry> Entries { get; } = [];

    public Dictionary<string, string> Metadata { get; } = [];

    /// <summary>Parses the first bytes of a file.</summary>
    /// <param name="prefix">The first <see cref="PrefixLength"/> bytes, fewer only if the file has no more.</param>
    /// <param name="fileLength">The size of the whole file in bytes.</param>
    /// <param name="file">The name of the file, for messages.</param>
    /// <returns>The length of the JSON that follows. The file holds that many bytes.</returns>
    /// <exception cref="InvalidDataException">The file is too short, or the header too long.</exception>
    public static int Length(ReadOnlySpan<byte> prefix, long fileLength, string file)
    {
        if (prefix.Length < PrefixLength)
            throw FileFault.AtByte(file, 0, $"the length of the header takes 8 bytes, and the file has {prefix.Length}.");
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length > Longest) throw FileFault.AtByte(file, 0, $"the header is said to have {length} bytes, and {Longest} is the limit.");
        if (PrefixLength + (long)length > fileLength)
            throw FileFault.AtByte(file, 0, $"the header is said to have {length} bytes, and the file ends at {fileLength}.");
        return (int)length;
    }

    private void Parse(StrictJson json)
    {
        var seen = new HashSet<string>();
        json.StartObject("the header");
        while (json.NextName(seen, MostNames - Metadata.Count, out string name))
        {
            if (name == MetadataName) ParseMetadata(ref json, MostNames - Entries.Count);
            else Entries.Add(ParseEntry(ref json, name));
        }
        json.End();
    }

    private void ParseMetadata(ref StrictJson json, int most)
    {
        var seen = new HashSet<string>();
        if (!json.StartObjectOrNull(MetadataName)) return; // the reference implementation takes null for none
        while (json.NextName(seen, most, out string key)) Metadata.Add(key, json.ReadString(MetadataName));
    }

    private static SafeTensorsEntry ParseEntry(ref StrictJson json, string name)
    {
        long place = json.Place;
        string shown = FileFault.Quote(name);
        SafeTensorsType? type = null;
        long[]? shape = null, offsets = null;
        var seen = new HashSet<string>();
        json.StartObject($"the tensor {shown}");
        while (json.NextName(seen, MostFields, out string field))
        {
            switch (field)
            {
                case "dtype":
                    int? known = json.ReadOneOf(TypeNames, $"the dtype of {shown}", out string dtype);
                    if (known is null) throw json.Fault($"the dtype of {shown} is {dtype}, which the format does not have.");
                    type = SafeTensorsType.All[known.Value];
                    break;
                case "shape":
                    shape = json.ReadSizes($"the shape of {shown}", MostDimensions);
                    break;
                case "data_offsets":
                    offsets = json.ReadSizes($"data_offsets of {shown}", MostDimensions);
                    if (offsets.Length != 2 || offsets[0] > offsets[1])
                        throw json.Fault($"data_offsets of {shown} are [{string.Join(", ", offsets.Take(3))}], not a start and an end.");
                    break;
                default:
                    json.Skip(); // as the reference implementation does
                    break;
            }
        }
        if (type is null || shape is null || offsets is null) throw json.Fault($"{shown} lacks one of dtype, shape and data_offsets.");
        if (ByteCount(shape, type.Bits) is not { } bytes)
            throw json.Fault($"the shape of {shown} is absurd: {type.Name} of [{string.Join(", ", shape.Take(9))}].");
        if (bytes != offsets[1] - offsets[0])
            throw json.Fault($"{shown} needs {bytes} bytes, and data_offsets give it {offsets[1] - offsets[0]}.");
        return new SafeTensorsEntry(name, type, shape, offsets[0], offsets[1], place);
    }

    /// <summary>
    /// The size of a tensor in bytes, or null if it is not a whole number or too large. A size of 0 does not make the others right: the
    /// strides of a tensor are their products.
    /// </summary>
    private static long? ByteCount(long[] shape, int bits)
    {
        try
        {
            long count = checked(shape.Aggregate(1L, (product, size) => checked(product * Math.Max(size, 1))) * bits);
            if (shape.Contains(0)) return 0;
            return count % 8 == 0 ? count / 8 : null;
        }
        catch (OverflowException)
        {
            return null;
        }
    }

    /// <param name="length">The number of bytes after the header.</param>
    private void CheckLayout(long length)
    {
        Entries.Sort((a, b) => (a.Start, a.End).CompareTo((b.Start, b.End)));
        long end = 0;
        foreach (SafeTensorsEntry entry in Entries)
        {
            string shown = FileFault.Quote(entry.Name);
            if (entry.End > length) throw Fault($"{shown} ends at byte {entry.End} of the data, and there are {length}.");
            if (entry.Start < end) throw Fault($"{shown} starts at byte {entry.Start} of the data, within the tensor before it.");
            if (entry.Start > end) throw Fault($"{entry.Start - end} bytes before {shown} belong to no tensor.");
            end = entry.End;

            InvalidDataException Fault(string fault) => FileFault.AtByte(_file, entry.Place, fault);
        }
        if (end < length) throw FileFault.AtByte(_file, DataStart + end, $"{length - end} bytes at the end belong to no tensor.");
    }
}
