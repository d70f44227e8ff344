using System.Buffers.Binary;
using System.Text.Json;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Replay;

/// <summary>Tensors to the goldens' text and back, bit for bit.</summary>
internal static class TensorText
{
    public const string SparseLayout = "sparse_coo";

    public static double Number(string text) =>
        BitConverter.UInt64BitsToDouble(ElementText.Parse(text, ScalarType.Float64));

    public static string Number(double number) =>
        ElementText.Format(BitConverter.DoubleToUInt64Bits(number), ScalarType.Float64);

    /// <summary>A row-major tensor that requires no gradient.</summary>
    public static Tensor Decode(JsonElement value)
    {
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

    public static ulong[] Bits(JsonElement value, ScalarType dtype)
    {
        ulong[] bits =
        [
            .. value.GetProperty("data").EnumerateArray()
                .SelectMany(row => row.GetString()!.Split(' ', StringSplitOptions.RemoveEmptyEntries))
                .Select(text => ElementText.Parse(text, dtype)),
        ];
        long[] shape = Shape(value);
        if (bits.Length != shape.Aggregate(1L, (product, length) => product * length))
            throw new GoldenFormatException($"{bits.Length} elements cannot have the shape [{string.Join(", ", shape)}].");
        return bits;
    }

    public static long[] Shape(JsonElement value) => Integers(value.GetProperty("shape"));

    public static long[] Integers(JsonElement list) => [.. list.EnumerateArray().Select(entry => entry.GetInt64())];

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
