using System.Numerics;
using System.Runtime.CompilerServices;
using EmbeddingWrapper.Native;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Pretrained;

/// <summary>The cosines of a vector with the rows of a table, for vectors of any length between the smallest and the largest float32.</summary>
/// <remarks>
/// libtorch's <c>cosine_similarity</c> raises norms below 1e-8 to that value, its squares overflow from 1e19 on, and it makes two temporary
/// tables of the size of the table. Here the table is read once.
/// </remarks>
internal static unsafe class Cosines
{
    // Between these the squares and the products of single elements neither overflow nor lose digits that matter.
    private const float SmallestSquare = 1e-20f, LargestSquare = 1e30f;

    /// <summary>The cosines of row <paramref name="self"/> with all rows. They are NaN for a row with an infinity or a NaN.</summary>
    /// <param name="table">The table, two-dimensional.</param>
    /// <param name="self">The row.</param>
    public static float[] Of(Tensor table, long self)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        int width = (int)table.size(1);
        float* numbers = TensorMemory.Address<float>(table.to(float32, CPU).contiguous());
        float[] query = Normalized(numbers + self * width, width);
        var cosines = new float[table.size(0)];
        ParallelRows.Run(ParallelRows.Threads(table.numel() * sizeof(float)), cosines.Length, (start, end) =>
        {
            fixed (float* vector = query)
            {
                for (long i = start; i < end; i++) cosines[i] = Cosine(vector, numbers + i * width, width);
            }
        });
        return cosines;
    }

    private static float[] Normalized(float* vector, int width)
    {
        double square = 0;
        for (int i = 0; i < width; i++) square += (double)vector[i] * vector[i];
        double norm = square == 0 ? 1 : Math.Sqrt(square);
        var normalized = new float[width];
        for (int i = 0; i < width; i++) normalized[i] = (float)(vector[i] / norm);
        return normalized;
    }

    /// <param name="query">A vector of norm 1 or 0.</param>
    /// <param name="row">Any vector.</param>
    /// <param name="width">Their number of elements.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // tiered compilation would come after the first few hundred searches
    private static float Cosine(float* query, float* row, int width)
    {
        Vector<float> dots = default, squares = default, moreDots = default, moreSquares = default;
        int i = 0;
        for (; i <= width - 2 * Vector<float>.Count; i += 2 * Vector<float>.Count)
        {
            Vector<float> one = *(Vector<float>*)(row + i), other = *(Vector<float>*)(row + i + Vector<float>.Count);
            dots += one * *(Vector<float>*)(query + i);
            squares += one * one;
            moreDots += other * *(Vector<float>*)(query + i + Vector<float>.Count);
            moreSquares += other * other;
        }
        if (i <= width - Vector<float>.Count)
        {
            Vector<float> last = *(Vector<float>*)(row + i);
            dots += last * *(Vector<float>*)(query + i);
            squares += last * last;
            i += Vector<float>.Count;
        }
        float dot = Vector.Sum(dots + moreDots), square = Vector.Sum(squares + moreSquares);
        for (; i < width; i++)
        {
            dot += row[i] * query[i];
            square += row[i] * row[i];
        }
        return square is >= SmallestSquare and <= LargestSquare ? dot / MathF.Sqrt(square) : PreciseCosine(query, row, width);
    }

    /// <summary>The squares of float32 neither overflow nor underflow in float64.</summary>
    private static float PreciseCosine(float* query, float* row, int width)
    {
        double dot = 0, square = 0;
        for (int i = 0; i < width; i++)
        {
            dot += (double)row[i] * query[i];
            square += (double)row[i] * row[i];
        }
        return (float)(square == 0 ? dot : dot / Math.Sqrt(square));
    }
}
