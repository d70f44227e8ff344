using System.Globalization;
using static TorchSharp.torch;

namespace EmbeddingWrapper;

/// <summary>Values as Python spells them, for texts that must be PyTorch's.</summary>
internal static class PythonText
{
    /// <summary>
    /// The shortest digits that read back the same, with a point or an exponent: the exponent below 1e-4 and from 1e16, of two digits at
    /// least.
    /// </summary>
    public static string Of(double value)
    {
        if (double.IsNaN(value)) return "nan";
        if (double.IsInfinity(value)) return value > 0 ? "inf" : "-inf";
        if (value == 0) return double.IsNegative(value) ? "-0.0" : "0.0";

        // .NET has the same digits and turns to exponents elsewhere.
        string[] parts = Math.Abs(value).ToString("R", CultureInfo.InvariantCulture).Split('E');
        string[] number = parts[0].Split('.');
        string all = number[0] + (number.Length > 1 ? number[1] : "");
        string digits = all.TrimStart('0');
        int point = number[0].Length - (all.Length - digits.Length) + (parts.Length > 1 ? int.Parse(parts[1], CultureInfo.InvariantCulture) : 0);
        digits = digits.TrimEnd('0');

        string text;
        if (point is < -3 or > 16)
        {
            string fraction = digits.Length > 1 ? $".{digits[1..]}" : "";
            text = $"{digits[0]}{fraction}e{(point > 0 ? '+' : '-')}{Math.Abs(point - 1):00}";
        }
        else if (point <= 0) text = $"0.{new string('0', -point)}{digits}";
        else if (point >= digits.Length) text = $"{digits.PadRight(point, '0')}.0";
        else text = $"{digits[..point]}.{digits[point..]}";
        return value < 0 ? $"-{text}" : text;
    }

    public static string Of(bool value) => value ? "True" : "False";

    /// <summary>The text of a tuple: <c>(3,)</c>, <c>(2, 3)</c>.</summary>
    public static string Tuple<T>(T[] items) =>
        items.Length == 1 ? $"({items[0]},)" : $"({string.Join(", ", items)})";

    /// <summary>The text of a shape: <c>torch.Size([2, 3])</c>.</summary>
    public static string Size(long[] shape) => $"torch.Size([{string.Join(", ", shape)}])";

    /// <summary>Python's name of a dtype, without <c>torch.</c></summary>
    public static string DtypeName(ScalarType dtype) =>
        KnownDtypeName(dtype) ?? throw new NotSupportedException($"Repr shows no tensors of dtype {dtype}.");

    /// <inheritdoc cref="DtypeName"/>
    public static string? KnownDtypeName(ScalarType dtype) => dtype switch
    {
        ScalarType.Byte => "uint8",
        ScalarType.Int8 => "int8",
        ScalarType.Int16 => "int16",
        ScalarType.Int32 => "int32",
        ScalarType.Int64 => "int64",
        ScalarType.Bool => "bool",
        ScalarType.Float16 => "float16",
        ScalarType.BFloat16 => "bfloat16",
        ScalarType.Float32 => "float32",
        ScalarType.Float64 => "float64",
        ScalarType.ComplexFloat32 => "complex64",
        ScalarType.ComplexFloat64 => "complex128",
        _ => null,
    };
}
