using System.Collections;
using System.Runtime.CompilerServices;
using EmbeddingWrapper.Pretrained;
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
    private const int MaxItems = 20;

    /// <summary>A collection of tensors whose numbers take more lines than this is shown without the numbers.</summary>
    private const int MaxLines = 40;

    private const int WordsShown = 10;

    /// <summary>The text of <paramref name="value"/>, without a line end after the last line.</summary>
    public static string Text(object? value) => value switch
    {
        torch.Tensor tensor => tensor.Repr(),
        torch.nn.Module module => ModuleText(module),
        torch.optim.Optimizer optimizer => OptimizerText(optimizer),
        WordVectors vectors => WordsText(vectors),
        ITuple tuple when Items(tuple).Any(IsPyTorchs) => $"({string.Join(", ", Items(tuple).Select(Text))})",
        IDictionary named when named.Values.Cast<object?>().Any(IsPyTorchs) =>
            Collection('{', named.Keys.Cast<object>().Select(key => ((object?)key, named[key])), '}'),
        IEnumerable<KeyValuePair<string, torch.Tensor>> named => Collection('{', named.Select(pair => ((object?)pair.Key, (object?)pair.Value)), '}'),
        IEnumerable<(string, torch.Tensor)> named => Collection('{', named.Select(pair => ((object?)pair.Item1, (object?)pair.Item2)), '}'),
        IEnumerable<(string, torch.nn.Module)> named => Collection('{', named.Select(pair => ((object?)pair.Item1, (object?)pair.Item2)), '}'),
        IEnumerable<(string, Parameter)> named => Collection('{', named.Select(pair => ((object?)pair.Item1, (object?)pair.Item2)), '}'),
        IEnumerable<torch.Tensor> or IEnumerable<torch.nn.Module> =>
            Collection('[', ((IEnumerable)value).Cast<object?>().Select(item => ((object?)null, item)), ']'),
        _ => Plain(value),
    };

    private static string Plain(object? value) => CSharpObjectFormatter.Instance.FormatObject(value, new PrintOptions());

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

    private static string Collection(char open, IEnumerable<(object? Key, object? Value)> items, char close)
    {
        (object? Key, object? Value)[] first = [.. items.Take(MaxItems + 1)];
        string text = Lines(Text);
        return text.Count('\n') < MaxLines ? text : Lines(Short);

        string Lines(Func<object?, string> show) => $"{open}{string.Join(",\n ", first.Select((item, i) =>
            i == MaxItems ? "..." : item.Key is null ? show(item.Value) : $"{Plain(item.Key)}: {show(item.Value)}"))}{close}";
    }

    /// <summary>A tensor by its shape and type; of anything else the first line.</summary>
    private static string Short(object? value) => value is torch.Tensor tensor ? Shape(tensor) : Text(value).Split('\n', 2)[0];

    private static string Shape(torch.Tensor tensor) => $"[{string.Join(", ", tensor.shape)}] {tensor.dtype.ToString().ToLowerInvariant()}";

    private static string OptimizerText(torch.optim.Optimizer optimizer)
    {
        string text = optimizer.ToString() ?? "";
        if (text == optimizer.GetType().ToString()) // TorchSharp's own
        {
            IEnumerable<string> rates = optimizer.ParamGroups.Select(group => $"lr={Plain(group.LearningRate)}");
            text = $"{optimizer.GetType().Name}({string.Join(", ", rates)})";
        }
        IEnumerable<string> shapes = optimizer.parameters().Take(MaxItems + 1).Select((parameter, i) => i < MaxItems ? Shape(parameter) : "...");
        return string.Join("\n  ", shapes.Prepend(text));
    }

    private static string WordsText(WordVectors vectors)
    {
        try
        {
            IEnumerable<string> words = vectors.Words.Take(WordsShown + 1).Select((word, i) => i < WordsShown ? Plain(word) : "...");
            return $"{vectors}\n  {string.Join(", ", words)}";
        }
        catch (ObjectDisposedException)
        {
            return $"{vectors}, disposed";
        }
    }
}
