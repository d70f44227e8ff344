namespace EmbeddingWrapper.Tests;

/// <summary>Named tensors, which the scenarios cannot have because PyTorch 2.14 dropped them. The texts are PyTorch 1.13.1's.</summary>
public class TensorDisplayTests
{
    [Fact]
    public void NamesOfDimensionsAreShown()
    {
        using Tensor table = Shared.Table(2, 3), named = table.rename(["rows", null]);
        Assert.Equal(
            """
            tensor([[0., 1., 2.],
                    [3., 4., 5.]], names=('rows', None))
            """.ReplaceLineEndings("\n"),
            named.Repr());
    }

    [Theory]
    [InlineData(65)]
    [InlineData(1000)]
    public void ManyDimensionsAreShown(int dimensions)
    {
        using Tensor deep = full(Enumerable.Repeat(1L, dimensions).ToArray(), 7f);
        Assert.Equal($"tensor({new string('[', dimensions)}7.{new string(']', dimensions)})", deep.Repr());
    }

    [Theory]
    [InlineData(1001)]
    [InlineData(60_000)]
    public void TooManyDimensionsAreRefused(int dimensions)
    {
        using Tensor deep = zeros(Enumerable.Repeat(1L, dimensions).ToArray());
        string message = Assert.Throws<NotSupportedException>(() => deep.Repr()).Message;
        Assert.Equal($"The tensor has {dimensions} dimensions, and 1000 is the limit of a text.", message);
    }

    [Fact]
    public void ASmallStackDoesNotEndTheProcess()
    {
        using Tensor deep = zeros(Enumerable.Repeat(1L, 1000).ToArray());
        string? text = null;
        Exception? error = null;
        var thread = new Thread(() => error = Record.Exception(() => text = deep.Repr()), maxStackSize: 256 << 10);
        thread.Start();
        thread.Join();
        Assert.True(text is { Length: > 2000 } || error is InsufficientExecutionStackException, error?.ToString());
    }

    [Fact]
    public void ALargeTensorWithNamesIsAbridgedToo()
    {
        using Tensor table = arange(1001, dtype: int64), named = table.rename(["rows"]);
        Assert.Equal("tensor([   0,    1,    2,  ...,  998,  999, 1000], names=('rows',))", named.Repr());
    }
}
