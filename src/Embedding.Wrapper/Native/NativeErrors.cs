using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Native;

/// <summary>Turns libtorch's errors into .NET exceptions with PyTorch's texts.</summary>
internal static class NativeErrors
{
    private const string PaddingText = "Padding_idx must be within num_embedding"; // libtorch's own spelling

    /// <summary>The exception for a failed look-up. Its text begins with the value, the limit and the place; libtorch's error is inside.</summary>
    public static Exception Translate(ExternalException error, Tensor input, Tensor weight)
    {
        string text = FirstLine(error);
        if (IsOfAType(error))
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

    /// <summary>Whether libtorch refused the type of an argument.</summary>
    public static bool IsOfAType(ExternalException error) => FirstLine(error).StartsWith("Expected tensor for argument #", StringComparison.Ordinal);

    /// <summary>The exception for any other error of libtorch, with libtorch's text.</summary>
    public static Exception Translate(ExternalException error)
    {
        string text = FirstLine(error);
        return text.Contains("can't allocate memory") || text.Contains("out of memory")
            ? new OutOfMemoryException(text, error)
            : new InvalidOperationException(text, error);
    }

    /// <summary>The last line of a TorchScript traceback, or the first line of any other error. Type names are spelled as in Python.</summary>
    private static string FirstLine(ExternalException error)
    {
        const string interpreter = "The following operation failed in the TorchScript interpreter.";
        const string lastLine = "RuntimeError: ";
        string text = error.Message;
        if (text.StartsWith(interpreter, StringComparison.Ordinal))
            text = text[(text.LastIndexOf(lastLine, StringComparison.Ordinal) + lastLine.Length)..];
        text = text.Split('\n', 2)[0];
        return PythonText.WithTensorTypes(text);
    }
}
