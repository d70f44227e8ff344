using System.Buffers;
using System.Numerics;
using System.Runtime.CompilerServices;
using EmbeddingWrapper.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper;

// Look-ups by plain numbers.
public partial class EmbeddingBag
{
    /// <summary>
    /// Writes the result of each bag into memory of the caller: no tensor, no gradients. The bits are those of this class's
    /// <see cref="forward"/>. Sums and means of a contiguous float32 or float64 table without <see cref="MaxNorm"/> are made here. For
    /// everything else libtorch makes them, in a tensor.
    /// </summary>
    /// <remarks>
    /// A derived class's own <see cref="forward"/> is not called, and neither are the hooks of <c>call</c>. Indices and offsets are read
    /// once: if another thread writes to them during the call, each row is still one of the table.
    /// </remarks>
    /// <typeparam name="T">The element type of the table.</typeparam>
    /// <param name="indices">Row numbers, each from 0 to the number of rows - 1, bag after bag.</param>
    /// <param name="offsets">
    /// Where each bag begins: the first is 0, and none is smaller than the one before. With <see cref="IncludeLastOffset"/> one more, the
    /// end of the last bag.
    /// </param>
    /// <param name="destination">Receives D numbers for each bag. Its length must be exactly that.</param>
    /// <exception cref="ArgumentOutOfRangeException">An index is outside the table. Nothing is written then.</exception>
    /// <exception cref="ArgumentException">
    /// The offsets are not those of bags, or <paramref name="destination"/> has another length or element type, or overlaps the table, the
    /// indices or the offsets.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// The table is not on the CPU, not 2-D, or sparse, or the options do not fit it or each other.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    public void Lookup<T>(ReadOnlySpan<long> indices, ReadOnlySpan<long> offsets, Span<T> destination) where T : unmanaged =>
        LookUpInto(indices, offsets, destination);

    /// <inheritdoc cref="Lookup{T}(ReadOnlySpan{long}, ReadOnlySpan{long}, Span{T})"/>
    public void Lookup<T>(ReadOnlySpan<int> indices, ReadOnlySpan<int> offsets, Span<T> destination) where T : unmanaged =>
        LookUpInto(indices, offsets, destination);

    [SkipLocalsInit]
    private unsafe void LookUpInto<TIndex, T>(ReadOnlySpan<TIndex> indices, ReadOnlySpan<TIndex> offsets, Span<T> destination)
        where TIndex : unmanaged, IBinaryInteger<TIndex>
        where T : unmanaged
    {
        _table.ThrowIfDisposed();
        using (_table.Gate.Enter())
        using (_table.Native.Gate.Enter())
        {
            Tensor weight = _table.Native.Weight;
            byte* table = TensorMemory.PlainTable(weight, out long rows, out long width, out ScalarType dtype);
            if (table == null) (rows, width, dtype) = Embedding.TableOnCpu(weight);
            _table.ThrowIfPaddingOutsideWeight();
            int bags = offsets.Length - (IncludeLastOffset ? 1 : 0), length = indices.Length;
            ThrowIfUnfit<TIndex, T>(indices, offsets, destination, bags, width, dtype);

            int numbers = length + offsets.Length + 1;
            long[]? pooled = numbers <= Embedding.IndicesOnStack ? null : ArrayPool<long>.Shared.Rent(numbers);
            Span<long> copy = (pooled ?? stackalloc long[Embedding.IndicesOnStack])[..numbers];
            Span<long> starts = copy[length..];
            for (int i = 0; i < offsets.Length; i++) starts[i] = long.CreateTruncating(offsets[i]);
            if (NativeBag.OffsetsFault(starts[..offsets.Length], length, IncludeLastOffset) is { } fault) throw fault;
            starts[bags] = length; // what follows the last bag's offset belongs to it
            CopyChecked(indices, copy[..length], starts[..bags], rows);

            bool isPlain = table != null && MaxNorm is null && Mode is EmbeddingBagMode.Sum or EmbeddingBagMode.Mean
                && (typeof(T) == typeof(float) || typeof(T) == typeof(double));
            fixed (long* index = copy)
            fixed (T* target = destination)
            {
                RowCopy.ThrowIfOverlapping(table, table == null ? 0 : rows * width * sizeof(T), target, (long)destination.Length * sizeof(T),
                    "the table");
                var bagsOf = new BagSums(index, index + length, bags, (int)width, PaddingIdx ?? -1, Mode == EmbeddingBagMode.Mean);
                if (!isPlain) ThroughLibtorch(copy[..length], starts[..bags], destination);
                else if (typeof(T) == typeof(float)) bagsOf.Write((float*)table, (float*)target);
                else bagsOf.Write((double*)table, (double*)target);
            }
            if (pooled is not null) ArrayPool<long>.Shared.Return(pooled);
        }
    }

    private static unsafe void ThrowIfUnfit<TIndex, T>(ReadOnlySpan<TIndex> indices, ReadOnlySpan<TIndex> offsets, Span<T> destination,
        int bags, long width, ScalarType dtype)
        where TIndex : unmanaged
        where T : unmanaged
    {
        if (dtype != Embedding.ElementType<T>())
            throw new ArgumentException($"The table holds {dtype}, and the destination {typeof(T).Name}.", nameof(destination));
        if (bags >= 0 && destination.Length != (Int128)bags * width)
        {
            throw new ArgumentException(
                $"{bags} bags of {width} are {(Int128)bags * width} elements, and the destination has {destination.Length}.",
                nameof(destination));
        }
        fixed (TIndex* index = indices, offset = offsets)
        fixed (T* target = destination)
        {
            long bytes = (long)destination.Length * sizeof(T);
            RowCopy.ThrowIfOverlapping(index, (long)indices.Length * sizeof(TIndex), target, bytes, "the indices");
            RowCopy.ThrowIfOverlapping(offset, (long)offsets.Length * sizeof(TIndex), target, bytes, "the offsets");
        }
    }

    /// <summary>Copies the indices and checks the copy: another thread may write to the caller's.</summary>
    private static void CopyChecked<TIndex>(ReadOnlySpan<TIndex> indices, Span<long> copy, ReadOnlySpan<long> starts, long rows)
        where TIndex : unmanaged, IBinaryInteger<TIndex>
    {
        for (int i = 0; i < indices.Length; i++)
        {
            long index = long.CreateTruncating(indices[i]);
            copy[i] = index;
            if ((ulong)index >= (ulong)rows)
                throw Guard.BagIndexOutOfRange(index, [i], NativeBag.BagOf(starts, i), rows, nameof(indices));
        }
    }

    private unsafe void ThroughLibtorch<T>(ReadOnlySpan<long> indices, ReadOnlySpan<long> starts, Span<T> destination) where T : unmanaged
    {
        using var grad = no_grad();
        using Tensor input = TensorMemory.Copy(indices, int64), offsets = TensorMemory.Copy(starts, int64);
        using Tensor output = LookUp(input, offsets, null, Options with { IncludeLastOffset = false });
        long bytes = (long)destination.Length * sizeof(T);
        fixed (T* target = destination) Buffer.MemoryCopy(TensorMemory.Address<byte>(output), target, bytes, bytes);
    }
}
