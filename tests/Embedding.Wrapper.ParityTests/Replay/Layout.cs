using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Replay;

/// <summary>Puts values into another memory layout, or makes a kind of tensor that a golden cannot write out.</summary>
internal static class Layout
{
    /// <summary>Fills the memory between the elements of a spaced-out tensor, where a reader that ignores strides would find it.</summary>
    private const int Filler = 113;

    public static Tensor Of(Tensor plain, string? layout) => layout switch
    {
        null => plain,
        "transposed" => plain.transpose(-1, -2).contiguous().transpose(-1, -2),
        "strided" => Strided(plain),
        "expanded" => plain.narrow(0, 0, Math.Min(1, plain.size(0))).clone().expand(plain.shape),
        "expanded_columns" => plain.narrow(-1, 0, Math.Min(1, plain.size(-1))).clone().expand(plain.shape),
        "narrowed" => Narrowed(plain),
        "complex" => view_as_complex(plain),
        "meta" => plain.to(META),
        _ => throw new GoldenFormatException($"No layout is called '{layout}'."),
    };

    private static Tensor Strided(Tensor plain)
    {
        long width = plain.size(-1);
        Tensor wide = Filled([.. plain.shape[..^1], 2 * width], plain);
        Tensor every = wide.slice(-1, 0, 2 * width, 2);
        every.copy_(plain);
        return every;
    }

    private static Tensor Narrowed(Tensor plain)
    {
        Tensor tall = Filled([plain.size(0) + 2, .. plain.shape[1..]], plain);
        Tensor middle = tall.narrow(0, 1, plain.size(0));
        middle.copy_(plain);
        return middle;
    }

    private static Tensor Filled(long[] shape, Tensor like) => full(shape, Filler, like.dtype, like.device);
}
