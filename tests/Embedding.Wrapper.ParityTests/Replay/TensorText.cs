using System.Buffers.Binary;
using System.Text.Json;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Replay;

/// <summary>Converts tensors to the goldens' text and back, bit for bit.</summary>
internal static class TensorText
{
    public const string SparseLayout = "sparse_coo";

    public static double Number(string text) =>
        BitConverter.UInt64BitsToDouble(ElementText.Parse(text, ScalarType.Float64));

    public static string Number(double number) =>
        ElementText.Format(BitConverter.DoubleToUInt64Bits(number), ScalarType.Float64);

    /// <summary>A row-major or sparse tensor that requires no gradient.</summary>
    public static Tensor Decode(JsonElement value)
    {
        if (value.TryGetProperty("layout", out JsonElement layout)) return DecodeSparse(value, layout.GetString()!);
        ScalarType dtype = GoldenText.Dtype(value.GetProperty("dtype").GetString()!);
        int size = ElementText.Size(dtype);
        Tensor tensor = empty(Shape(value), dtype);
        ulong[] bits = Bits(value, dtype);
        Span<byte> memory = tensor.bytes;
        for (int i = 0; i < bits.Length; i++) Write(memory[(i * size)..], bits[i], size);
        return tensor;
    }

    public static string Encode(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        bool sparse = tensor.is_sparse;
        List<string> members = sparse ? [GoldenText.Member("layout", GoldenText.Quoted(SparseLayout))] : [];
        Add("dtype", tensor.dtype);
        Add("shape", tensor.shape);
        if (tensor.requires_grad) Add("requires_grad", true);
        if (sparse)
        {
            Tensor plain = tensor.detach();
            Add("coalesced", ScriptOps.IsCoalesced(plain));
            Add("indices", plain.SparseIndices);
            Add("values", plain.SparseValues);
        }
        else
        {
            if (!tensor.is_contiguous()) Add("stride", tensor.stride());
            Add("data", Rows(tensor));
        }
        return $"{{{string.Join(", ", members)}}}";

        void Add(string name, object value) => members.Add(GoldenText.Member(name, GoldenText.Of(value)));
    }

    /// <summary>The elements in row-major order, whatever the strides and the device.</summary>
    public static ulong[] Bits(Tensor tensor)
    {
        using Tensor detached = tensor.detach();
        using Tensor near = detached.cpu();
        using Tensor plain = near.contiguous();
        int size = ElementText.Size(plain.dtype);
        var bits = new ulong[plain.NumberOfElements];
        ReadOnlySpan<byte> memory = plain.bytes;
        for (int i = 0; i < bits.Length; i++) bits[i] = Read(memory[(i * size)..], size);
        return bits;
    }

    /// <summary>The elements that a golden writes out, in row-major order.</summary>
    public static ulong[] Bits(JsonElement value, ScalarType dtype)
    {
        long[] shape = Shape(value);
        long count = shape.Aggregate(1L, (product, length) => product * length);
        IEnumerable<ulong> given = value.TryGetProperty("arange", out JsonElement arange) ? Arange(arange, count, dtype)
            : value.TryGetProperty("runs", out JsonElement runs) ? Runs(runs).Select(Parsed)
            : value.GetProperty("data").EnumerateArray().SelectMany(Elements).Select(Parsed);
        ulong[] bits = [.. given];
        if (bits.Length != count)
            throw new GoldenFormatException($"{bits.Length} elements cannot have the shape [{string.Join(", ", shape)}].");
        return bits;

        ulong Parsed(string text) => ElementText.Parse(text, dtype);
    }

    public static long[] Shape(JsonElement value) => Integers(value.GetProperty("shape"));

    public static long[] Integers(JsonElement list) => [.. list.EnumerateArray().Select(entry => entry.GetInt64())];

    private static Tensor DecodeSparse(JsonElement value, string layout)
    {
        if (layout != SparseLayout) throw new GoldenFormatException($"The goldens know no layout '{layout}'.");
        Tensor indices = Decode(value.GetProperty("indices")), values = Decode(value.GetProperty("values"));
        Tensor tensor = sparse_coo_tensor(indices, values, Shape(value));
        return value.GetProperty("coalesced").GetBoolean() ? ScriptOps.Coalesce(tensor) : tensor;
    }

    /// <summary>Element k is <c>start + step * k</c>, computed in doubles and then rounded.</summary>
    private static IEnumerable<ulong> Arange(JsonElement startAndStep, long count, ScalarType dtype)
    {
        double start = startAndStep[0].GetDouble(), step = startAndStep[1].GetDouble();
        for (long at = 0; at < count; at++) yield return ElementText.Round(start + (step * at), dtype);
    }

    /// <summary>Runs of repeated elements: a number of times, and the elements to repeat.</summary>
    private static IEnumerable<string> Runs(JsonElement runs) => runs.EnumerateArray()
        .SelectMany(run => Enumerable.Repeat(Elements(run[1]), run[0].GetInt32())).SelectMany(texts => texts);

    private static string[] Elements(JsonElement texts) =>
        texts.GetString()!.Split(' ', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>One text for each row of the last dimension.</summary>
    private static IEnumerable<string> Rows(Tensor tensor)
    {
        ScalarType dtype = tensor.dtype;
        int width = tensor.dim() == 0 ? 1 : (int)Math.Max(1, tensor.shape[^1]);
        string[] texts = [.. Bits(tensor).Select(bits => ElementText.Format(bits, dtype))];
        return texts.Chunk(width).Select(row => string.Join(' ', row));
    }

    private static void Write(Span<byte> memory, ulong bits, int size)
    {
        Span<byte> whole = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(whole, bits);
        whole[..size].CopyTo(memory);
    }

    private static ulong Read(ReadOnlySpan<byte> memory, int size)
    {
        Span<byte> whole = stackalloc byte[sizeof(ulong)];
        whole.Clear();
        memory[..size].CopyTo(whole);
        return BinaryPrimitives.ReadUInt64LittleEndian(whole);
    }
}
