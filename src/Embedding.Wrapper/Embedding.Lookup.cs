using System.Buffers;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using EmbeddingWrapper.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper;

// Look-ups by plain numbers.
public partial class Embedding
{
    /// <summary>More indices than this are copied to a pooled array instead of the stack.</summary>
    internal const int IndicesOnStack = 256;

    /// <summary>Looks rows up by plain numbers: <c>embedding.Lookup(3, 1, 4)</c>.</summary>
    /// <param name="indices">Row numbers, each from 0 to the number of rows - 1. Without any the result is an empty tensor.</param>
    /// <returns>
    /// <c>[n, D]</c>, with gradients: the result of <see cref="forward"/>, a derived class's own included. The caller disposes it.
    /// </returns>
    /// <exception cref="ArgumentOutOfRangeException">An index is outside the table.</exception>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    public Tensor Lookup(params ReadOnlySpan<long> indices)
    {
        using Tensor input = ToTensor(indices);
        return forward(input);
    }

    /// <inheritdoc cref="Lookup(ReadOnlySpan{long})"/>
    /// <remarks><see cref="forward"/> gets the indices as int64, as from the other overload.</remarks>
    [OverloadResolutionPriority(1)] // so that Lookup() compiles
    public Tensor Lookup(params ReadOnlySpan<int> indices)
    {
        var wide = new long[indices.Length];
        for (int i = 0; i < wide.Length; i++) wide[i] = indices[i];
        return Lookup(wide);
    }

    /// <summary>
    /// Copies rows of a table on the CPU into memory of the caller: no tensor, no gradients. With <see cref="MaxNorm"/>, or if the
    /// table is not contiguous, libtorch looks the rows up, with the result of this class's <see cref="forward"/>.
    /// </summary>
    /// <remarks>
    /// The rows are those of the table. A derived class's own <see cref="forward"/> is not called, and neither are the hooks of
    /// <c>call</c>. The indices are read once: if another thread writes to them during the call, each row is still one of the table.
    /// </remarks>
    /// <typeparam name="T">
    /// The element type of the table: <see cref="float"/>, <see cref="double"/>, <see cref="Half"/>, <see cref="BFloat16"/>, or the
    /// element type of an integer table.
    /// </typeparam>
    /// <param name="indices">Row numbers, each from 0 to the number of rows - 1.</param>
    /// <param name="destination">Receives <c>indices.Length * D</c> numbers, row after row. Its length must be exactly that.</param>
    /// <exception cref="ArgumentOutOfRangeException">An index is outside the table. Nothing is written then.</exception>
    /// <exception cref="ArgumentException">
    /// <paramref name="destination"/> has another length or element type, or overlaps the table or the indices.
    /// </exception>
    /// <exception cref="InvalidOperationException">The table is not on the CPU, not 2-D, or sparse.</exception>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    public void Lookup<T>(ReadOnlySpan<long> indices, Span<T> destination) where T : unmanaged => CopyRows(indices, destination);

    /// <inheritdoc cref="Lookup{T}(ReadOnlySpan{long}, Span{T})"/>
    public void Lookup<T>(ReadOnlySpan<int> indices, Span<T> destination) where T : unmanaged => CopyRows(indices, destination);

    [SkipLocalsInit]
    private unsafe void CopyRows<TIndex, T>(ReadOnlySpan<TIndex> indices, Span<T> destination)
        where TIndex : unmanaged, IBinaryInteger<TIndex>
        where T : unmanaged
    {
        _table.ThrowIfDisposed();
        using (_gate.Enter())
        using (_native.Gate.Enter())
        {
            Tensor weight = _native.Weight;
            byte* table = TensorMemory.PlainTable(weight, out long rows, out long width, out ScalarType dtype);
            if (table == null) (rows, width, dtype) = TableOnCpu(weight);
            ThrowIfUnfit<TIndex, T>(indices, destination, width, dtype);

            long[]? pooled = indices.Length <= IndicesOnStack ? null : ArrayPool<long>.Shared.Rent(indices.Length);
            Span<long> copy = (pooled ?? stackalloc long[IndicesOnStack])[..indices.Length];
            CopyChecked(indices, copy, rows);
            if (table == null || MaxNorm is not null) CopyThroughLibtorch(copy, destination);
            else RowCopy.Copy(table, rows, width, copy, destination);
            if (pooled is not null) ArrayPool<long>.Shared.Return(pooled);
        }
    }

    /// <exception cref="InvalidOperationException">The table is not on the CPU, not 2-D, or sparse.</exception>
    internal static (long Rows, long Width, ScalarType Dtype) TableOnCpu(Tensor table)
    {
        if (table.device_type != DeviceType.CPU)
            throw new InvalidOperationException($"Lookup into a span reads a table on the CPU, and this one is on {table.device}.");
        if (table.dim() != 2) throw new InvalidOperationException($"'weight' must be 2-D, and it has {table.dim()} dimensions.");
        if (table.is_sparse) throw new InvalidOperationException("Lookup into a span reads a dense table, and this one is sparse.");
        return (table.size(0), table.size(1), table.dtype);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe void ThrowIfUnfit<TIndex, T>(ReadOnlySpan<TIndex> indices, Span<T> destination, long width, ScalarType dtype)
        where TIndex : unmanaged
        where T : unmanaged
    {
        if (dtype != ElementType<T>())
            throw new ArgumentException($"The table holds {dtype}, and the destination {typeof(T).Name}.", nameof(destination));
        if (destination.Length != (Int128)indices.Length * width) // a view may be wider than a 64-bit product can say
        {
            throw new ArgumentException(
                $"{indices.Length} rows of {width} are {(Int128)indices.Length * width} elements, and the destination has {destination.Length}.",
                nameof(destination));
        }
        fixed (TIndex* memory = indices)
        fixed (T* target = destination)
            RowCopy.ThrowIfOverlapping(memory, (long)indices.Length * sizeof(TIndex), target, (long)destination.Length * sizeof(T), "the indices");
    }

    /// <summary>Copies the indices and checks the copy: another thread may write to the caller's.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void CopyChecked<TIndex>(ReadOnlySpan<TIndex> indices, Span<long> copy, long rows)
        where TIndex : unmanaged, IBinaryInteger<TIndex>
    {
        int i = typeof(TIndex) == typeof(long) ? CopyCheckedVectors(MemoryMarshal.Cast<TIndex, long>(indices), copy, (ulong)rows) : 0;
        for (; i < indices.Length; i++)
        {
            long index = long.CreateTruncating(indices[i]);
            copy[i] = index;
            if ((ulong)index >= (ulong)rows) throw Guard.IndexOutOfRange(index, $"[{i}]", rows, nameof(indices));
        }
    }

    /// <returns>How many have been copied and are in the table.</returns>
    private static int CopyCheckedVectors(ReadOnlySpan<long> indices, Span<long> copy, ulong rows)
    {
        int i = 0;
        for (var limit = new Vector<ulong>(rows); i <= indices.Length - Vector<long>.Count; i += Vector<long>.Count)
        {
            var some = new Vector<long>(indices[i..]);
            if (Vector.GreaterThanOrEqualAny(some.As<long, ulong>(), limit)) break;
            some.CopyTo(copy[i..]);
        }
        return i;
    }

    private unsafe void CopyThroughLibtorch<T>(ReadOnlySpan<long> indices, Span<T> destination) where T : unmanaged
    {
        using var grad = no_grad();
        using Tensor input = ToTensor(indices);
        using Tensor output = LookUpRows(input);
        long bytes = (long)destination.Length * sizeof(T);
        fixed (T* target = destination) Buffer.MemoryCopy(TensorMemory.Address<byte>(output), target, bytes, bytes);
    }

    private Tensor ToTensor(ReadOnlySpan<long> indices)
    {
        using ReadGate.Reading life = _gate.Enter(), memory = _native.Gate.Enter();
        Tensor copy = TensorMemory.Copy(indices, int64);
        Tensor weight = _native.Weight;
        if (weight.device_type == DeviceType.CPU) return copy;
        using (copy) return copy.to(weight.device);
    }

    internal static ScalarType? ElementType<T>() => default(T) switch
    {
        float => ScalarType.Float32,
        double => ScalarType.Float64,
        Half => ScalarType.Float16,
        BFloat16 => ScalarType.BFloat16,
        long => ScalarType.Int64,
        int => ScalarType.Int32,
        short => ScalarType.Int16,
        sbyte => ScalarType.Int8,
        byte => ScalarType.Byte,
        bool => ScalarType.Bool,
        _ => null,
    };
}
