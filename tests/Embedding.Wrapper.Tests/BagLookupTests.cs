using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests;

/// <summary>Bags written into a span have the bits of <c>forward</c>.</summary>
public class BagLookupTests
{
    private const long Rows = 300;

    /// <summary>Every mode, padding, ends of bags, row lengths around those of vectors, and bags from none to hundreds of rows.</summary>
    public static TheoryData<EmbeddingBagMode, int?, bool, ScalarType, int> Cases()
    {
        var cases = new TheoryData<EmbeddingBagMode, int?, bool, ScalarType, int>();
        ScalarType[] dtypes = [ScalarType.Float32, ScalarType.Float64];
        foreach (EmbeddingBagMode mode in Enum.GetValues<EmbeddingBagMode>())
            foreach (int? padding in new int?[] { null, 7 })
                foreach (bool includeLastOffset in new[] { false, true })
                    foreach (ScalarType dtype in dtypes)
                        foreach (int width in new[] { 1, 3, 8, 17, 64 })
                            cases.Add(mode, padding, includeLastOffset, dtype, width);
        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void TheBitsAreThoseOfForward(EmbeddingBagMode mode, int? padding, bool includeLastOffset, ScalarType dtype, int width)
    {
        manual_seed(width);
        using Tensor table = randn(Rows, width, dtype);
        using EmbeddingBag bag = EmbeddingBag.FromPretrained(
            table, mode: mode, paddingIdx: padding, includeLastOffset: includeLastOffset);
        long[] indices = [.. Enumerable.Range(0, 400).Select(i => (long)(i * 7919 % (i % 3 == 0 ? 10 : (int)Rows)))];
        long[] offsets = [0, 0, 1, 11, 11, 111, 390, .. includeLastOffset ? new long[] { 395 } : []];
        if (dtype == ScalarType.Float32) AssertSame<float>(bag, indices, offsets);
        else AssertSame<double>(bag, indices, offsets);
    }

    [Fact]
    public void WhatIsNotSummedHereHasTheBitsOfForwardToo()
    {
        long[] indices = [3, 1, 1, 0], offsets = [0, 1];
        using Tensor floats = Table(), doubles = Table(dtype: ScalarType.Float64);
        using Tensor halves = Table(dtype: ScalarType.Float16), brains = Table(dtype: ScalarType.BFloat16), transposed = Table(3, 4).t();
        AssertSameOf<float>(EmbeddingBag.FromPretrained(floats, maxNorm: 0.5));
        AssertSameOf<double>(EmbeddingBag.FromPretrained(doubles, mode: EmbeddingBagMode.Max));
        AssertSameOf<Half>(EmbeddingBag.FromPretrained(halves));
        AssertSameOf<BFloat16>(EmbeddingBag.FromPretrained(brains));
        AssertSameOf<float>(EmbeddingBag.FromPretrained(transposed));

        void AssertSameOf<T>(EmbeddingBag bag) where T : unmanaged
        {
            using (bag) AssertSame<T>(bag, indices, offsets);
        }
    }

    [Fact]
    public void ALookUpAllocatesNothing()
    {
        using var bag = new EmbeddingBag(100, 16);
        long[] indices = [1, 2, 3, 4, 5, 6], offsets = [0, 2, 5];
        float[] destination = new float[3 * 16];
        bag.Lookup<float>(indices, offsets, destination);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++) bag.Lookup<float>(indices, offsets, destination);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    private static void AssertSame<T>(EmbeddingBag bag, long[] indices, long[] offsets) where T : unmanaged
    {
        using Tensor input = tensor(indices), starts = tensor(offsets);
        var destination = new T[(offsets.Length - (bag.IncludeLastOffset ? 1 : 0)) * bag.EmbeddingDim];
        bag.Lookup<T>(indices, offsets, destination);
        using Tensor expected = bag.forward(input, starts);
        Assert.Equal(Bits(expected), System.Runtime.InteropServices.MemoryMarshal.AsBytes<T>(destination).ToArray());

        var again = new T[destination.Length];
        bag.Lookup<T>([.. indices.Select(index => (int)index)], [.. offsets.Select(offset => (int)offset)], again);
        Assert.Equal(destination, again);
    }
}
