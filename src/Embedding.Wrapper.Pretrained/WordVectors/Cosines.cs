using System.Numerics;
using System.Runtime.CompilerServices;
using EmbeddingWrapper.Native;

namespace EmbeddingWrapper.Pretrained;

/// <summary>The cosines of a vector with the rows of a table, for vectors of any length between the smallest and the largest float32.</summary>
/// <remarks>
/// <para>
/// libtorch's <c>cosine_similarity</c> raises norms below 1e-8 to that value, its squares overflow from 1e19 on, and it makes two temporary
/// tables of the size of the table. Here the table is read once. A vector of zeros has the cosine 0 with every vector.
/// </para>
/// <para>
/// The norms of the rows are computed in the same pass and not kept. To keep them would save about a tenth of the time (4.0 ms instead of 4.6
/// for 341,479 rows of 100 on one thread), because reading the table takes most of it. They could also become wrong: a write through a span of
/// the table, or through another tensor over its memory, does not raise its version.
/// </para>
/// </remarks>
internal static unsafe class Cosines
{
    // Between these the squares and the products of single elements neither overflow nor lose digits that matter.
    private const float SmallestSquare = 1e-20f, LargestSquare = 1e30f;

    /// <summary>The cosine of two vectors.</summary>
    public static float Between(ReadOnlySpan<float> first, ReadOnlySpan<float> second)
    {
        double dot = 0;
        for (int i = 0; i < first.Length; i++) dot += (double)first[i] * second[i];
        double norms = Norm(first) * Norm(second);
        return (float)(norms == 0 ? dot : dot / norms);
    }

    /// <summary>Adds a multiple of the unit vector of a vector to a sum.</summary>
    public static void AddUnit(Span<double> sum, ReadOnlySpan<float> vector, double weight)
    {
        double norm = Norm(vector);
        if (norm == 0) return;
        for (int i = 0; i < sum.Length; i++) sum[i] += vector[i] / norm * weight;
    }

    /// <summary>The unit vector of a sum. It is zeros if the sum is.</summary>
    public static float[] Unit(ReadOnlySpan<double> sum)
    {
        double square = 0;
        foreach (double number in sum) square += number * number;
        double norm = square == 0 ? 1 : Math.Sqrt(square);
        var unit = new float[sum.Length];
        for (int i = 0; i < unit.Length; i++) unit[i] = (float)(sum[i] / norm);
        return unit;
    }

    /// <summary>The cosines of a vector of norm 1 or 0 with all rows. They are NaN for a row with an infinity or a NaN.</summary>
    /// <param name="table">The memory of the rows.</param>
    /// <param name="rows">The number of rows.</param>
    /// <param name="unit">The vector.</param>
    /// <param name="cosines">Receives the cosine for each row.</param>
    public static void Of(float* table, long rows, float[] unit, float[] cosines)
    {
        int width = unit.Length;
        ParallelRows.Run(ParallelRows.Threads(rows * width * sizeof(float)), rows, (start, end) =>
        {
            fixed (float* vector = unit)
            {
                for (long i = start; i < end; i++) cosines[i] = Cosine(vector, table + i * width, width);
            }
        });
    }

    // The squares of float32 neither overflow nor underflow in float64.
    private static double Norm(ReadOnlySpan<float> vector)
    {
        double square = 0;
        foreach (float number in vector) square += (double)number * number;
        return Math.Sqrt(square);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // tiered compilation would come after the first few hundred searches
    private static float Cosine(float* unit, float* row, int width)
    {
        Vector<float> dots = default, squares = default, moreDots = default, moreSquares = default;
        int i = 0;
        for (; i <= width - 2 * Vector<float>.Count; i += 2 * Vector<float>.Count)
        {
            Vector<float> one = *(Vector<float>*)(row + i), other = *(Vector<float>*)(row + i + Vector<float>.Count);
            dots += one * *(Vector<float>*)(unit + i);
            squares += one * one;
            moreDots += other * *(Vector<float>*)(unit + i + Vector<float>.Count);
            moreSquares += other * other;
        }
        if (i <= width - Vector<float>.Count)
        {
            Vector<float> last = *(Vector<float>*)(row + i);
            dots += last * *(Vector<float>*)(unit + i);
            squares += last * last;
            i += Vector<float>.Count;
        }
        float dot = Vector.Sum(dots + moreDots), square = Vector.Sum(squares + moreSquares);
        for (; i < width; i++)
        {
            dot += row[i] * unit[i];
            square += row[i] * row[i];
        }
        if (square is >= SmallestSquare and <= LargestSquare) return dot / MathF.Sqrt(square);
        return Between(new ReadOnlySpan<float>(unit, width), new ReadOnlySpan<float>(row, width));
    }
}
