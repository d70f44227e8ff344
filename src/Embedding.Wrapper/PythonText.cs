using System.Globalization;
using System.Text.RegularExpressions;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper;

/// <summary>Values as Python spells them, for texts that must equal PyTorch's.</summary>
internal static partial class PythonText
{
    /// <summary>
    /// The shortest digits that read back as the same number. They have a point, or below 1e-4 and from 1e16 an exponent of at least two
    /// digits.
    /// </summary>
    public static string Of(double value)
    {
        if (double.IsNaN(value)) return "nan";
        if (double.IsInfinity(value)) return value > 0 ? "inf" : "-inf";
        if (value == 0) return double.IsNegative(value) ? "-0.0" : "0.0";

        // .NET gives the same digits, but uses exponents for other numbers.
        string[] parts = Math.Abs(value).ToString("R", CultureInfo.InvariantCulture).Split('E');
        string[] number = parts[0].Split('.');
        string all = number[0] + (number.Length > 1 ? number[1] : "");
        string digits = all.TrimStart('0');
        int exponent = parts.Length > 1 ? int.Parse(parts[1], CultureInfo.InvariantCulture) : 0;
        int point = number[0].Length - (all.Length - digits.Length) + exponent;
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

    public static string Of(EmbeddingBagMode mode) => mode.ToString().ToLowerInvariant();

    public static string Of(string? value) => value is null ? "None" : $"'{value}'";

    /// <summary>libtorch's text with Python's names of tensor types: <c>torch.FloatTensor</c> for <c>CPUFloatType</c>.</summary>
    public static string WithTensorTypes(string text) =>
        CppTensorType().Replace(text, match => $"torch.{(match.Groups[1].Value == "CUDA" ? "cuda." : "")}{match.Groups[2]}Tensor");

    [GeneratedRegex(@"\b(CPU|CUDA)(Float|Double|Half|Byte|Char|Short|Int|Long)Type\b")]
    private static partial Regex CppTensorType();

    /// <summary>The text of a tuple: <c>(3,)</c>, <c>(2, 3)</c>.</summary>
    public static string Tuple<T>(T[] items) =>
        items.Length == 1 ? $"({items[0]},)" : $"({string.Join(", ", items)})";

    /// <summary>The text of a shape: <c>torch.Size([2, 3])</c>.</summary>
    public static string Size(long[] shape) => $"torch.Size([{string.Join(", ", shape)}])";

    /// <summary>The text of a dtype: <c>torch.float32</c>. .NET's name stands for a dtype that has no text here.</summary>
    public static string Dtype(ScalarType dtype) => $"torch.{DtypeName(dtype) ?? dtype.ToString()}";

    /// <summary>Python's name of a dtype, without <c>torch.</c> Null for quantized ones.</summary>
    public static string? DtypeName(ScalarType dtype) => dtype switch
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
