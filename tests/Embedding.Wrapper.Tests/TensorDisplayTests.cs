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

    [Fact]
    public void ALargeTensorWithNamesIsAbridgedToo()
    {
        using Tensor table = arange(1001, dtype: int64), named = table.rename(["rows"]);
        Assert.Equal("tensor([   0,    1,    2,  ...,  998,  999, 1000], names=('rows',))", named.Repr());
    }
}
