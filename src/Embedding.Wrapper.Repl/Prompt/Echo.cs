using System.Collections;
using System.Runtime.CompilerServices;
using Microsoft.CodeAnalysis.CSharp.Scripting.Hosting;
using Microsoft.CodeAnalysis.Scripting.Hosting;
using TorchSharp;
using TorchSharp.Modules;

namespace EmbeddingWrapper.Repl.Prompt;

/// <summary>
/// The text of a value at the prompt: PyTorch's for what is PyTorch's, that of C# Interactive for the rest.
/// </summary>
internal static class Echo
{
    /// <summary>A collection of tensors is cut after this many.</summary>
    private const int MaxTensors = 20;

    /// <summary>The text of <paramref name="value"/>, without a line end after the last line.</summary>
    public static string Text(object? value) => value switch
    {
        torch.Tensor tensor => tensor.Repr(),
        torch.nn.Module module => ModuleText(module),
        ITuple tuple when Items(tuple).Any(IsPyTorchs) => $"({string.Join(", ", Items(tuple).Select(Text))})",
        IDictionary<string, torch.Tensor> named => Braces(named.Select(pair => (pair.Key, (object?)pair.Value))),
        IEnumerable<(string Name, torch.nn.Module)> named => Braces(named.Select(pair => (pair.Name, (object?)pair.Item2))),
        IEnumerable<(string Name, Parameter)> named => Braces(named.Select(pair => (pair.Name, (object?)pair.Item2))),
        IEnumerable<torch.Tensor> or IEnumerable<torch.nn.Module> => Brackets((IEnumerable)value),
        _ => CSharpObjectFormatter.Instance.FormatObject(value, new PrintOptions()),
    };

    private static bool IsPyTorchs(object? value) => value is torch.Tensor or torch.nn.Module;

    /// <summary>
    /// TorchSharp's own modules leave ToString as the name of the type with its namespace: they get PyTorch's list of what
    /// is inside, and three dots for the arguments that TorchSharp does not tell.
    /// </summary>
    private static string ModuleText(torch.nn.Module module)
    {
        string text = module.ToString() ?? "";
        if (text != module.GetType().ToString()) return text;
        string[] children = [.. module.named_children().Select(child =>
            $"  ({child.name}): {ModuleText(child.module).Replace("\n", "\n  ")}\n")];
        return $"{module.GetType().Name}({(children.Length > 0 ? $"\n{string.Concat(children)}" : "...")})";
    }

    private static IEnumerable<object?> Items(ITuple tuple) => Enumerable.Range(0, tuple.Length).Select(i => tuple[i]);

    private static string Brackets(IEnumerable values) =>
        $"[{string.Join(",\n ", Cut(values.Cast<object?>().Select(Text)))}]";

    private static string Braces(IEnumerable<(string Key, object? Value)> pairs) =>
        $"{{{string.Join(",\n ", Cut(pairs.Select(pair => $"\"{pair.Key}\": {Text(pair.Value)}")))}}}";

    private static IEnumerable<string> Cut(IEnumerable<string> texts) =>
        texts.Take(MaxTensors + 1).Select((text, i) => i < MaxTensors ? text : "...");
}
