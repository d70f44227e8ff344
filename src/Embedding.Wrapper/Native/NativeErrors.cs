using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Native;

/// <summary>The one place where libtorch's errors become .NET exceptions with PyTorch's texts.</summary>
internal static partial class NativeErrors
{
    private const string PaddingText = "Padding_idx must be within num_embeddings";
    private const string IndexText = "index out of range in self";

    /// <summary>What a failed look-up is called: the value, the limit and the place come first, libtorch's error is inside.</summary>
    public static Exception Translate(ExternalException error, Tensor input, Tensor weight)
    {
        string text = FirstLine(error);
        if (!IsIndexType(input.dtype) && text.Contains("argument #"))
            return new ArgumentException(text, nameof(input), error);
        if (input.device_type != weight.device_type || input.device_index != weight.device_index)
        {
            return new ArgumentException(
                $"The indices are on {input.device} and the weight is on {weight.device}: {text}", nameof(input), error);
        }
        if (input.is_sparse) return new ArgumentException($"The indices are a sparse tensor: {text}", nameof(input), error);
        if (text.StartsWith(PaddingText.TrimEnd('s'), StringComparison.Ordinal))
            return PaddingOutsideWeight(weight.size(0), error);
        if (IsIndexType(input.dtype) && weight.dim() == 2 && FirstBadIndex(input, weight.size(0)) is { } bad)
            return IndexOutOfRange(bad.Value, bad.Position, weight.size(0), nameof(input));
        return Translate(error);
    }

    /// <summary>An error of libtorch with nothing to add to its text.</summary>
    public static Exception Translate(ExternalException error)
    {
        string text = FirstLine(error);
        return text.Contains("can't allocate memory") || text.Contains("out of memory")
            ? new OutOfMemoryException(text, error)
            : new InvalidOperationException(text, error);
    }

    /// <exception cref="ArgumentNullException">The tensor is null.</exception>
    /// <exception cref="ObjectDisposedException">The tensor is disposed. TorchSharp says of that only that a handle is empty.</exception>
    public static void ThrowIfNullOrDisposed([NotNull] Tensor? tensor, [CallerArgumentExpression(nameof(tensor))] string argument = "")
    {
        ArgumentNullException.ThrowIfNull(tensor, argument);
        if (tensor.IsInvalid) throw Disposed(argument);
    }

    public static ObjectDisposedException Disposed(string tensor) => new(tensor, "The tensor is disposed.");

    /// <summary>
    /// libtorch looks at the indices after <c>embedding_renorm_</c> has written rows; with <c>max_norm</c> they are looked at before.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">An index is outside the table.</exception>
    public static void ThrowIfIndexOutOfRange(Tensor input, Tensor weight)
    {
        if (IsIndexType(input.dtype) && weight.dim() == 2 && FirstBadIndex(input, weight.size(0)) is { } bad)
            throw IndexOutOfRange(bad.Value, bad.Position, weight.size(0), nameof(input));
    }

    public static ArgumentOutOfRangeException IndexOutOfRange(long index, string position, long rows, string argument) =>
        new(argument, index, $"{IndexText}: index {index} at position {position} is not in [0, {rows}), the rows of the table.");

    /// <summary>PyTorch's check: the index 0 is never looked at, and a negative one counts from the end.</summary>
    /// <returns>The index counted from the start.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The index is outside the table.</exception>
    public static long? NormalizePaddingIdx(long? paddingIdx, long rows, string argument = "paddingIdx")
    {
        if (paddingIdx > 0 && paddingIdx >= rows || paddingIdx < 0 && paddingIdx < -rows)
            throw PaddingOutOfRange(paddingIdx.Value, rows, argument);
        return paddingIdx < 0 ? paddingIdx + rows : paddingIdx;
    }

    public static ArgumentOutOfRangeException PaddingOutOfRange(long paddingIdx, long rows, string argument = "paddingIdx") =>
        new(argument, paddingIdx, $"{PaddingText}: {paddingIdx} is not in [{-rows}, {rows}).");

    public static InvalidOperationException PaddingOutsideWeight(long rows, Exception? cause = null) =>
        new($"{PaddingText}: the weight now has {rows} rows.", cause);

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

    private static bool IsIndexType(ScalarType dtype) => dtype is ScalarType.Int64 or ScalarType.Int32;

    private static (long Value, string Position)? FirstBadIndex(Tensor input, long rows)
    {
        using var scope = NewDisposeScope();
        try
        {
            Tensor bad = input.lt(0).logical_or_(input.ge(rows));
            if (!bad.any().ToBoolean()) return null;
            long[] position = bad.nonzero()[0].to(CPU).data<long>().ToArray();
            long value = input.masked_select(bad)[0].to(int64).ToInt64();
            return (value, $"[{string.Join(", ", position)}]");
        }
        catch (ExternalException)
        {
            return null; // sparse, named, on the meta device, larger than the memory: what is wrong is not an index
        }
    }
}
