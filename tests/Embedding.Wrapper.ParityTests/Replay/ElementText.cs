using System.Globalization;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Replay;

/// <summary>One element of a tensor: its text in a golden, and its bits.</summary>
internal static class ElementText
{
    private const string NaNPrefix = "nan:";

    // For each dtype, the bits of the NaN that a golden writes as "nan", and the sign bit.
    private static readonly Dictionary<ScalarType, (ulong NaN, ulong Sign)> Floats = new()
    {
        [ScalarType.Float16] = (0x7E00, 0x8000),
        [ScalarType.BFloat16] = (0x7FC0, 0x8000),
        [ScalarType.Float32] = (0x7FC00000, 0x80000000),
        [ScalarType.Float64] = (0x7FF8000000000000, 0x8000000000000000),
    };

    public static bool IsFloat(ScalarType dtype) => Floats.ContainsKey(dtype);

    public static ulong Parse(string text, ScalarType dtype)
    {
        if (dtype == ScalarType.Bool) return text == "true" ? 1UL : 0UL;
        if (!IsFloat(dtype)) return (ulong)long.Parse(text, CultureInfo.InvariantCulture) & Mask(dtype);
        if (text == "nan") return Floats[dtype].NaN;
        if (text.StartsWith(NaNPrefix, StringComparison.Ordinal))
            return ulong.Parse(text.AsSpan(NaNPrefix.Length), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        string number = text.Replace("inf", "Infinity");
        return dtype switch
        {
            ScalarType.Float64 => BitConverter.DoubleToUInt64Bits(double.Parse(number, CultureInfo.InvariantCulture)),
            ScalarType.Float32 => Single(number),
            ScalarType.Float16 => BitConverter.HalfToUInt16Bits(Half.Parse(number, CultureInfo.InvariantCulture)),
            _ => UpperHalf(Single(number)),
        };
    }

    /// <summary>The bits of the nearest number of the dtype. If the dtype is not a float, the number must be whole.</summary>
    public static ulong Round(double number, ScalarType dtype) => dtype switch
    {
        ScalarType.Bool => number == 0 ? 0UL : 1UL,
        ScalarType.Float64 => BitConverter.DoubleToUInt64Bits(number),
        ScalarType.Float32 => BitConverter.SingleToUInt32Bits((float)number),
        ScalarType.Float16 => BitConverter.HalfToUInt16Bits((Half)number),
        ScalarType.BFloat16 => UpperHalf(BitConverter.SingleToUInt32Bits((float)number)),
        _ => (ulong)(long)number & Mask(dtype),
    };

    /// <summary>The shortest text that reads back to the same bits, spelled as Python spells it.</summary>
    public static string Format(ulong bits, ScalarType dtype)
    {
        if (dtype == ScalarType.Bool) return bits == 0 ? "false" : "true";
        if (!IsFloat(dtype)) return Integer(bits, dtype).ToString(CultureInfo.InvariantCulture);
        double number = Widen(bits, dtype);
        if (double.IsNaN(number)) return bits == Floats[dtype].NaN ? "nan" : NaNPrefix + Hex(bits, dtype);
        if (double.IsInfinity(number)) return number > 0 ? "inf" : "-inf";
        for (int digits = 0; ; digits++)
        {
            string text = number.ToString($"E{digits}", CultureInfo.InvariantCulture);
            if (Parse(text, dtype) == bits) return Positional(text);
        }
    }

    public static string Hex(ulong bits, ScalarType dtype) =>
        bits.ToString($"x{2 * Size(dtype)}", CultureInfo.InvariantCulture);

    public static int Size(ScalarType dtype) => dtype switch
    {
        ScalarType.Bool or ScalarType.Byte or ScalarType.Int8 => 1,
        ScalarType.Int16 or ScalarType.Float16 or ScalarType.BFloat16 => 2,
        ScalarType.Int32 or ScalarType.Float32 => 4,
        ScalarType.Int64 or ScalarType.Float64 => 8,
        _ => throw new GoldenFormatException($"The goldens know no {dtype}."),
    };

    /// <summary>How many floats apart the two numbers are. The two zeros count as one float.</summary>
    public static ulong Ulps(ulong a, ulong b, ScalarType dtype)
    {
        if (a == b) return 0;
        if (!IsFloat(dtype) || IsNaN(a) || IsNaN(b)) return ulong.MaxValue;
        return (ulong)Int128.Abs(Ordered(a) - Ordered(b));

        bool IsNaN(ulong bits) => double.IsNaN(Widen(bits, dtype));

        Int128 Ordered(ulong bits) => bits < Floats[dtype].Sign ? bits : -(Int128)(bits - Floats[dtype].Sign);
    }

    private static uint Single(string text) =>
        BitConverter.SingleToUInt32Bits(float.Parse(text, CultureInfo.InvariantCulture));

    /// <summary>A bfloat16 is the upper half of a float32, rounded to even.</summary>
    private static ulong UpperHalf(uint bits) => (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);

    private static double Widen(ulong bits, ScalarType dtype) => dtype switch
    {
        ScalarType.Float64 => BitConverter.UInt64BitsToDouble(bits),
        ScalarType.Float32 => BitConverter.UInt32BitsToSingle((uint)bits),
        ScalarType.Float16 => (double)BitConverter.UInt16BitsToHalf((ushort)bits),
        _ => BitConverter.UInt32BitsToSingle((uint)bits << 16),
    };

    private static long Integer(ulong bits, ScalarType dtype) => dtype switch
    {
        ScalarType.Int8 => (sbyte)bits,
        ScalarType.Int16 => (short)bits,
        ScalarType.Int32 => (int)bits,
        _ => (long)bits,
    };

    private static ulong Mask(ScalarType dtype) => Size(dtype) == 8 ? ulong.MaxValue : (1UL << (8 * Size(dtype))) - 1;

    /// <summary><c>1.25E+001</c> as Python writes it: without an exponent from 1e-4 up to 1e16.</summary>
    private static string Positional(string scientific)
    {
        string[] parts = scientific.Split('E');
        int exponent = int.Parse(parts[1], CultureInfo.InvariantCulture);
        string sign = parts[0].StartsWith('-') ? "-" : "";
        string digits = parts[0].Replace("-", "").Replace(".", "");
        if (exponent is < -4 or >= 16)
        {
            string fraction = digits.Length > 1 ? $".{digits[1..]}" : "";
            return $"{sign}{digits[0]}{fraction}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
        }
        if (exponent < 0) return $"{sign}0.{new string('0', -exponent - 1)}{digits}";
        int whole = exponent + 1;
        return digits.Length <= whole ? sign + digits.PadRight(whole, '0') : $"{sign}{digits[..whole]}.{digits[whole..]}";
    }
}
