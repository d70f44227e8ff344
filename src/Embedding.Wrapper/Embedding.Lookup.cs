using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using EmbeddingWrapper.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper;

public partial class Embedding
{
    private volatile RowCopy? _rows; // of the weight as it was at the last look-up into a span

    /// <summary>Looks rows up by plain numbers: <c>embedding.Lookup(3, 1, 4)</c>.</summary>
    /// <param name="indices">Row numbers, each from 0 to the number of rows - 1. None gives an empty tensor.</param>
    /// <returns><c>[n, D]</c>, with gradients, as <see cref="forward"/> gives it. The caller disposes it.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An index is outside the table.</exception>
    /// <exception cref="ObjectDisposedException">The layer or its weight is disposed.</exception>
    public Tensor Lookup(params ReadOnlySpan<long> indices)
    {
        using Tensor input = ToTensor(indices);
        return forward(input);
    }

    /// <summary>
    /// Copies rows of a table on the CPU into memory of the caller's: no tensor, no gradients. With <see cref="MaxNorm"/>, or a
    /// table that is not contiguous, it takes the way of <see cref="forward"/> and gives what that gives.
    /// </summary>
    /// <remarks>
    /// A weight that is assigned, moved, converted or given other memory is followed. One whose shape is changed in place over the same
    /// memory (<c>transpose_</c>) is not: to ask for the shape would take longer than to copy a row. Assign another parameter instead.
    /// </remarks>
    /// <typeparam name="T">
    /// The element type of the table: <see cref="float"/>, <see cref="double"/>, <see cref="Half"/>, <see cref="BFloat16"/>, or for
    /// integer tables theirs.
    /// </typeparam>
    /// <param name="indices">Row numbers, each from 0 to the number of rows - 1.</param>
    /// <param name="destination">Receives <c>indices.Length * D</c> numbers, row after row. Its length must be exactly that.</param>
    /// <exception cref="ArgumentOutOfRangeException">An index is outside the table. Nothing is written then.</exception>
    /// <exception cref="ArgumentException">
    /// <paramref name="destination"/> has another length or element type, or overlaps the table or the indices.
    /// </exception>
    /// <exception cref="InvalidOperationException">The table is not on the CPU, not 2-D, or sparse.</exception>
    /// <exception cref="ObjectDisposedException">The layer or its weight is disposed.</exception>
    public void Lookup<T>(ReadOnlySpan<long> indices, Span<T> destination) where T : unmanaged => CopyRows(indices, destination);

    /// <inheritdoc cref="Lookup{T}(ReadOnlySpan{long}, Span{T})"/>
    public void Lookup<T>(ReadOnlySpan<int> indices, Span<T> destination) where T : unmanaged => CopyRows(indices, destination);

    private void CopyRows<TIndex, T>(ReadOnlySpan<TIndex> indices, Span<T> destination)
        where TIndex : unmanaged, IBinaryInteger<TIndex>
        where T : unmanaged
    {
        ThrowIfDisposed();
        using (_gate.Enter())
        using (_native.Gate.Enter())
        {
            Tensor weight = _native.Weight;
            RowCopy rows = _rows is { } known && known.IsStillAt(weight) ? known : _rows = RowCopy.Of(weight, MaxNorm is null);
            Check(rows, indices, destination);
            if (rows.IsDirect)
            {
                rows.Copy(indices, destination);
                return;
            }
        }
        LookupThroughForward(indices, destination);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)] // 3 of 20 ns
    private static void Check<TIndex, T>(RowCopy rows, ReadOnlySpan<TIndex> indices, Span<T> destination)
        where TIndex : unmanaged, IBinaryInteger<TIndex>
        where T : unmanaged
    {
        if (rows.Dtype != ElementType<T>())
            throw new ArgumentException($"The table holds {rows.Dtype}, and the destination {typeof(T).Name}.", nameof(destination));
        if (destination.Length != indices.Length * rows.Width)
        {
            throw new ArgumentException(
                $"{indices.Length} rows of {rows.Width} are {indices.Length * rows.Width} elements, and the destination has {destination.Length}.",
                nameof(destination));
        }
        for (int i = 0; i < indices.Length; i++)
        {
            if (ulong.CreateTruncating(indices[i]) >= (ulong)rows.Count)
                throw Guard.IndexOutOfRange(long.CreateTruncating(indices[i]), $"[{i}]", rows.Count, nameof(indices));
        }
    }

    private void LookupThroughForward<TIndex, T>(ReadOnlySpan<TIndex> indices, Span<T> destination)
        where TIndex : unmanaged, IBinaryInteger<TIndex>
        where T : unmanaged
    {
        using var grad = no_grad();
        using Tensor input = ToTensor(indices);
        using Tensor output = forward(input);
        MemoryMarshal.Cast<byte, T>(output.bytes).CopyTo(destination);
    }

    private Tensor ToTensor<TIndex>(ReadOnlySpan<TIndex> indices) where TIndex : unmanaged, IBinaryInteger<TIndex>
    {
        var copy = new long[indices.Length];
        for (int i = 0; i < copy.Length; i++) copy[i] = long.CreateTruncating(indices[i]);
        using ReadGate.Reading life = _gate.Enter(), memory = _native.Gate.Enter();
        return tensor(copy, device: _native.Weight.device);
    }

    private static ScalarType? ElementType<T>() => default(T) switch
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
