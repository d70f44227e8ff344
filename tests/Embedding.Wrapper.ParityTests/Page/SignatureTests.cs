using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;

namespace EmbeddingWrapper.ParityTests.Page;

/// <summary>The signatures on the documentation page.</summary>
public class SignatureTests
{
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

    /// <summary>Spells a C# signature as the page spells its signatures.</summary>
    private static string[] InPython(MethodBase method) => [.. method.GetParameters().Select(parameter =>
    {
        string name = Regex.Replace(parameter.Name!, "[A-Z]", capital => $"_{capital.Value.ToLowerInvariant()}");
        return !parameter.HasDefaultValue ? name : $"{name}=" + parameter.DefaultValue switch
        {
            null => "None",
            double number => number.ToString("0.0", CultureInfo.InvariantCulture),
            var other => other.ToString(),
        };
    })];
}
