using System.Globalization;
using static TorchSharp.torch;

namespace EmbeddingWrapper;

public static partial class TensorDisplay
{
    /// <summary>Formats each element, in row-major order, padded to a common width.</summary>
    /// <returns>The texts, and the width that PyTorch assumes when it fills a line.</returns>
    private static (string[] Items, int Width) Numbers(Tensor shown)
    {
        if (shown.is_floating_point())
        {
            double[] values = Read<double>(shown, ScalarType.Float64);
            FloatStyle style = FloatStyle.Of(values);
            return (Array.ConvertAll(values, style.Format), style.Width);
        }
        if (shown.is_complex())
        {
            double[] real = Read<double>(shown.real, ScalarType.Float64);
            double[] imag = Read<double>(shown.imag, ScalarType.Float64);
            FloatStyle realStyle = FloatStyle.Of(real), imagStyle = FloatStyle.Of(imag);
            return ([.. real.Zip(imag, Sum)], realStyle.Width + imagStyle.Width + 1);

            string Sum(double re, double im)
            {
                string text = imagStyle.Format(im).TrimStart();
                return $"{realStyle.Format(re)}{(text[0] == '-' ? "" : "+")}{text}j";
            }
        }
        string[] items = shown.dtype == ScalarType.Bool
            ? Array.ConvertAll(Read<bool>(shown, ScalarType.Bool), PythonText.Of)
            : Array.ConvertAll(Read<long>(shown, ScalarType.Int64), value => value.ToString(CultureInfo.InvariantCulture));
        int width = items.Max(item => item.Length);
        return (Array.ConvertAll(items, item => item.PadLeft(width)), width);
    }

    // Each conversion to a wider type is exact, so the texts are those of the element's own type.
    private static T[] Read<T>(Tensor shown, ScalarType type) where T : unmanaged
    {
        using var values = shown.to(type, CPU).resolve_neg().flatten().data<T>();
        return values.ToArray();
    }

    private enum Notation
    {
        Whole,
        Fixed,
        Scientific,
    }

    /// <summary>
    /// One style for all numbers of a tensor. The finite numbers that are not zero decide it; the others use it and never
    /// widen it.
    /// </summary>
    private readonly record struct FloatStyle(Notation Notation, int Width)
    {
        public static FloatStyle Of(double[] values)
        {
            double[] decisive = Array.FindAll(values, value => double.IsFinite(value) && value != 0);
            if (decisive.Length == 0) return new FloatStyle(Notation.Whole, 1);

            double min = decisive.Min(Math.Abs), max = decisive.Max(Math.Abs);
            Notation notation = max / min > 1000 || max > 1e8 || min < 1e-4 ? Notation.Scientific
                : Array.TrueForAll(decisive, double.IsInteger) ? Notation.Whole
                : Notation.Fixed;
            return new FloatStyle(notation, decisive.Max(value => Text(value, notation).Length));
        }

        public string Format(double value) => Text(value, Notation).PadLeft(Width);

        private static string Text(double value, Notation notation)
        {
            if (double.IsNaN(value)) return "nan";
            if (double.IsInfinity(value)) return value > 0 ? "inf" : "-inf";
            switch (notation)
            {
                case Notation.Whole:
                    return value.ToString("F0", CultureInfo.InvariantCulture) + ".";
                case Notation.Fixed:
                    return value.ToString("F4", CultureInfo.InvariantCulture);
                default:
                    // Not a custom pattern: only the standard formats round the exact binary value. Their exponent has three
                    // digits; Python's has two if two are enough.
                    string text = value.ToString("e4", CultureInfo.InvariantCulture);
                    int hundreds = text.Length - 3;
                    return text[hundreds] == '0' ? text.Remove(hundreds, 1) : text;
            }
        }
    }
}
