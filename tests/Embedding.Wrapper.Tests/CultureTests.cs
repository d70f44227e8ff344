using System.Globalization;
using EmbeddingWrapper.Tests.BadInput;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests;

/// <summary>Texts are the same in every culture.</summary>
public class CultureTests
{
    /// <summary>
    /// The processes of this repository know no cultures, so these are made by hand: what .NET takes from them for numbers, and for
    /// Turkish the names that show which culture is in use.
    /// </summary>
    private static CultureInfo Culture(string name)
    {
        var culture = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        (culture.NumberFormat.NegativeSign, culture.NumberFormat.NumberDecimalSeparator, culture.NumberFormat.NumberGroupSeparator) = name switch
        {
            "sv-SE" => ("\u2212", ",", "\u00a0"),
            "tr-TR" => ("-", ",", "."),
            "fa-IR" => ("\u200e\u2212", "\u066b", "\u066c"),
            _ => throw new ArgumentOutOfRangeException(nameof(name)),
        };
        culture.NumberFormat.NaNSymbol = "ناعدد";
        culture.NumberFormat.PositiveInfinitySymbol = "sonsuz";
        return culture;
    }

    private static T In<T>(CultureInfo culture, Func<T> body)
    {
        CultureInfo before = CultureInfo.CurrentCulture;
        CultureInfo.CurrentCulture = culture;
        try
        {
            return body();
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    private static readonly Lazy<Dictionary<string, string>> Expected = new(() => In(CultureInfo.InvariantCulture, BadInputTests.Messages));

    [Theory]
    [InlineData("sv-SE")]
    [InlineData("tr-TR")]
    [InlineData("fa-IR")]
    public void EveryBadCallReadsTheSame(string culture)
    {
        Dictionary<string, string> messages = In(Culture(culture), BadInputTests.Messages);
        string[] differ = [.. messages.Where(each => each.Value != Expected.Value[each.Key]).Select(each => $"{each.Key}: {each.Value}")];
        Assert.True(differ.Length == 0, string.Join('\n', differ));
    }

    [Theory]
    [InlineData("sv-SE")]
    [InlineData("tr-TR")]
    [InlineData("fa-IR")]
    public void TextsReadTheSame(string culture)
    {
        using Tensor floats = tensor(new[,] { { -1.5, 2.25 }, { double.NaN, double.NegativeInfinity } });
        using Tensor whole = tensor(new long[] { -3, 1234567 });
        using Tensor tiny = tensor(new[] { -1e-9f, 12345f });
        using var layer = new Embedding(1000, 3, paddingIdx: -1, maxNorm: -1.5, normType: 0.5, scaleGradByFreq: true);
        string[] Texts() => [floats.Repr(), whole.Repr(), tiny.Repr(), layer.ToString(), PythonText.Of(-2.5e-7), PythonText.Of(double.NaN)];

        Assert.Equal(In(CultureInfo.InvariantCulture, Texts), In(Culture(culture), Texts));
        Assert.Equal("Embedding(1000, 3, padding_idx=999, max_norm=-1.5, norm_type=0.5, scale_grad_by_freq=True)", In(Culture(culture), layer.ToString));
    }

    [Theory]
    [InlineData("sv-SE")]
    [InlineData("fa-IR")]
    public void NegativeNumbersOfTheLayersErrorsHaveAPlainSign(string culture)
    {
        using var layer = new Embedding(4, 3);
        using Tensor bad = Indices(-3);
        Assert.All<(Action Call, string Text)>(
            [
                (() => layer.forward(bad), "index -3 at position [0]"),
                (() => layer.Lookup([-3L], new float[3].AsSpan()), "index -3 at position [0]"),
                (() => layer.Lookup([-3], new float[3].AsSpan()), "index -3 at position [0]"),
                (() => _ = new Embedding(4, 3, paddingIdx: -9), "-9 is not in [-4, 4)"),
                (() => _ = new Embedding(-4, 3), "numEmbeddings ('-4') must be a non-negative value."),
                (() => _ = new Embedding(4, -3), "embeddingDim ('-3') must be a non-negative value."),
            ],
            each => Assert.Contains(each.Text, In(Culture(culture), () => Record.Exception(each.Call)!.Message)));
    }
}
