using System.Collections;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Replay;

/// <summary>The goldens' spelling of values that are not tensors, as Python's <c>json.dumps</c> writes them.</summary>
internal static class GoldenText
{
    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static readonly Dictionary<string, ScalarType> Dtypes = new()
    {
        ["float16"] = ScalarType.Float16,
        ["bfloat16"] = ScalarType.BFloat16,
        ["float32"] = ScalarType.Float32,
        ["float64"] = ScalarType.Float64,
        ["uint8"] = ScalarType.Byte,
        ["int8"] = ScalarType.Int8,
        ["int16"] = ScalarType.Int16,
        ["int32"] = ScalarType.Int32,
        ["int64"] = ScalarType.Int64,
        ["bool"] = ScalarType.Bool,
    };

    public static ScalarType Dtype(string name) => Dtypes.TryGetValue(name, out ScalarType dtype)
        ? dtype : throw new GoldenFormatException($"The goldens know no dtype '{name}'.");

    public static string DtypeName(ScalarType dtype) =>
        Dtypes.Where(pair => pair.Value == dtype).Select(pair => pair.Key).SingleOrDefault() ?? $"{dtype}";

    /// <summary>Reads a number. JSON has no infinity and no NaN, so a golden writes them as strings.</summary>
    public static double Number(JsonElement value) =>
        value.ValueKind == JsonValueKind.String ? TensorText.Number(value.GetString()!) : value.GetDouble();

    public static string Member(JsonProperty member) => Member(member.Name, member.Value.GetRawText());

    public static string Member(string name, string value) => $"{Quoted(name)}: {value}";

    public static string Quoted(string text) => JsonSerializer.Serialize(text, Plain);

    public static string Of(object? value) => value switch
    {
        null => "null",
        Tensor tensor => TensorText.Encode(tensor),
        bool flag => flag ? "true" : "false",
        string text => Quoted(text),
        ScalarType dtype => Quoted(DtypeName(dtype)),
        long number => number.ToString(CultureInfo.InvariantCulture),
        double number => Float(number),
        IDictionary<string, object?> members =>
            $"{{{string.Join(", ", members.Select(member => Member(member.Key, Of(member.Value))))}}}",
        IEnumerable entries => $"[{string.Join(", ", entries.Cast<object?>().Select(Of))}]",
        _ => throw new GoldenFormatException($"The goldens have no spelling of a {value.GetType().Name}."),
    };

    private static string Float(double number)
    {
        string text = TensorText.Number(number);
        if (!double.IsFinite(number)) return Quoted(text);
        return text.Contains('.') || text.Contains('e') ? text : $"{text}.0";
    }
}
