using System.Text.Json;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Replay;

/// <summary>Compares a result with the golden's, bit for bit.</summary>
internal static class Difference
{
    /// <returns>What differs first, or null.</returns>
    public static string? Between(JsonElement expected, object? actual, ulong ulp)
    {
        if (actual is Tensor tensor) return BetweenTensors(expected, tensor, ulp);
        if (actual is double number && expected.ValueKind is JsonValueKind.Number or JsonValueKind.String)
        {
            ulong wanted = BitConverter.DoubleToUInt64Bits(GoldenText.Number(expected));
            return BetweenElements("the number", wanted, BitConverter.DoubleToUInt64Bits(number), ScalarType.Float64);
        }
        if (actual is IDictionary<string, object?> members && expected.ValueKind == JsonValueKind.Object)
            return BetweenMembers(expected, members, ulp);
        using JsonDocument given = JsonDocument.Parse(GoldenText.Of(actual));
        return JsonElement.DeepEquals(expected, given.RootElement) ? null : "another value";
    }

    private static string? BetweenMembers(JsonElement expected, IDictionary<string, object?> actual, ulong ulp)
    {
        JsonProperty[] wanted = [.. expected.EnumerateObject()];
        if (!wanted.Select(member => member.Name).SequenceEqual(actual.Keys)) return "other names, or another order";
        return wanted.Select(Within).FirstOrDefault(found => found is not null);

        string? Within(JsonProperty member) =>
            Between(member.Value, actual[member.Name], ulp) is { } found ? $"{member.Name}: {found}" : null;
    }

    private static string? BetweenTensors(JsonElement expected, Tensor actual, ulong ulp)
    {
        if (expected.ValueKind != JsonValueKind.Object || !expected.TryGetProperty("dtype", out _))
            return "a tensor where there should be none";
        using var scope = NewDisposeScope();
        const string strided = "strided";
        return Unequal("layout", Text(expected, "layout") ?? strided, actual.is_sparse ? TensorText.SparseLayout : strided)
            ?? Unequal("dtype", Text(expected, "dtype"), GoldenText.DtypeName(actual.dtype))
            ?? Unequal("shape", List(TensorText.Shape(expected)), List(actual.shape))
            ?? Unequal("requires_grad", expected.TryGetProperty("requires_grad", out _), actual.requires_grad)
            ?? (actual.is_sparse ? BetweenSparse(expected, actual.detach(), ulp) : BetweenDense(expected, actual, ulp));
    }

    private static string? BetweenSparse(JsonElement expected, Tensor actual, ulong ulp)
    {
        string? inIndices = BetweenTensors(expected.GetProperty("indices"), actual.SparseIndices, 0);
        string? inValues = BetweenTensors(expected.GetProperty("values"), actual.SparseValues, ulp);
        return Unequal("coalesced", expected.GetProperty("coalesced").GetBoolean(), ScriptOps.IsCoalesced(actual))
            ?? (inIndices is null ? null : $"indices: {inIndices}")
            ?? (inValues is null ? null : $"values: {inValues}");
    }

    private static string? BetweenDense(JsonElement expected, Tensor actual, ulong ulp)
    {
        const string rowMajor = "row-major";
        bool isGiven = expected.TryGetProperty("stride", out JsonElement stride);
        string? inStride = Unequal("stride",
            isGiven ? List(TensorText.Integers(stride)) : rowMajor,
            actual.is_contiguous() ? rowMajor : List(actual.stride()));
        if (inStride is not null) return inStride;

        ScalarType dtype = actual.dtype;
        ulong[] wanted = TensorText.Bits(expected, dtype), given = TensorText.Bits(actual);
        int[] differing = [.. Enumerable.Range(0, wanted.Length).Where(at => !Same(wanted[at], given[at]))];
        if (differing.Length == 0) return null;
        int first = differing[0];
        string? element = BetweenElements($"element {Position(first, actual.shape)}", wanted[first], given[first], dtype);
        return $"{element}; {differing.Length} of {wanted.Length} elements differ";

        bool Same(ulong a, ulong b) => a == b || ulp > 0 && ElementText.Ulps(a, b, dtype) <= ulp;
    }

    private static string? BetweenElements(string what, ulong expected, ulong actual, ScalarType dtype) =>
        Unequal(what, WithBits(expected, dtype), WithBits(actual, dtype));

    private static string WithBits(ulong bits, ScalarType dtype) =>
        $"{ElementText.Format(bits, dtype)} (bits {ElementText.Hex(bits, dtype)})";

    private static string? Unequal<T>(string what, T expected, T actual) =>
        EqualityComparer<T>.Default.Equals(expected, actual) ? null : $"{what} should be {expected} and is {actual}";

    private static string? Text(JsonElement value, string name) =>
        value.TryGetProperty(name, out JsonElement text) ? text.GetString() : null;

    private static string List(IEnumerable<long> numbers) => $"[{string.Join(", ", numbers)}]";

    private static string Position(long flat, long[] shape)
    {
        var position = new long[shape.Length];
        for (int dimension = shape.Length - 1; dimension >= 0; dimension--)
            (flat, position[dimension]) = Math.DivRem(flat, shape[dimension]);
        return List(position);
    }
}
