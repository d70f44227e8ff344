using static TorchSharp.torch;

namespace EmbeddingWrapper.Pretrained;

/// <summary>An element type of the safetensors format.</summary>
/// <param name="Name">As the header spells it.</param>
/// <param name="Bits">The size of an element.</param>
/// <param name="Dtype">TorchSharp's dtype, or null if it has none.</param>
internal sealed record SafeTensorsType(string Name, int Bits, ScalarType? Dtype)
{
    /// <summary>All types, in the order in which the reference implementation (safetensors 0.8) writes tensors: the widest first.</summary>
    public static readonly SafeTensorsType[] All =
    [
        new("U64", 64, null),
        new("I64", 64, ScalarType.Int64),
        new("F64", 64, ScalarType.Float64),
        new("C64", 64, ScalarType.ComplexFloat32),
        new("F32", 32, ScalarType.Float32),
        new("U32", 32, null),
        new("I32", 32, ScalarType.Int32),
        new("BF16", 16, ScalarType.BFloat16),
        new("F16", 16, ScalarType.Float16),
        new("U16", 16, null),
        new("I16", 16, ScalarType.Int16),
        new("F8_E5M2FNUZ", 8, null),
        new("F8_E4M3FNUZ", 8, null),
        new("F8_E8M0", 8, null),
        new("F8_E4M3", 8, null),
        new("F8_E5M2", 8, null),
        new("I8", 8, ScalarType.Int8),
        new("U8", 8, ScalarType.Byte),
        new("F6_E3M2", 6, null),
        new("F6_E2M3", 6, null),
        new("F4", 4, null),
        new("BOOL", 8, ScalarType.Bool),
    ];
}
