using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Json;
using EmbeddingWrapper.Optim;
using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests;

/// <summary>
/// Conventions that every public member of the packages follows. Reflection finds the members, so a new one cannot be forgotten.
/// </summary>
public class ConventionTests
{
    private static readonly XmlDocumentation Documentation = new();

    [Fact]
    public void EveryMemberSaysWhatItIs() => AssertNone(
        from member in Documentation.VisibleMembers()
        where Documentation.Text(member, "summary").Length == 0
        select XmlDocumentation.Id(member));

    [Fact]
    public void EveryParameterAndResultIsDescribed() => AssertNone(
        from part in Parts()
        where part.Text.Length == 0
        select part.Name);

    [Fact]
    public void EveryTensorHasItsShapeDescribed() => AssertNone(
        from part in Parts()
        where part.Type == typeof(Tensor)
        where !part.Text.Contains("shape", StringComparison.OrdinalIgnoreCase) && !part.Text.Contains("<c>[")
        select $"{part.Name}: {part.Text}");

    [Fact]
    public void WhatRefusesNullSaysSo() => AssertNone(
        from method in Documentation.VisibleMembers().OfType<MethodBase>()
        where method.IsPublic && !OverridesTorchSharps(method) && method.GetParameters().Any(MustNotBeNull)
        where Documentation.Elements(method, "exception").All(e => e.Attribute("cref")!.Value != $"T:{typeof(ArgumentNullException)}")
        select XmlDocumentation.Id(method));

    public static IEnumerable<TheoryDataRow<string>> NotNull =>
        from method in PublicMethods()
        from parameter in method.GetParameters()
        where MustNotBeNull(parameter) && method.Name != nameof(OptimizerState.ApproximatelyEquals) // nothing is equal to null
        select new TheoryDataRow<string>($"{XmlDocumentation.Id(method)}: {parameter.Name}");

    [Theory]
    [MemberData(nameof(NotNull))]
    public void NullIsRefusedByName(string name)
    {
        ParameterInfo parameter = PublicMethods().SelectMany(method => method.GetParameters())
            .Single(each => $"{XmlDocumentation.Id(each.Member)}: {each.Name}" == name);
        var method = (MethodBase)parameter.Member;
        object? instance = method.IsStatic || method.IsConstructor ? null : Samples.Instance(method.DeclaringType!);
        Assert.Equal(parameter.Name, Assert.Throws<ArgumentNullException>(() => Samples.Call(method, instance, parameter)).ParamName);
    }

    public static IEnumerable<TheoryDataRow<Type>> Disposables => XmlDocumentation.ExportedTypes
        .Where(type => type.IsAssignableTo(typeof(IDisposable)) && !type.IsAbstract && !MadeByOptimizers.Contains(type))
        .Select(type => new TheoryDataRow<Type>(type));

    [Theory]
    [MemberData(nameof(Disposables))]
    public void ADisposableGuardsAfterDisposal(Type type)
    {
        var disposable = (IDisposable)Samples.Instance(type);
        disposable.Dispose();
        disposable.Dispose();
        MethodBase[] members = [.. PublicMethods()
            .Where(method => method.DeclaringType!.IsAssignableFrom(type) && !method.IsStatic && !method.IsConstructor && !AliveAfterDisposal.Contains(method.Name))];
        Assert.NotEmpty(members);
        Assert.All(members, method => Assert.Throws<ObjectDisposedException>(() => Samples.Call(method, disposable)));
        if (disposable is EmbeddingBag bag) Assert.All(CallsOnABag, call => Assert.Throws<ObjectDisposedException>(() => call(bag)));
        if (disposable is Embedding layer) Assert.All(CallsOnALayer, call => Assert.Throws<ObjectDisposedException>(() => call(layer)));
    }

    public static IEnumerable<TheoryDataRow<string>> Signatures =>
        PyTorchs().Keys.Select(name => new TheoryDataRow<string>(name));

    [Theory]
    [MemberData(nameof(Signatures))]
    public void ParametersAndDefaultsArePyTorchs(string python)
    {
        IEnumerable<string> expected = PyTorchs()[python];
        MethodBase[] overloads = [.. DotNets[python].Cast<MethodBase>().Where(method => method.IsPublic)];
        Assert.NotEmpty(overloads);
        Assert.All(overloads, method => Assert.Equal(expected, method.GetParameters().Select(
            parameter => Text(parameter.Name!, parameter.HasDefaultValue, parameter.DefaultValue))));
    }

    // The state for a parameter. Only the optimizer makes one, and disposal empties it.
    private static readonly Type[] MadeByOptimizers = [typeof(Optim.Adagrad.State), typeof(SparseAdam.State), typeof(Optim.SGD.State)];

    /// <summary>Members that still work after disposal: the options that the object was made with, its text, and disposal itself.</summary>
    private static readonly string[] AliveAfterDisposal =
    [
        "get_NumEmbeddings", "get_EmbeddingDim", "get_PaddingIdx", "get_MaxNorm", "get_NormType", "get_ScaleGradByFreq", "get_Sparse",
        "get_Mode", "get_IncludeLastOffset", "get_CheckIndices", "set_CheckIndices", "get_Betas", "set_Betas",
        "get_Momentum", "set_Momentum", nameof(ToString), nameof(IDisposable.Dispose),
        nameof(nn.Module.named_parameters), nameof(nn.Module.get_parameter), // TorchSharp's list, which is then empty
    ];

    /// <summary>Calls that reflection cannot make, and members that TorchSharp declares.</summary>
    private static readonly Action<Embedding>[] CallsOnALayer =
    [
        it => it.call(Indices(1)),
        it => it.Lookup(1),
        it => it.Lookup([1L], new float[3].AsSpan()),
        it => it.Lookup([1], new float[3].AsSpan()),
        it => it.to(float64),
    ];

    private static readonly Action<EmbeddingBag>[] CallsOnABag =
    [
        it => it.call(Indices(1), Indices(0)),
        it => it.Lookup([1L], [0L], new float[3].AsSpan()),
        it => it.Lookup([1], [0], new float[3].AsSpan()),
        it => it.to(float64),
    ];

    private static readonly Dictionary<string, MemberInfo[]> DotNets = new()
    {
        ["torch.nn.Embedding"] = typeof(Embedding).GetConstructors(),
        ["torch.nn.Embedding.from_pretrained"] = typeof(Embedding).GetMember(nameof(Embedding.FromPretrained)),
        ["torch.nn.functional.embedding"] = typeof(Functional).GetMember(nameof(Functional.Embedding)),
        ["torch.nn.EmbeddingBag"] = typeof(EmbeddingBag).GetConstructors(),
        ["torch.nn.EmbeddingBag.from_pretrained"] = typeof(EmbeddingBag).GetMember(nameof(EmbeddingBag.FromPretrained)),
        ["torch.nn.EmbeddingBag.forward"] = typeof(EmbeddingBag).GetMember(nameof(EmbeddingBag.forward)),
        ["torch.nn.functional.embedding_bag"] = typeof(Functional).GetMember(nameof(Functional.EmbeddingBag)),
        ["torch.optim.SparseAdam"] = typeof(SparseAdam).GetConstructors(),
        ["torch.optim.Adagrad"] = typeof(Optim.Adagrad).GetConstructors(),
        ["torch.optim.SGD"] = typeof(Optim.SGD).GetConstructors(),
        ["torch.nn.utils.clip_grad_norm_"] = typeof(Gradients).GetMember(nameof(Gradients.ClipGradNorm)),
    };

    /// <summary>PyTorch's parameters as .NET spells them, from the file that parity-scripts/checks/signatures.py writes.</summary>
    private static Dictionary<string, IEnumerable<string>> PyTorchs()
    {
        using FileStream file = File.OpenRead(Path.Combine(Path.GetDirectoryName(SourceFile())!, "Signatures.verified.json"));
        var functions = JsonSerializer.Deserialize<Dictionary<string, JsonElement[]>>(file)!;
        return functions.ToDictionary(function => function.Key, function => function.Value.SelectMany(InDotNet));
    }

    private static IEnumerable<string> InDotNet(JsonElement parameter)
    {
        string[] words = parameter.GetProperty("name").GetString()!.Split('_');
        string name = string.Concat(words.Select((word, i) => i == 0 ? word : char.ToUpperInvariant(word[0]) + word[1..]));
        if (name == "params") name = "parameters"; // a keyword in C#
        if (name == "errorIfNonfinite") name = "errorIfNonFinite"; // two words in .NET: double.IsFinite
        bool optional = parameter.TryGetProperty("default", out JsonElement value);

        // Python's tuple of betas is beta1 and beta2 here.
        return optional && value.ValueKind == JsonValueKind.Array
            ? value.EnumerateArray().Select((item, i) => Text($"{name.TrimEnd('s')}{i + 1}", true, item.GetDouble()))
            : [Text(name, optional, ValueOf(value))];

        static object? ValueOf(JsonElement value) => value.ValueKind switch
        {
            JsonValueKind.Number => value.GetDouble(),
            JsonValueKind.String => char.ToUpperInvariant(value.GetString()![0]) + value.GetString()![1..], // the name of an enum's value
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => null,
        };
    }

    private static string Text(string name, bool optional, object? value) => optional ? $"{name} = {value ?? "none"}" : name;

    private sealed record Part(string Name, Type Type, string Text);

    /// <summary>Everything that documentation must describe: parameters, type parameters, results, and properties.</summary>
    private static IEnumerable<Part> Parts()
    {
        foreach (MemberInfo member in Documentation.VisibleMembers())
        {
            string id = XmlDocumentation.Id(member);
            if (member is PropertyInfo property)
                yield return new Part(id, property.PropertyType, Documentation.Text(member, "summary"));
            if (member is not MethodBase method) continue;
            foreach (ParameterInfo parameter in method.GetParameters())
            {
                string text = Documentation.Text(method, "param", parameter.Name);
                yield return new Part($"{id}: {parameter.Name}", parameter.ParameterType, text);
            }
            foreach (Type type in method.IsGenericMethod ? method.GetGenericArguments() : [])
                yield return new Part($"{id}: {type}", type, Documentation.Text(method, "typeparam", type.Name));

            // The caller chooses the shape of a result that the caller's own function gives.
            if (method is not MethodInfo { ReturnType: var result } || result == typeof(void)) continue;
            bool handedThrough = method.GetParameters().Any(parameter => parameter.ParameterType == typeof(Func<Tensor>));
            string returns = Documentation.Text(method, "returns");
            yield return new Part($"{id}: what it returns", handedThrough ? typeof(object) : result, returns);
        }
    }

    /// <summary>Public methods, constructors and accessors that reflection can call.</summary>
    private static IEnumerable<MethodBase> PublicMethods() =>
        Documentation.VisibleMembers()
            .SelectMany(member => member is PropertyInfo property ? property.GetAccessors().Cast<MemberInfo>() : [member])
            .OfType<MethodBase>().Where(method => method.IsPublic && Samples.CanCall(method));

    private static bool OverridesTorchSharps(MethodBase method) =>
        method is MethodInfo info && !XmlDocumentation.Libraries.Contains(info.GetBaseDefinition().DeclaringType!.Assembly);

    // A record struct holds what it is given, and its default value holds null anyway.
    private static bool MustNotBeNull(ParameterInfo parameter) =>
        !parameter.ParameterType.IsValueType && !parameter.Member.DeclaringType!.IsValueType
        && !parameter.IsOut && new NullabilityInfoContext().Create(parameter).WriteState == NullabilityState.NotNull;

    private static void AssertNone(IEnumerable<string> faults)
    {
        Assert.NotEmpty(Documentation.VisibleMembers());
        string all = string.Join('\n', faults);
        Assert.True(all.Length == 0, all);
    }

    private static string SourceFile([CallerFilePath] string path = "") => path;
}
