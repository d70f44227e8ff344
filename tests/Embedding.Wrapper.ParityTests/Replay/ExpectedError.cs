using System.Runtime.InteropServices;

namespace EmbeddingWrapper.ParityTests.Replay;

/// <summary>An error that PyTorch raised, and the exception that .NET must throw for it.</summary>
internal sealed class ExpectedError(string step, string pythonText, string? dotnetText)
{
    /// <summary>
    /// The exception for each error: the step (null: any step), how PyTorch's text begins, and the exception. The first row that
    /// fits counts.
    /// </summary>
    private static readonly (string? Step, string Text, Type Exception)[] Table =
    [
        // libtorch's own errors: TorchSharp throws them, and the library never sees them
        ("backward", "", typeof(ExternalException)),
        ("grad", "", typeof(ExternalException)),
        ("op", "", typeof(ExternalException)),

        // a padding index: the caller's argument, unless the weight was replaced by one that the index does not fit
        ("forward", "Padding_idx must be within num_embeddings", typeof(InvalidOperationException)),
        (null, "Padding_idx must be within num_embeddings", typeof(ArgumentOutOfRangeException)),
        ("embedding", "index 0 is out of bounds for dimension 0 with size 0", typeof(ArgumentOutOfRangeException)),
        ("embedding", "Trying to create tensor with negative dimension", typeof(ArgumentOutOfRangeException)),

        // the same for a bag
        ("forward", "padding_idx must be within the number of embeddings", typeof(InvalidOperationException)),
        (null, "padding_idx must be within", typeof(ArgumentOutOfRangeException)),
        ("embedding_bag", "index 0 is out of bounds for dimension 0 with size 0", typeof(ArgumentOutOfRangeException)),
        ("embedding_bag", "Trying to create tensor with negative dimension", typeof(ArgumentOutOfRangeException)),

        // a layer's options, or the weight that was assigned to it
        ("forward", "max mode does not support", typeof(InvalidOperationException)),
        ("forward", "weight has to be a 2D Tensor", typeof(InvalidOperationException)),

        // the arguments of a look-up of bags
        (null, "embedding_bag: If per_sample_weights", typeof(ArgumentException)),
        (null, "embedding_bag: per_sample_weights was not None", typeof(ArgumentException)),
        (null, "max mode does not support", typeof(ArgumentException)),
        (null, "mode has to be one of", typeof(ArgumentException)),
        (null, "weight has to be a 2D Tensor", typeof(ArgumentException)),
        (null, "input has to be 1D or 2D Tensor", typeof(ArgumentException)),
        (null, "if input is 2D, then offsets has to be None", typeof(ArgumentException)),
        (null, "step must be nonzero", typeof(ArgumentException)),
        (null, "offsets", typeof(ArgumentException)),
        (null, "include_last_offset: number of offset", typeof(ArgumentException)),

        // a bad index of a bag, in the words of PyTorch's two kernels
        (null, "embedding_bag: Expected idx >= 0", typeof(ArgumentOutOfRangeException)),
        (null, "[enforce fail at embedding_lookup_idx.cc", typeof(ArgumentOutOfRangeException)),

        // a bad index, in the words of PyTorch's plain look-up, with max_norm, without rows, and without columns
        (null, "index out of range in self", typeof(ArgumentOutOfRangeException)),
        (null, "select(): index", typeof(ArgumentOutOfRangeException)),
        (null, "index_select(): self indexing axis dim should be positive", typeof(ArgumentOutOfRangeException)),
        (null, "INDICES element is out of DATA bounds", typeof(ArgumentOutOfRangeException)),

        (null, "Expected tensor for argument #", typeof(ArgumentException)),
        (null, "Embeddings parameter is expected to be 2-dimensional", typeof(ArgumentException)),
        (null, "Only Tensors of floating point and complex dtype can require gradients", typeof(ArgumentException)),
        ("to", "nn.Module.to only accepts", typeof(ArgumentException)),

        // an optimizer's options, and its parameters
        (null, "Invalid ", typeof(ArgumentOutOfRangeException)),
        (null, "Nesterov momentum requires", typeof(ArgumentException)),
        (null, "optimizer got an empty parameter list", typeof(ArgumentException)),
        (null, "can't optimize a non-leaf Tensor", typeof(ArgumentException)),
        (null, "some parameters appear in more than one parameter group", typeof(ArgumentException)),
        (null, "Sparse params at indices", typeof(ArgumentException)),

        // the state of the layer, or the gradient that an optimizer finds, does not allow the call
        (null, "", typeof(InvalidOperationException)),
    ];

    /// <returns>What is wrong with the error that .NET gave, or null.</returns>
    public string? Fault(Exception thrown)
    {
        Type expected = dotnetText == "offsets" ? typeof(ArgumentException) : Table.First(Fits).Exception;
        if (thrown.GetType() != expected) return $"{expected.Name} should be thrown and not {thrown.GetType().Name}";
        string text = dotnetText ?? pythonText;
        return thrown.Message.Contains(text, StringComparison.Ordinal)
            ? null : $"the message should hold {GoldenText.Quoted(text)}";

        bool Fits((string? Step, string Text, Type) row) =>
            (row.Step ?? step) == step && pythonText.StartsWith(row.Text, StringComparison.Ordinal);
    }

    /// <summary>
    /// Whether the error exists on the CPU only. libtorch reports a bad index only there (on CUDA a bad index ends the process's
    /// context), and these texts name types of the CPU.
    /// </summary>
    public bool IsOfTheCpu => new[] { "index", "indices", "INDICES", "torch.", "CPU" }.Any(pythonText.Contains);
}
