using System.Globalization;

namespace EmbeddingWrapper.Native;

/// <summary>Python's text of a number, for texts that must be PyTorch's.</summary>
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
}
