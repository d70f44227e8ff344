using System.Globalization;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace EmbeddingWrapper.Pretrained;

/// <summary>
/// Parses decimal numbers as numpy parses float32: it rounds to the nearest float64 and then to the nearest float32. (A single rounding
/// would differ for texts very close to the middle between two float32 numbers.)
/// </summary>
internal static unsafe class NumberText
{
    private const int MostExactDigits = 19;          // of a ulong
    private const ulong LargestExactInteger = 1UL << 53; // of a double

    /// <summary>The powers of ten that a double holds exactly.</summary>
    private static ReadOnlySpan<double> PowersOfTen =>
    [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    ];

    private static ReadOnlySpan<uint> Shift => [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

    /// <summary>
    /// Parses the number at <paramref name="at"/>: an optional sign, digits with or without a point, and an optional exponent; or <c>inf</c>,
    /// <c>infinity</c> or <c>nan</c> in upper or lower case. The caller checks what follows the number.
    /// </summary>
    /// <param name="at">Moves behind the number. 8 bytes behind the text must be readable, and the first of them must not continue a number.</param>
    /// <param name="value">The number, or an infinity if it is too large.</param>
    /// <returns>False if there is no number here.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryRead(ref byte* at, out float value)
    {
        byte* start = at, next = start;
        bool negative = *next == '-';
        if (negative || *next == '+') next++;

        byte* whole = next;
        ulong digits = (ulong)*next - '0';
        if (digits <= 9 && next[1] == '.') next++; // nearly all numbers of a vector are between -10 and 10
        else
        {
            digits = 0;
            next = ReadDigits(next, ref digits);
        }
        long count = next - whole;
        long exponent = 0;
        if (*next == '.')
        {
            byte* fraction = ++next;
            next = ReadDigits(next, ref digits);
            exponent = fraction - next;
            count -= exponent;
        }
        if (count == 0 || count > MostExactDigits || digits > LargestExactInteger || (*next | 0x20) == 'e')
            return TryReadRest(ref at, next, digits, count, exponent, out value);

        double exact = digits / PowersOfTen[(int)-exponent]; // both are exact, so this rounds once
        value = (float)(negative ? -exact : exact);
        at = next;
        return true;
    }

    /// <summary>Appends decimal digits to <paramref name="digits"/>, eight at a time. Too many digits overflow.</summary>
    /// <returns>The first byte that is not a digit.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte* ReadDigits(byte* next, ref ulong digits)
    {
        const ulong zeros = 0x3030303030303030;
        int length;
        do
        {
            // The top bit of each byte up to the first non-digit tells whether the byte is a digit. The bits above that byte have no meaning.
            ulong bytes = Unsafe.ReadUnaligned<ulong>(next);
            ulong others = ((bytes + 0x4646464646464646) | (bytes - zeros)) & 0x8080808080808080;
            length = BitOperations.TrailingZeroCount(others) >> 3;
            if (length == 0) return next;

            // Little-endian: the first digit is the lowest byte. Missing digits become leading zeros.
            ulong eight = (bytes - zeros) << (64 - 8 * length);
            eight = eight * 10 + (eight >> 8);
            eight = ((eight & 0x000000FF000000FF) * 0x000F424000000064
                + ((eight >> 16) & 0x000000FF000000FF) * 0x0000271000000001) >> 32;
            digits = digits * Shift[length] + eight;
            next += length;
        }
        while (length == 8);
        return next;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool TryReadRest(ref byte* at, byte* next, ulong digits, long count, long exponent, out float value)
    {
        if (count == 0) return TryReadName(ref at, out value);
        bool negative = *at == '-';
        if ((*next | 0x20) == 'e')
        {
            byte* power = next + 1;
            bool negativePower = *power == '-';
            if (negativePower || *power == '+') power++;
            if (!char.IsAsciiDigit((char)*power))
            {
                value = 0;
                return false;
            }
            long written = 0;
            for (; char.IsAsciiDigit((char)*power); power++)
                written = Math.Min(written * 10 + (*power - '0'), int.MaxValue);
            exponent += negativePower ? -written : written;
            next = power;
        }

        double number;
        if (count <= MostExactDigits && digits <= LargestExactInteger && Math.Abs(exponent) < PowersOfTen.Length)
        {
            number = exponent < 0 ? digits / PowersOfTen[(int)-exponent] : digits * PowersOfTen[(int)exponent];
            if (negative) number = -number;
        }
        else
        {
            number = double.Parse(new ReadOnlySpan<byte>(at, checked((int)(next - at))), NumberStyles.Float, CultureInfo.InvariantCulture);
        }
        value = (float)number;
        at = next;
        return true;
    }

    private static bool TryReadName(ref byte* at, out float value)
    {
        byte* next = at;
        bool negative = *next == '-';
        if (negative || *next == '+') next++;
        if (StartsWith(next, "infinity"u8))
        {
            next += "infinity".Length;
            value = float.PositiveInfinity;
        }
        else if (StartsWith(next, "inf"u8))
        {
            next += "inf".Length;
            value = float.PositiveInfinity;
        }
        else if (StartsWith(next, "nan"u8))
        {
            next += "nan".Length;
            value = BitConverter.UInt32BitsToSingle(0x7FC00000); // numpy's; float.NaN has the sign bit set
        }
        else
        {
            value = 0;
            return false;
        }
        if (negative) value = -value;
        at = next;
        return true;
    }

    private static bool StartsWith(byte* text, ReadOnlySpan<byte> name)
    {
        foreach (byte letter in name)
        {
            if ((*text++ | 0x20) != letter) return false;
        }
        return true;
    }
}
