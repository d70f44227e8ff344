using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;
using static System.FormattableString;
using static TorchSharp.torch;

namespace EmbeddingWrapper;

/// <summary>Checks of arguments, with PyTorch's texts where PyTorch makes the same check.</summary>
internal static class Guard
{
    public const string PaddingText = "Padding_idx must be within num_embeddings", BagPaddingText = "padding_idx must be within num_embeddings";
    private const string IndexText = "index out of range in self";
    private const string BagIndexText = "embedding_bag: Expected idx >= 0 && idx < num_embeddings but found idx to be";

    /// <exception cref="ArgumentNullException">The tensor is null.</exception>
    /// <exception cref="ObjectDisposedException">The tensor is disposed. TorchSharp itself would report only an empty handle.</exception>
    public static void ThrowIfNullOrDisposed([NotNull] Tensor? tensor, [CallerArgumentExpression(nameof(tensor))] string argument = "")
    {
        ArgumentNullException.ThrowIfNull(tensor, argument);
        if (tensor.IsInvalid) throw Disposed(argument);
    }

    /// <summary>libtorch's own check before it writes to a whole tensor (<c>at::has_internal_overlap</c>).</summary>
    /// <exception cref="InvalidOperationException">Several elements of the tensor are one place in memory.</exception>
    public static void ThrowIfOverlapping(Tensor tensor)
    {
        if (tensor.is_contiguous() || !tensor.shape.Zip(tensor.stride()).Any(d => d is { First: > 1, Second: 0 })) return;
        throw new InvalidOperationException("unsupported operation: more than one element of the written-to tensor refers to a single "
            + "memory location. Please clone() the tensor before performing the operation.");
    }

    /// <exception cref="ArgumentException">The dtype is neither floating-point nor complex, and the tensor is to get gradients.</exception>
    public static void ThrowIfNotTrainable(ScalarType dtype, string argument)
    {
        if (!is_floating_point(dtype) && !is_complex(dtype))
            throw new ArgumentException($"Only Tensors of floating point and complex dtype can require gradients, not {dtype}.", argument);
    }

    /// <exception cref="ArgumentException">A module cannot be converted to the dtype: it is neither floating-point nor complex.</exception>
    public static void ThrowIfNotConvertible(ScalarType dtype)
    {
        if (is_floating_point(dtype) || is_complex(dtype)) return;
        throw new ArgumentException(
            $"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={PythonText.Dtype(dtype)}", nameof(dtype));
    }

    /// <exception cref="ArgumentOutOfRangeException">The number of rows or columns is negative.</exception>
    public static void ThrowIfNegative(long size, [CallerArgumentExpression(nameof(size))] string argument = "")
    {
        // .NET's own check writes the culture's minus sign.
        if (size < 0)
            throw new ArgumentOutOfRangeException(argument, size, Invariant($"{argument} ('{size}') must be a non-negative value."));
    }

    public static ObjectDisposedException Disposed(string tensor) => new(tensor, "The tensor is disposed.");

    /// <summary>PyTorch's check of a padding index. It accepts 0 for a table without rows.</summary>
    /// <returns>The index counted from the start.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The index is outside the table.</exception>
    public static long? NormalizePaddingIdx(long? paddingIdx, long rows, string argument = "paddingIdx", string text = PaddingText)
    {
        if (paddingIdx > 0 && paddingIdx >= rows || paddingIdx < 0 && paddingIdx < -rows)
            throw PaddingOutOfRange(paddingIdx.Value, rows, argument, text);
        return paddingIdx < 0 ? paddingIdx + rows : paddingIdx;
    }

    public static ArgumentOutOfRangeException PaddingOutOfRange(long paddingIdx, long rows, string argument = "paddingIdx",
        string text = PaddingText) =>
        new(argument, paddingIdx, Invariant($"{text}: {paddingIdx} is not in [{-rows}, {rows})."));

    public static InvalidOperationException PaddingOutsideWeight(long rows, Exception? cause = null) =>
        new($"{PaddingText}: the weight now has {rows} rows.", cause);

    /// <summary>Checks all indices of a look-up.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An index is outside the table.</exception>
    public static void ThrowIfIndexOutOfRange(Tensor input, Tensor weight)
    {
        if (BadIndex(input, weight) is { } error) throw error;
    }

    /// <summary>The error for the first index outside the table. Null if there is none, or if the input is not an index tensor.</summary>
    public static ArgumentOutOfRangeException? BadIndex(Tensor input, Tensor weight)
    {
        if (!IsIndexType(input.dtype) || weight.dim() != 2 || FirstBadIndex(input, weight.size(0)) is not { } bad) return null;
        return IndexOutOfRange(bad.Value, Position(bad.Position), weight.size(0), nameof(input));
    }

    public static ArgumentOutOfRangeException IndexOutOfRange(long index, string position, long rows, string argument) =>
        new(argument, index, Invariant($"{IndexText}: index {index} at position {position} is not in [0, {rows}), the rows of the table."));

    public static ArgumentOutOfRangeException BagIndexOutOfRange(long index, long[] position, long bag, long rows, string argument) =>
        new(argument, index, Invariant($"{BagIndexText} {index}: at position {Position(position)}, in bag {bag}, ")
            + Invariant($"it is not in [0, {rows}), the rows of the table."));

    public static bool IsIndexType(ScalarType dtype) => dtype is ScalarType.Int64 or ScalarType.Int32;

    private static string Position(long[] position) => $"[{string.Join(", ", position)}]";

    /// <summary>The first index outside a table of so many rows, or null. Also null if libtorch cannot compare the input.</summary>
    public static (long Value, long[] Position)? FirstBadIndex(Tensor input, long rows)
    {
        // A scalar that TorchSharp makes by itself may be freed by the garbage collector while libtorch reads it.
        using Scalar first = 0L, end = rows;
        using DisposeScope scope = NewDisposeScope();
        try
        {
            Tensor index = input.to(int64); // a table can have more rows than an int32 counts
            Tensor bad = index.lt(first).logical_or_(index.ge(end));
            if (!bad.any().to(CPU).data<bool>()[0]) return null;
            long[] position = bad.nonzero()[0].to(CPU).data<long>().ToArray();
            long value = index.masked_select(bad)[0].to(CPU).data<long>()[0];
            return (value, position);
        }
        catch (ExternalException)
        {
            return null; // the input is sparse, named, on the meta device or too large: the fault is not an index
        }
    }

    /// <summary>Whether two tensors have the same size in each dimension.</summary>
    public static bool SameShape(Tensor a, Tensor b)
    {
        int dims = (int)a.dim();
        if (b.dim() != dims) return false;
        for (int i = 0; i < dims; i++)
            if (a.size(i) != b.size(i)) return false;
        return true;
    }
}
