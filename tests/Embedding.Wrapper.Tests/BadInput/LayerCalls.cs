using System.Runtime.InteropServices;
using System.Text;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests.BadInput;

// Calls on the layer, on the function and on the text of a tensor.
public partial class BadInputTests
{
    private static IEnumerable<BadCall> LayerCalls()
    {
        const string ctor = "Embedding.Embedding", pretrained = "Embedding.FromPretrained", weight = "Embedding.Weight";
        const string reset = "Embedding.ResetParameters", lookup = "Embedding.Lookup", load = "Embedding.load_state_dict";
        return
        [
            Throws<ArgumentOutOfRangeException>(ctor, "negative rows", _ => new Embedding(long.MinValue, 3), "numEmbeddings",
                "-9223372036854775808"),
            Throws<ArgumentOutOfRangeException>(ctor, "negative width", _ => new Embedding(3, -1), "embeddingDim", "-1"),
            Throws<ArgumentOutOfRangeException>(ctor, "rows times width overflow", _ => new Embedding(long.MaxValue, 2),
                "9223372036854775807 rows of 2 Float32 are 73786976294838206456 bytes, and 9223372036854775807 is the limit"),
            Throws<ArgumentOutOfRangeException>(ctor, "2^64 bytes", _ => new Embedding(1L << 31, 1L << 31),
                "18446744073709551616 bytes"),
            Throws<ArgumentOutOfRangeException>(ctor, "overflow on the meta device", _ => new Embedding(1L << 60, 3, device: META),
                "is the limit"),
            Throws<OutOfMemoryException>(ctor, "more than the memory", _ => new Embedding(1L << 40, 1 << 10),
                "4503599627370496 bytes"),
            Throws<ArgumentOutOfRangeException>(ctor, "padding index long.MaxValue", _ => new Embedding(4, 3, long.MaxValue),
                "Padding_idx must be within num_embeddings", "[-4, 4)"),
            Throws<ArgumentException>(ctor, "integer dtype", _ => new Embedding(4, 3, dtype: int64), "Int64", "dtype"),
            Throws<ArgumentException>(ctor, "quantized dtype", _ => new Embedding(4, 3, dtype: ScalarType.QInt8), "QInt8", "dtype"),
            Throws<ArgumentException>(ctor, "no dtype at all", _ => new Embedding(4, 3, dtype: (ScalarType)99), "99", "dtype"),

            Throws<ObjectDisposedException>(pretrained, "disposed", world => Embedding.FromPretrained(world.Dead), "embeddings"),
            Throws<ArgumentException>(pretrained, "0-d", _ => Embedding.FromPretrained(tensor(1f)), "expected to be 2-dimensional",
                "0 dimensions"),
            Throws<ArgumentException>(pretrained, "3-d", _ => Embedding.FromPretrained(zeros(1, 2, 3)), "expected to be 2-dimensional",
                "3 dimensions"),
            Throws<ArgumentException>(pretrained, "bool table to be trained",
                _ => Embedding.FromPretrained(zeros(2, 2, dtype: ScalarType.Bool), freeze: false), "Bool", "embeddings"),
            Throws<ArgumentOutOfRangeException>(pretrained, "padding index long.MinValue",
                _ => Embedding.FromPretrained(new float[2, 3], paddingIdx: long.MinValue), "Padding_idx must be within num_embeddings", "[-2, 2)"),
            Throws<ArgumentOutOfRangeException>(pretrained, "doubles, padding index",
                _ => Embedding.FromPretrained(new double[2, 3], paddingIdx: 2), "Padding_idx must be within num_embeddings", "[-2, 2)"),

            Throws<ObjectDisposedException>(weight, "disposed", world => world.Layer.Weight = world.DeadParameter, "value"),

            .. InputCalls("Embedding.forward", "", (world, input) => world.Layer.forward(input), "embedding"),
            .. InputCalls("Embedding.forward", ", checked", (world, input) => world.Checked.forward(input), "embedding"),
            .. InputCalls("Embedding.forward", ", max_norm", (world, input) => world.Normed.forward(input), "embedding_renorm_"),
            .. InputCalls("Functional.Embedding", "", (world, input) => Functional.Embedding(input, world.Layer.Weight), "embedding"),
            .. InputCalls("Functional.Embedding", ", max_norm",
                (world, input) => Functional.Embedding(input, world.Layer.Weight, maxNorm: 0.1), "embedding_renorm_"),
            Throws<ArgumentException>("Embedding.forward", "CPU indices, meta weight", world => world.Elsewhere.forward(Indices(1)),
                "The indices are on cpu and the weight is on meta"),
            Throws<InvalidOperationException>("Embedding.forward", "meta indices, meta weight",
                world => world.Elsewhere.forward(zeros(2, dtype: int64, device: META)), "Meta"),
            Throws<InvalidOperationException>("Embedding.forward", "max_norm, assigned weight without the padding row",
                world => world.PaddedNormed.forward(Indices(1)), "Padding_idx must be within num_embeddings: the weight now has 2 rows"),

            Throws<ObjectDisposedException>("Functional.Embedding", "weight disposed",
                world => Functional.Embedding(Indices(1), world.Dead), "weight"),
            Throws<InvalidOperationException>("Functional.Embedding", "weight 0-d", _ => Functional.Embedding(Indices(1), tensor(1f)),
                "'weight' must be 2-D"),
            Throws<InvalidOperationException>("Functional.Embedding", "weight 1-d", _ => Functional.Embedding(Indices(9), zeros(4)),
                "'weight' must be 2-D"),
            Throws<InvalidOperationException>("Functional.Embedding", "weight 3-d, max_norm",
                _ => Functional.Embedding(Indices(9), zeros(4, 3, 2), maxNorm: 1), "Expected 2-dimensional tensor, but got 3-dimensional"),
            Throws<InvalidOperationException>("Functional.Embedding", "integer weight, max_norm",
                _ => Functional.Embedding(Indices(1), Table(dtype: ScalarType.Int64), maxNorm: 1), "floating point or complex", "Long"),
            Throws<ArgumentOutOfRangeException>("Functional.Embedding", "padding index",
                world => Functional.Embedding(Indices(1), world.Layer.Weight, paddingIdx: -9), "-9 is not in [-4, 4)"),

            Throws<ArgumentOutOfRangeException>(lookup, "index", world => world.Layer.Lookup(1, long.MinValue), "at position [1]"),
            Throws<ArgumentOutOfRangeException>(lookup, "int index", world => world.Layer.Lookup(1, int.MinValue), "at position [1]"),
            Throws<InvalidOperationException>(lookup, "meta weight", world => world.Elsewhere.Lookup(1), "Meta"),
            Throws<ArgumentOutOfRangeException>(lookup, "int.MinValue",
                world => world.Layer.Lookup([int.MinValue], new float[3].AsSpan()), "[0, 4)"),
            Throws<ArgumentException>(lookup, "span of another type", world => world.Layer.Lookup([1L], new Guid[3].AsSpan()),
                "Float32", "Guid"),
            Throws<ArgumentException>(lookup, "span too long",
                world => world.Layer.Lookup(ReadOnlySpan<long>.Empty, new float[3].AsSpan()), "0 elements", "has 3"),
            Throws<InvalidOperationException>(lookup, "span, meta weight",
                world => world.Elsewhere.Lookup([1L], new float[3].AsSpan()), "meta"),
            Throws<InvalidOperationException>(lookup, "span, sparse table", world => world.Sparse.Lookup([1L], new float[3].AsSpan()),
                "sparse"),
            Throws<InvalidOperationException>(lookup, "span, named table", world => world.Named.Lookup([1L], new float[3].AsSpan()),
                "named tensors"),
            Throws<ArgumentException>(lookup, "span, product that overflows to 0",
                world => world.Wide.Lookup([0L, 0, 0, 0], Span<float>.Empty), $"are {(Int128)1 << 64} elements", "destination"),
            Throws<ArgumentException>(lookup, "into the table", world =>
            {
                using Tensor table = world.Layer.Weight.detach();
                world.Layer.Lookup([1L, 0], MemoryMarshal.Cast<byte, float>(table.bytes)[..6]);
            }, "overlaps the memory of the table", "destination"),
            Throws<ArgumentException>(lookup, "into the table, from its middle", world =>
            {
                using Tensor table = world.Layer.Weight.detach();
                world.Layer.Lookup([0, 1, 2], MemoryMarshal.Cast<byte, float>(table.bytes)[2..11]);
            }, "overlaps the memory of the table"),
            Throws<ArgumentException>(lookup, "into the indices", world =>
            {
                // The look-up would overwrite the indices that it reads next, and nothing checks the new ones.
                long[] memory = new long[60];
                world.Longs.Lookup<long>(memory.AsSpan(1, 30), memory);
            }, "overlaps the memory of the indices"),

            Throws<InvalidOperationException>(reset, "assigned weight without the padding row",
                world => world.Padded.ResetParameters(), "the weight now has 2 rows"),
            Throws<InvalidOperationException>(reset, "overlapping table", world => world.Overlapping.ResetParameters(),
                "more than one element of the written-to tensor refers to a single memory location"),
            Throws<InvalidOperationException>(reset, "sparse table", world => world.Sparse.ResetParameters(), "Sparse"),

            Throws<ArgumentException>("Embedding._to", "integer dtype", world => world.Layer.to(int64),
                "nn.Module.to only accepts floating point or complex dtypes, but got desired dtype=torch.int64"),
            Throws<ArgumentException>("Embedding._to", "integer dtype, with a device", world => world.Layer.to(CPU, int64),
                "nn.Module.to only accepts floating point or complex dtypes, but got desired dtype=torch.int64"),

            Throws<ArgumentException>(load, "null tensor", world => Load(world.Layer, null!), "\"weight\" is null"),
            Throws<ObjectDisposedException>(load, "disposed tensor", world => Load(world.Layer, world.Dead), "weight"),
            Throws<InvalidOperationException>(load, "0-d", world => Load(world.Layer, tensor(1f)), "size mismatch for weight",
                "torch.Size([])"),
            Throws<InvalidOperationException>(load, "one row for all", world => Load(world.Layer, zeros(1, 3)),
                "size mismatch for weight"),
            Throws<InvalidOperationException>(load, "sparse", world => Load(world.Layer, Table().to_sparse()), "sparse"),
            Throws<InvalidOperationException>(load, "meta", world => Load(world.Layer, zeros(4, 3, device: META)),
                "Cannot copy out of meta tensor"),
            Throws<InvalidOperationException>(load, "quantized",
                world => Load(world.Layer, quantize_per_tensor(Table(), 0.1, 0, ScalarType.QUInt8)), "quantized"),
            Throws<InvalidOperationException>(load, "the weight transposed", world => Load(world.Square, world.Square.Weight.t()),
                "some elements of the input tensor and the written-to tensor refer to a single memory location"),
            Throws<InvalidOperationException>(load, "into an overlapping table", world => Load(world.Overlapping, Table()),
                "more than one element of the written-to tensor"),

            Throws<EndOfStreamException>("Embedding.load", "cut", world => world.Layer.load(Saved(zeros(4, 3), keep: 30))),
            Throws<ArgumentException>("Embedding.load", "another shape", world => world.Layer.load(Saved(world.Few)), "Mismatched tensor shape"),
            Throws<ArgumentException>("Embedding.load", "another dtype", world => world.Longs.load(Saved(world.Few)), "Mismatched tensor data types"),

            Throws<ObjectDisposedException>("TensorDisplay.Repr", "disposed", world => world.Dead.Repr(), "tensor"),
            Throws<NotSupportedException>("TensorDisplay.Repr", "quantized",
                _ => quantize_per_tensor(Table(), 0.1, 0, ScalarType.QUInt8).Repr(), "QUInt8"),
        ];
    }

    /// <summary>Inputs that every kind of look-up refuses.</summary>
    private static IEnumerable<BadCall> InputCalls(string member, string way, Func<World, Tensor, Tensor> lookUp, string op)
    {
        return
        [
            Bad<ObjectDisposedException>("disposed", world => world.Dead, "input"),
            Bad<ArgumentException>("floats", _ => zeros(2), "Long, Int; but got torch.FloatTensor",
                $"while checking arguments for {op}"),
            Bad<ArgumentException>("no floats", _ => zeros(0), "Long, Int; but got torch.FloatTensor"),
            Bad<ArgumentException>("bytes", _ => zeros(2, dtype: ScalarType.Byte), "Long, Int; but got torch.ByteTensor"),
            Bad<ArgumentException>("complex", _ => zeros(2, dtype: ScalarType.ComplexFloat32),
                "Long, Int; but got CPUComplexFloatType"),
            Bad<ArgumentException>("meta", _ => zeros(2, dtype: int64, device: META),
                "The indices are on meta and the weight is on cpu"),
            Bad<ArgumentException>("sparse", _ => Indices(1, 2).to_sparse(), "The indices are a sparse tensor"),
            Bad<InvalidOperationException>("named", _ => Indices(1, 9).rename(["a"]),
                $"aten::{op} is not yet supported with named tensors"),
            Bad<ArgumentOutOfRangeException>("0-d", _ => tensor(9L),
                "index out of range in self: index 9 at position [] is not in [0, 4)"),
            Bad<ArgumentOutOfRangeException>("long.MinValue", _ => Indices(1, long.MinValue),
                "index -9223372036854775808 at position [1]"),
            Bad<ArgumentOutOfRangeException>("long.MaxValue", _ => Indices(long.MaxValue),
                "index 9223372036854775807 at position [0]"),
            Bad<ArgumentOutOfRangeException>("int.MinValue", _ => tensor(new[] { 1, int.MinValue }),
                "index -2147483648 at position [1]"),
            Bad<ArgumentOutOfRangeException>("expanded", _ => Indices(9).expand(3, 1), "index 9 at position [0, 0]"),
            Bad<OutOfMemoryException>("more than the memory", _ => Indices(1).expand(1L << 50), "can't allocate memory"),
        ];

        BadCall Bad<TException>(string input, Func<World, Tensor> make, params string[] words) where TException : Exception =>
            Throws<TException>(member, $"{input}{way}", world => lookUp(world, make(world)), words);
    }

    private static BinaryReader Saved(Tensor weight, int? keep = null)
    {
        var stream = new MemoryStream();
        using (var writer = new BinaryWriter(stream, Encoding.UTF8, leaveOpen: true))
            nn.Module.save_state_dict(writer, new() { ["weight"] = weight });
        return new BinaryReader(new MemoryStream(stream.ToArray()[..(keep ?? (int)stream.Length)]));
    }

    private static void Load(Embedding layer, Tensor tensor) => layer.load_state_dict(new() { ["weight"] = tensor });
}
