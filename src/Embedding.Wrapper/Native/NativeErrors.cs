using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Native;

/// <summary>The one place where libtorch's errors become .NET exceptions with PyTorch's texts.</summary>
internal static partial class NativeErrors
{
    private const string PaddingText = "Padding_idx must be within num_embedding"; // libtorch's own spelling

    /// <summary>What a failed look-up is called: the value, the limit and the place come first, libtorch's error is inside.</summary>
    public static Exception Translate(ExternalException error, Tensor input, Tensor weight)
    {
        string text = FirstLine(error);
        if (!Guard.IsIndexType(input.dtype) && text.Contains("argument #"))
            return new ArgumentException(text, nameof(input), error);
        if (input.device_type != weight.device_type || input.device_index != weight.device_index)
        {
            return new ArgumentException(
                $"The indices are on {input.device} and the weight is on {weight.device}: {text}", nameof(input), error);
        }
        if (input.is_sparse) return new ArgumentException($"The indices are a sparse tensor: {text}", nameof(input), error);
        if (text.StartsWith(PaddingText, StringComparison.Ordinal))
            return Guard.PaddingOutsideWeight(weight.size(0), error);
        return Guard.BadIndex(input, weight) ?? Translate(error);
    }

    /// <summary>An error of libtorch with nothing to add to its text.</summary>
    public static Exception Translate(ExternalException error)
    {
        string text = FirstLine(error);
        return text.Contains("can't allocate memory") || text.Contains("out of memory")
            ? new OutOfMemoryException(text, error)
            : new InvalidOperationException(text, error);
    }

    /// <summary>The last line of a TorchScript traceback, the first of any other error; type names as Python spells them.</summary>
    private static string FirstLine(ExternalException error)
    {
        const string interpreter = "The following operation failed in the TorchScript interpreter.";
        const string lastLine = "RuntimeError: ";
        string text = error.Message;
        if (text.StartsWith(interpreter, StringComparison.Ordinal))
            text = text[(text.LastIndexOf(lastLine, StringComparison.Ordinal) + lastLine.Length)..];
        text = text.Split('\n', 2)[0];
        return CppTypeName().Replace(text, match => $"torch.{(match.Groups[1].Value == "CUDA" ? "cuda." : "")}{match.Groups[2]}Tensor");
    }

    [GeneratedRegex(@"\b(CPU|CUDA)(Float|Double|Half|Byte|Char|Short|Int|Long)Type\b")]
    private static partial Regex CppTypeName();
}
