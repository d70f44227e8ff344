using System.Runtime.InteropServices;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests;

/// <summary>A look-up into a span checks every index, copies whole rows, and writes nothing else.</summary>
public class LookupMemoryTests
{
    [Fact]
    public void ABadIndexIsFoundAtEveryPlace()
    {
        using var embedding = new Embedding(4, 1);
        foreach (int count in new[] { 1, 7, 40, 300 }) // fewer than a vector, several vectors, more than the stack holds
        {
            for (int place = 0; place < count; place++)
            {
                foreach (int bad in new[] { 4, -1, int.MinValue, int.MaxValue })
                {
                    var numbers = new int[count];
                    numbers[place] = bad;
                    if (place + 1 < count) numbers[place + 1] = 5; // a later one, which is not reported
                    long[] longs = [.. numbers.Select(number => (long)number)];
                    var destination = new float[count];
                    Array.Fill(destination, 7);

                    var error = Assert.Throws<ArgumentOutOfRangeException>(() => embedding.Lookup(longs.AsSpan(), destination.AsSpan()));
                    var same = Assert.Throws<ArgumentOutOfRangeException>(() => embedding.Lookup(numbers.AsSpan(), destination.AsSpan()));

                    Assert.Equal((long)bad, error.ActualValue);
                    Assert.Contains($"position [{place}]", error.Message);
                    Assert.Equal(error.Message, same.Message);
                    Assert.False(destination.AsSpan().ContainsAnyExcept(7));
                }
            }
        }
    }

    [Fact]
    public void MoreThanTwoGibibytesGoThroughLibtorch()
    {
        const int width = 560_000_000;
        Assert.SkipWhen(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes < 8L << 30, "The test needs 8 GiB of memory.");
        using Tensor column = tensor(new short[] { 3, 7 }).unsqueeze(1), table = column.expand(2, width);
        using var embedding = Embedding.FromPretrained(table);
        var rows = new short[2 * width];

        embedding.Lookup([1, 0], rows.AsSpan());

        Assert.False(rows.AsSpan(0, width).ContainsAnyExcept((short)7));
        Assert.False(rows.AsSpan(width).ContainsAnyExcept((short)3));
    }

    [Fact]
    public void AnEmptyDestinationMayLieInTheTable()
    {
        using Tensor table = Table();
        using var embedding = Embedding.FromPretrained(table);
        embedding.Lookup(ReadOnlySpan<long>.Empty, MemoryMarshal.Cast<byte, float>(table.bytes).Slice(5, 0));
    }

    [Fact]
    public void ATableThatLibtorchNegatesOnTheWayIsNegatedHereToo()
    {
        using Tensor numbers = complex(zeros(2, 1), ones(2, 1)), conjugate = numbers.conj(), imaginary = conjugate.imag;
        using Tensor lazy = imaginary.narrow(0, 1, 1);
        Assert.True(lazy.is_neg() && lazy.is_contiguous());
        using var embedding = Embedding.FromPretrained(lazy);
        var row = new float[1];

        embedding.Lookup([0], row.AsSpan());

        Assert.Equal([-1f], row);
    }

    [Fact]
    public void TheDestinationMayLieBesideTheTable()
    {
        using Tensor memory = Table();
        using Tensor table = memory.narrow(0, 0, 2);
        using var embedding = Embedding.FromPretrained(table);

        embedding.Lookup([1L, 0], MemoryMarshal.Cast<byte, float>(memory.bytes)[6..]);

        Assert.Equal([0f, 1f, 2f, 3f, 4f, 5f, 3f, 4f, 5f, 0f, 1f, 2f], Floats(memory));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void LargeBatchesGiveTheSameRowsOnAnyNumberOfThreads(int threads)
    {
        int before = get_num_threads();
        set_num_threads(threads);
        try
        {
            using Tensor table = rand(20_000, 33);
            using var embedding = Embedding.FromPretrained(table);
            using Tensor input = randint(0, 20_000, [40_001]);
            using Tensor expected = embedding.forward(input);
            var rows = new float[40_001 * 33];

            embedding.Lookup(input.data<long>().ToArray().AsSpan(), rows.AsSpan());

            Assert.Equal(Bits(expected), MemoryMarshal.AsBytes(rows.AsSpan()).ToArray());
        }
        finally
        {
            set_num_threads(before);
        }
    }

    [Fact]
    public void RowsOfEveryWidthAreCopiedWholeAndNothingBesideThem()
    {
        const int before = 3; // so the destination is aligned to nothing
        long[] indices = [.. Enumerable.Range(0, 23).Select(i => i * 7L % 20)];
        for (int width = 1; width <= 200; width++)
        {
            byte[] numbers = [.. Enumerable.Range(0, 20 * width).Select(i => (byte)(i * 31 % 251))];
            using Tensor flat = tensor(numbers), table = flat.reshape(20, width);
            using var embedding = Embedding.FromPretrained(table);
            int count = indices.Length * width;
            var memory = new byte[before + count + 64];
            Array.Fill(memory, byte.MaxValue);

            embedding.Lookup(indices.AsSpan(), memory.AsSpan(before, count));

            byte[] rows = [.. indices.SelectMany(index => numbers[(int)(index * width)..(int)((index + 1) * width)])];
            Assert.Equal([.. Enumerable.Repeat(byte.MaxValue, before), .. rows, .. Enumerable.Repeat(byte.MaxValue, 64)], memory);
        }
    }
}
