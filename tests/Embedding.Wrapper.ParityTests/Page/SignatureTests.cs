using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using TorchSharp;

namespace EmbeddingWrapper.ParityTests.Page;

/// <summary>The signatures on the documentation pages.</summary>
public class SignatureTests
{
    private const string BagOptions =
        "max_norm=None, norm_type=2.0, scale_grad_by_freq=False, mode='mean', sparse=False, include_last_offset=False, padding_idx=None";

    [Fact]
    public void TheConstructorHasThePagesArgumentsInItsOrderWithItsDefaults()
    {
        // PyTorch's private _weight is not here: FromPretrained and the Weight property do its work.
        string[] signature = [.. PageText.Arguments("torch.nn. Embedding").Where(argument => argument != "_weight=None")];
        ConstructorInfo constructor = typeof(Embedding).GetConstructors().Single();
        Assert.Equal([.. signature, "device=None", "dtype=None"], InPython(constructor));
    }

    [Fact]
    public void FromPretrainedHasThePagesArgumentsInItsOrderWithItsDefaults()
    {
        MemberInfo[] methods = typeof(Embedding).GetMember(nameof(Embedding.FromPretrained));
        Assert.NotEmpty(methods);
        Assert.All(methods, method => Assert.Equal(PageText.Arguments("from_pretrained"), InPython((MethodInfo)method)));
    }

    [Fact]
    public void TheConstructorOfABagHasThePagesArgumentsInItsOrderWithItsDefaults() => Assert.Equal(
        $"num_embeddings, embedding_dim, {BagOptions}, device=None, dtype=None", // without PyTorch's private _weight, as above
        Joined(typeof(EmbeddingBag).GetConstructors().Single()));

    [Fact]
    public void FromPretrainedOfABagHasThePagesArgumentsInItsOrderWithItsDefaults() => Assert.Equal(
        $"embeddings, freeze=True, {BagOptions}", Joined(typeof(EmbeddingBag).GetMethod(nameof(EmbeddingBag.FromPretrained))!));

    [Fact]
    public void ForwardOfABagHasThePagesArgumentsInItsOrderWithItsDefaults() => Assert.Equal(
        "input, offsets=None, per_sample_weights=None", Joined(typeof(EmbeddingBag).GetMethod(nameof(EmbeddingBag.forward))!));

    [Fact]
    public void TheFunctionOfBagsHasThePagesArgumentsInItsOrderWithItsDefaults() => Assert.Equal(
        "input, weight, offsets=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, mode='mean', sparse=False, "
        + "per_sample_weights=None, include_last_offset=False, padding_idx=None",
        Joined(typeof(Functional).GetMethod(nameof(Functional.EmbeddingBag))!));

    private static string Joined(MethodBase method) => string.Join(", ", InPython(method));

    /// <summary>Spells a C# signature as the page spells its signatures.</summary>
    private static string[] InPython(MethodBase method) => [.. method.GetParameters().Select(parameter =>
    {
        string name = Regex.Replace(parameter.Name!, "[A-Z]", capital => $"_{capital.Value.ToLowerInvariant()}");
        return !parameter.HasDefaultValue ? name : $"{name}=" + parameter.DefaultValue switch
        {
            null => "None",
            double number => number.ToString("0.0", CultureInfo.InvariantCulture),
            EmbeddingBagMode mode => $"'{mode.ToString().ToLowerInvariant()}'",
            var other => other.ToString(),
        };
    })];
}
