using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests;

public class LookupTests
{
    [Fact]
    public void PlainNumbersGiveRowsWithGradients()
    {
        using var embedding = Embedding.FromPretrained(Table(), freeze: false);
        using Tensor rows = embedding.Lookup(3, 1, 3);
        using (Tensor loss = rows.sum()) loss.backward();

        Assert.Equal([3L, 3L], rows.shape);
        Assert.Equal([9f, 10f, 11f, 3f, 4f, 5f, 9f, 10f, 11f], Floats(rows));
        Assert.Equal([0f, 0f, 0f, 1f, 1f, 1f, 0f, 0f, 0f, 2f, 2f, 2f], Floats(embedding.Weight.grad!));
    }

    [Fact]
    public void NoNumbersGiveAnEmptyTensor()
    {
        using var embedding = new Embedding(4, 3);
        using Tensor rows = embedding.Lookup();
        Assert.Equal([0L, 3L], rows.shape);
    }

    [Fact]
    public void IntsAndLongsInEveryFormGiveTheSameRows()
    {
        using var scope = NewDisposeScope();
        var embedding = Embedding.FromPretrained(Table());
        int[] ints = [3, 1];
        long[] longs = [3, 1];
        byte small = 3;
        long wide = 1;
        Tensor[] found =
        [
            embedding.Lookup(3, 1), embedding.Lookup(3L, 1L), embedding.Lookup(small, wide), embedding.Lookup([3, 1]), embedding.Lookup(ints),
            embedding.Lookup(longs), embedding.Lookup(ints.AsSpan()), embedding.Lookup(longs.AsSpan()),
            embedding.Lookup([(int)small, 1]), embedding.Lookup([3L, 1]), embedding.Lookup((ReadOnlySpan<int>)ints), embedding.Lookup((ReadOnlySpan<long>)longs),
        ];
        Assert.Equal([0L, 3L], embedding.Lookup([]).shape);
        Assert.All(found, rows => Assert.Equal([9f, 10f, 11f, 3f, 4f, 5f], Floats(rows)));
    }

    [Fact]
    public void ADerivedClassGetsLongsFromBoth()
    {
        using var layer = new TypeRecorder();
        layer.Lookup(1).Dispose();
        layer.Lookup(1L).Dispose();
        Assert.Equal([int64, int64], layer.Types);
    }

    private sealed class TypeRecorder() : Embedding(4, 3)
    {
        public List<ScalarType> Types { get; } = [];

        public override Tensor forward(Tensor input)
        {
            Types.Add(input.dtype);
            return base.forward(input);
        }
    }

    private static void SpanLookupEqualsForward<T>(ScalarType dtype) where T : unmanaged
    {
        using Tensor table = Table(6, 3, dtype);
        using var embedding = Embedding.FromPretrained(table);
        long[] indices = [5, 0, 5, 2];
        using Tensor input = tensor(indices);
        using Tensor expected = embedding.forward(input);
        var fromLong = new T[12];
        var fromInt = new T[12];

        embedding.Lookup(indices.AsSpan(), fromLong);
        embedding.Lookup<T>(indices.Select(i => (int)i).ToArray().AsSpan(), fromInt);

        Assert.Equal(Bits(expected), System.Runtime.InteropServices.MemoryMarshal.AsBytes(fromLong.AsSpan()).ToArray());
        Assert.Equal(fromLong, fromInt);
    }

    [Fact] public void SpanLookupEqualsForwardForFloat() => SpanLookupEqualsForward<float>(ScalarType.Float32);
    [Fact] public void SpanLookupEqualsForwardForDouble() => SpanLookupEqualsForward<double>(ScalarType.Float64);
    [Fact] public void SpanLookupEqualsForwardForHalf() => SpanLookupEqualsForward<Half>(ScalarType.Float16);
    [Fact] public void SpanLookupEqualsForwardForBFloat16() => SpanLookupEqualsForward<BFloat16>(ScalarType.BFloat16);
    [Fact] public void SpanLookupEqualsForwardForLong() => SpanLookupEqualsForward<long>(ScalarType.Int64);
    [Fact] public void SpanLookupEqualsForwardForByte() => SpanLookupEqualsForward<byte>(ScalarType.Byte);

    [Fact]
    public void ATransposedTableIsReadThroughItsStrides()
    {
        using Tensor table = Table(3, 4);
        using Tensor transposed = table.t();
        using var embedding = Embedding.FromPretrained(transposed);
        var row = new float[3];

        embedding.Lookup([1], row.AsSpan());

        Assert.Equal([1f, 5f, 9f], row);
    }

    [Fact]
    public void WithMaxNormTheTableIsRescaledAsForwardDoes()
    {
        using Tensor table = tensor(new float[,] { { 3, 4 }, { 3, 4 } });
        using var embedding = Embedding.FromPretrained(table, maxNorm: 1);
        var row = new float[2];

        embedding.Lookup([1], row.AsSpan());

        Assert.Equal([0.6f, 0.8f], row);
        Assert.Equal([3f, 4f, 0.6f, 0.8f], Floats(table));
    }

    [Theory]
    [InlineData(4)]
    [InlineData(-1)]
    [InlineData(long.MaxValue)]
    public void ABadIndexIsNamedAndNothingIsWritten(long bad)
    {
        using var embedding = new Embedding(4, 3);
        float[] destination = [7, 7, 7, 7, 7, 7];

        var error = Assert.Throws<ArgumentOutOfRangeException>(() => embedding.Lookup([0, bad], destination.AsSpan()));

        Assert.Equal("indices", error.ParamName);
        Assert.Equal(bad, error.ActualValue);
        Assert.Contains($"index out of range in self: index {bad} at position [1] is not in [0, 4)", error.Message);
        Assert.All(destination, value => Assert.Equal(7f, value));
    }

    [Fact]
    public void ADestinationOfAnotherLengthOrTypeIsRefused()
    {
        using var embedding = new Embedding(4, 3);

        var length = Assert.Throws<ArgumentException>(() => embedding.Lookup([0, 1], new float[5].AsSpan()));
        var type = Assert.Throws<ArgumentException>(() => embedding.Lookup([0], new double[3].AsSpan()));

        Assert.Contains("2 rows of 3 are 6 elements, and the destination has 5", length.Message);
        Assert.Contains("The table holds Float32, and the destination Double", type.Message);
    }

    [Fact]
    public void ATableThatIsNotOnTheCpuIsRefused()
    {
        using Tensor elsewhere = empty(4, 3, device: META);
        using var embedding = Embedding.FromPretrained(elsewhere);

        var error = Assert.Throws<InvalidOperationException>(() => embedding.Lookup([0], new float[3].AsSpan()));

        Assert.Contains("meta", error.Message);
    }

    [Fact]
    public void TheWeightIsFollowedWhereverItGoes()
    {
        using Tensor table = Table();
        using var embedding = Embedding.FromPretrained(table);
        var row = new float[3];
        embedding.Lookup([1], row.AsSpan());
        Assert.Equal([3f, 4f, 5f], row);

        using (no_grad())
        using (Tensor other = Table() * 10)
        {
            embedding.Weight.set_(other); // the same tensor now has other memory
        }
        embedding.Lookup([1], row.AsSpan());
        Assert.Equal([30f, 40f, 50f], row);

        using var assigned = new TorchSharp.Modules.Parameter(Table() + 100);
        embedding.Weight = assigned;
        embedding.Lookup([1], row.AsSpan());
        Assert.Equal([103f, 104f, 105f], row);

        embedding.to(float64);
        var doubles = new double[3];
        embedding.Lookup([1], doubles.AsSpan());
        Assert.Equal([103d, 104d, 105d], doubles);
    }

    [Fact]
    public void AnotherWeightOverTheSameMemoryIsReadByItsOwnShape()
    {
        using Tensor memory = Table(1000, 3);
        using var many = new TorchSharp.Modules.Parameter(memory.alias(), requires_grad: false);
        using var two = new TorchSharp.Modules.Parameter(memory.narrow(0, 0, 2), requires_grad: false);
        using var embedding = new Embedding(4, 3);
        var row = new float[3];
        embedding.Weight = many;
        embedding.Lookup([999], row.AsSpan());

        embedding.Weight = two;

        Assert.Throws<ArgumentOutOfRangeException>(() => embedding.Lookup([999], row.AsSpan()));
    }

    [Fact]
    public void AShapeThatIsChangedInPlaceOverTheSameMemoryIsFollowed()
    {
        using Tensor table = Table(4, 3);
        using var embedding = Embedding.FromPretrained(table);
        float[] three = new float[3], four = new float[4], twelve = new float[12];
        embedding.Lookup([3], three.AsSpan());
        Assert.Equal([9f, 10f, 11f], three);

        embedding.Weight.transpose_(0, 1);
        embedding.Lookup([2], four.AsSpan());
        Assert.Equal([2f, 5f, 8f, 11f], four);
        Assert.Throws<ArgumentOutOfRangeException>(() => embedding.Lookup([3], four.AsSpan()));
        embedding.Weight.transpose_(0, 1);
        embedding.Lookup([3], three.AsSpan());
        Assert.Equal([9f, 10f, 11f], three);

        using Tensor fewer = table.narrow(0, 0, 2), longer = table.view(1, 12), flat = table.view(12);
        using var grad = no_grad();
        embedding.Weight.set_(fewer);
        Assert.Throws<ArgumentOutOfRangeException>(() => embedding.Lookup([3], three.AsSpan()));
        embedding.Weight.set_(longer);
        embedding.Lookup([0], twelve.AsSpan());
        Assert.Equal(11f, twelve[11]);
        embedding.Weight.set_(flat);
        Assert.Throws<InvalidOperationException>(() => embedding.Lookup([3], three.AsSpan()));
    }

    [Fact]
    public void ASquareTableThatIsTransposedInPlaceIsReadThroughItsStrides()
    {
        using Tensor table = Table(2, 2);
        using var embedding = Embedding.FromPretrained(table);
        var row = new float[2];
        embedding.Lookup([1], row.AsSpan());

        embedding.Weight.transpose_(0, 1);
        embedding.Lookup([1], row.AsSpan());

        Assert.Equal([1f, 3f], row);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ATiedLayerThatConvertsIsFollowed(bool sameObject)
    {
        using Embedding first = new(4, 3), second = new(4, 3);
        using var linear = nn.Linear(3, 4);
        linear.weight = first.Weight;
        second.Weight = sameObject ? first.Weight : linear.weight!;
        var row = new float[3];
        second.Lookup([1], row.AsSpan());

        first.to(float64);

        var error = Assert.Throws<ArgumentException>(() => second.Lookup([1], row.AsSpan()));
        Assert.Contains("The table holds Float64", error.Message);
        var doubles = new double[3];
        second.Lookup([1], doubles.AsSpan());
        Assert.Equal(Array.ConvertAll(row, number => (double)number), doubles);
    }

    private sealed class Doubled(Tensor table, double? maxNorm = null) : Embedding(4, 3, maxNorm: maxNorm)
    {
        public Doubled Filled()
        {
            using var grad = no_grad();
            Weight.set_(table);
            return this;
        }

        public override Tensor forward(Tensor input)
        {
            using Tensor rows = base.forward(input);
            return rows * 2;
        }
    }

    [Fact]
    public void ADerivedForwardDoublesTheTensorAndLeavesTheSpanAlone()
    {
        using Tensor table = Table(), wide = Table(3, 4), transposed = wide.t();
        var row = new float[3];
        using Embedding plain = new Doubled(table).Filled(), limited = new Doubled(table, maxNorm: 1000).Filled();
        using Embedding strided = new Doubled(transposed).Filled();

        using (Tensor rows = plain.Lookup(1)) Assert.Equal([6f, 8f, 10f], Floats(rows));
        plain.Lookup([1], row.AsSpan());
        Assert.Equal([3f, 4f, 5f], row);
        limited.Lookup([1], row.AsSpan());
        Assert.Equal([3f, 4f, 5f], row);
        strided.Lookup([1], row.AsSpan());
        Assert.Equal([1f, 5f, 9f], row);
    }
}
