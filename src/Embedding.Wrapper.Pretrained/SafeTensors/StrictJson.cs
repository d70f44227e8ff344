using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace EmbeddingWrapper.Pretrained;

/// <summary>
/// Reads untrusted JSON value by value. <see cref="Utf8JsonReader"/> checks the grammar; this type adds what it lacks: an object has
/// each name once, and every fault names its byte in the file.
/// </summary>
/// <remarks>
/// System.Text.Json refuses duplicate names too (<c>AllowDuplicateProperties = false</c>), but only in <see cref="JsonDocument"/> and
/// the serializer. Their errors do not say where the second name is, and a document takes 12 bytes for each token of a header of
/// 100 MB. Code for both is kept here for these reasons.
/// </remarks>
internal ref struct StrictJson
{
    private readonly string _path;
    private readonly long _offset;
    private readonly ReadOnlySpan<byte> _json;
    private Utf8JsonReader _reader;

    /// <param name="path">The name of the file, for messages.</param>
    /// <param name="offset">Where the text starts in the file, in bytes.</param>
    /// <param name="json">The text.</param>
    /// <exception cref="InvalidDataException">The text is not valid UTF-8; the message names the byte.</exception>
    public StrictJson(string path, long offset, ReadOnlySpan<byte> json)
    {
        _path = path;
        _offset = offset;
        _json = json;
        if (!Utf8.IsValid(json))
        {
            int valid = 0;
            while (Rune.DecodeFromUtf8(json[valid..], out _, out int length) == OperationStatus.Done) valid += length;
            throw FileFault.AtByte(path, offset + valid, "the text is not valid UTF-8.");
        }
        _reader = new Utf8JsonReader(json);
    }

    /// <summary>Where the last token starts in the file.</summary>
    public readonly long Place => _offset + _reader.TokenStartIndex;

    public readonly InvalidDataException Fault(string fault, Exception? cause = null) => FileFault.AtByte(_path, Place, fault, cause);

    /// <summary>Enters an object.</summary>
    /// <param name="what">What should be an object, for the message.</param>
    public void StartObject(string what) => Expect(JsonTokenType.StartObject, $"{what} is not an object.");

    /// <summary>Moves to the next member of an object.</summary>
    /// <param name="seen">The names before it. This name is added.</param>
    /// <param name="most">How many names there may be: they take memory.</param>
    /// <param name="name">Its name. The caller reads its value next.</param>
    /// <returns>False at the end of the object.</returns>
    public bool NextName(HashSet<string> seen, int most, out string name)
    {
        Read();
        name = "";
        if (_reader.TokenType == JsonTokenType.EndObject) return false;
        if (seen.Count >= most) throw Fault($"an object has more than {most} names.");
        name = Text();
        if (!seen.Add(name)) throw Fault($"the name {FileFault.Quote(name)} comes twice.");
        return true;
    }

    public string ReadString(string what)
    {
        Expect(JsonTokenType.String, $"{what} is not a string.");
        return Text();
    }

    /// <summary>Reads one of a few strings. Any other one is not copied, however long it is.</summary>
    /// <returns>Which one, or null for any other one; <paramref name="shown"/> quotes it.</returns>
    public int? ReadOneOf(IReadOnlyList<string> texts, string what, out string shown)
    {
        Expect(JsonTokenType.String, $"{what} is not a string.");
        shown = FileFault.Quote(_reader.ValueSpan);
        try
        {
            for (int i = 0; i < texts.Count; i++)
            {
                if (_reader.ValueTextEquals(texts[i])) return i;
            }
            return null;
        }
        catch (InvalidOperationException error)
        {
            throw HalfPair(error);
        }
    }

    /// <summary>Reads null, or enters an object.</summary>
    /// <returns>Whether it is an object.</returns>
    public bool StartObjectOrNull(string what)
    {
        Read();
        if (_reader.TokenType == JsonTokenType.Null) return false;
        if (_reader.TokenType != JsonTokenType.StartObject) throw Fault($"{what} is not an object.");
        return true;
    }

    /// <summary>Reads a string, or the JSON text of any other value.</summary>
    public string ReadAny()
    {
        Read();
        if (_reader.TokenType == JsonTokenType.String) return Text();
        int start = (int)_reader.TokenStartIndex;
        SkipValue();
        return Encoding.UTF8.GetString(_json[start..(int)_reader.BytesConsumed]);
    }

    /// <summary>Reads a list of whole numbers that are not negative.</summary>
    public long[] ReadSizes(string what, int most)
    {
        Expect(JsonTokenType.StartArray, $"{what} is not a list.");
        var sizes = new List<long>();
        while (true)
        {
            Read();
            if (_reader.TokenType == JsonTokenType.EndArray) return [.. sizes];
            if (_reader.TokenType != JsonTokenType.Number || !_reader.TryGetInt64(out long size))
                throw Fault($"{what} holds something that is not a whole number below 2^63.");
            if (sizes.Count == most) throw Fault($"{what} has more than {most} numbers.");
            if (size < 0) throw Fault(string.Create(CultureInfo.InvariantCulture, $"{what} holds a negative number: {size}."));
            sizes.Add(size);
        }
    }

    public void Skip()
    {
        Read();
        SkipValue();
    }

    /// <summary>Checks that nothing follows the outermost object.</summary>
    public void End() => Read();

    private void Expect(JsonTokenType type, string fault)
    {
        Read();
        if (_reader.TokenType != type) throw Fault(fault);
    }

    private void Read()
    {
        ThrowIfLiteralIsDamaged();
        try
        {
            _reader.Read();
        }
        catch (JsonException error)
        {
            throw Malformed(error);
        }
    }

    private void SkipValue()
    {
        int depth = _reader.CurrentDepth;
        if (_reader.TokenType is not (JsonTokenType.StartObject or JsonTokenType.StartArray)) return;
        do Read();
        while (_reader.CurrentDepth > depth);
    }

    /// <summary>For a wrong literal the reader throws a message that quotes all the rest of the text: up to 100 MB of it.</summary>
    private readonly void ThrowIfLiteralIsDamaged()
    {
        ReadOnlySpan<byte> rest = _json[(int)_reader.BytesConsumed..].TrimStart(" \t\r\n,"u8);
        if (rest is not [(byte)'t' or (byte)'f' or (byte)'n', ..]) return;
        if (rest.StartsWith("true"u8) || rest.StartsWith("false"u8) || rest.StartsWith("null"u8)) return;
        long place = _offset + _json.Length - rest.Length;
        throw FileFault.AtByte(_path, place, $"the JSON is damaged. {FileFault.Quote(rest)} is not a value.");
    }

    private readonly string Text()
    {
        try
        {
            return _reader.GetString()!;
        }
        catch (InvalidOperationException error)
        {
            throw HalfPair(error);
        }
    }

    /// <summary>"\ud800": the grammar of JSON allows it, Unicode does not.</summary>
    private readonly InvalidDataException HalfPair(InvalidOperationException error) =>
        Fault("half of a surrogate pair stands alone.", error);

    private readonly InvalidDataException Malformed(JsonException error) =>
        FileFault.AtByte(_path, _offset + _reader.BytesConsumed, $"the JSON is damaged. {error.Message}", error);
}
