using System.Runtime.InteropServices;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests.BadInput;

// Calls on the layer of bags and on its function.
public partial class BadInputTests
{
    private static IEnumerable<BadCall> BagCalls()
    {
        const string ctor = "EmbeddingBag.EmbeddingBag", pretrained = "EmbeddingBag.FromPretrained", load = "EmbeddingBag.load_state_dict";
        const string lookup = "EmbeddingBag.Lookup", function = "Functional.EmbeddingBag", forward = "EmbeddingBag.forward";
        return
        [
            Throws<ArgumentOutOfRangeException>(ctor, "negative rows", _ => new EmbeddingBag(-1, 3), "numEmbeddings", "-1"),
            Throws<ArgumentOutOfRangeException>(ctor, "padding index", _ => new EmbeddingBag(4, 3, paddingIdx: -5),
                "padding_idx must be within num_embeddings", "[-4, 4)"),
            Throws<ArgumentException>(ctor, "integer dtype", _ => new EmbeddingBag(4, 3, dtype: int64), "Int64", "dtype"),
            Throws<ArgumentException>(pretrained, "3-d", _ => EmbeddingBag.FromPretrained(zeros(1, 2, 3)), "expected to be 2-dimensional"),
            Throws<ArgumentException>(pretrained, "integer table, frozen", _ => EmbeddingBag.FromPretrained(Table(dtype: int64)), "Int64"),
            Throws<ObjectDisposedException>("EmbeddingBag.Weight", "disposed", world => world.Bag.Weight = world.DeadParameter, "value"),
            Throws<ArgumentException>("EmbeddingBag._to", "integer dtype", world => world.Bag.to(int64), "torch.int64"),
            Throws<InvalidOperationException>("EmbeddingBag.ResetParameters", "assigned weight without the padding row",
                world => world.PaddedBag.ResetParameters(), "the weight now has 2 rows"),
            Throws<InvalidOperationException>(load, "one row for all",
                world => world.Bag.load_state_dict(new() { ["weight"] = zeros(1, 3) }), "size mismatch for weight"),
            Throws<EndOfStreamException>("EmbeddingBag.load", "cut", world => world.Bag.load(Saved(zeros(4, 3), keep: 30))),

            .. BagInputCalls(forward, "", (world, input, offsets, factors) => world.Bag.forward(input, offsets, factors)),
            .. BagInputCalls(forward, ", max_norm", (world, input, offsets, factors) => world.NormedBag.forward(input, offsets, factors)),
            .. BagInputCalls("EmbeddingBag.call", "", (world, input, offsets, _) => world.Bag.call(input, offsets)),
            .. BagInputCalls(function, "", (world, input, offsets, factors) =>
                Functional.EmbeddingBag(input, world.Layer.Weight, offsets, perSampleWeights: factors, mode: EmbeddingBagMode.Sum)),
            .. BagInputCalls(function, ", max_norm", (world, input, offsets, factors) => Functional.EmbeddingBag(
                input, world.Layer.Weight, offsets, maxNorm: 0.5, perSampleWeights: factors, mode: EmbeddingBagMode.Sum)),
            Throws<ArgumentException>(forward, "factors of a mean",
                world => world.Bag.forward(Indices(1), Indices(0), ones(1)), "(got mode='mean')", "perSampleWeights"),
            Throws<ArgumentException>(forward, "factors of another shape",
                world => world.Bag.forward(Indices(1, 2), Indices(0), ones(1)), "torch.Size([1])", "torch.Size([2])"),
            Throws<ArgumentException>(forward, "factors of another dtype, max_norm",
                world => world.NormedBag.forward(Indices(1), Indices(0), ones(1, float64)), "'per_sample_weights'"),
            Throws<InvalidOperationException>(forward, "assigned weight without the padding row",
                world => world.PaddedBag.forward(Indices(1), Indices(0)), "-2 through 1, but got 3"),
            Throws<ArgumentException>(function, "no mode",
                world => Functional.EmbeddingBag(Indices(1), world.Layer.Weight, Indices(0), mode: (EmbeddingBagMode)7), "and it is 7"),
            Throws<ArgumentOutOfRangeException>(function, "padding index", world => Functional.EmbeddingBag(
                Indices(1), world.Layer.Weight, Indices(0), maxNorm: 0.1, paddingIdx: 4), "but got 4"),
            Throws<ArgumentException>(function, "integer weight",
                _ => Functional.EmbeddingBag(Indices(1), Table(dtype: int64), Indices(0)), "'weight'", "torch.LongTensor"),
            Throws<ObjectDisposedException>(function, "weight disposed",
                world => Functional.EmbeddingBag(Indices(1), world.Dead, Indices(0)), "weight"),

            Throws<ArgumentOutOfRangeException>(lookup, "index", world => world.Bag.Lookup([1L, 2, 9], [0L, 2], new float[6].AsSpan()),
                "found idx to be 9", "at position [2], in bag 1"),
            Throws<ArgumentException>(lookup, "offsets that decrease", world => world.Bag.Lookup([1, 2, 3], [0, 2, 1], new float[9].AsSpan()),
                "offsets[2] is 1"),
            Throws<ArgumentException>(lookup, "another length", world => world.Bag.Lookup([1L], [0L], new float[4].AsSpan()), "has 4"),
            Throws<ArgumentException>(lookup, "another type", world => world.Bag.Lookup([1L], [0L], new double[3].AsSpan()), "Double"),
            Throws<ArgumentException>(lookup, "into the table", world =>
            {
                using Tensor table = world.Bag.Weight.detach();
                world.Bag.Lookup([1L], [0L], MemoryMarshal.Cast<byte, float>(table.bytes)[..3]);
            }, "overlaps the memory of the table"),
        ];
    }

    /// <summary>Inputs that every kind of look-up of bags refuses.</summary>
    private static IEnumerable<BadCall> BagInputCalls(
        string member, string way, Func<World, Tensor, Tensor?, Tensor?, Tensor> lookUp)
    {
        return
        [
            Bad<ObjectDisposedException>("disposed", world => world.Dead, _ => Indices(0), "input"),
            Bad<ObjectDisposedException>("offsets disposed", _ => Indices(1), world => world.Dead, "offsets"),
            Bad<ArgumentException>("floats", _ => zeros(2), _ => Indices(0), "Long, Int; but got torch.FloatTensor"),
            Bad<ArgumentException>("bytes in 2-d, out of range too", _ => tensor(new byte[,] { { 1, 9 } }), _ => null,
                "Long, Int; but got torch.ByteTensor"),
            Bad<ArgumentException>("no offsets", _ => Indices(1), _ => null, "offsets has to be a 1D Tensor but got None"),
            Bad<ArgumentException>("2-d with offsets", _ => Indices(1).unsqueeze(0), _ => Indices(0), "offsets has to be None"),
            Bad<ArgumentException>("0-d", _ => tensor(1L), _ => null, "input has to be 1D or 2D Tensor"),
            Bad<ArgumentException>("bags of nothing", _ => zeros(2, 0, int64), _ => null, "step must be nonzero"),
            Bad<ArgumentException>("first offset", _ => Indices(1), _ => Indices(1), "offsets[0] has to be 0", "However, got 1"),
            Bad<ArgumentException>("last offset", _ => Indices(1), _ => Indices(0, 2), "input's length 1", "offsets[-1] of 2"),
            Bad<ArgumentException>("negative offset", _ => Indices(1, 2), _ => Indices(0, -99999999, 1), "offsets[1] is -99999999"),
            Bad<ArgumentException>("decreasing offsets", _ => Indices(1, 2, 3), _ => Indices(0, 2, 1), "offsets[2] is 1", "before is 2"),
            Bad<ArgumentException>("no bag", _ => Indices(1, 2), _ => zeros(0, int64), "There are 2 indices", "begin no bag"),
            Bad<ArgumentOutOfRangeException>("index", _ => Indices(1, 2, 3, 4), _ => Indices(0, 0, 3),
                "found idx to be 4: at position [3], in bag 2, it is not in [0, 4)"),
            Bad<ArgumentOutOfRangeException>("2-d index", _ => tensor(new[,] { { 0, 1 }, { 3, -7 } }), _ => null,
                "found idx to be -7: at position [1, 1], in bag 1"),
        ];

        BadCall Bad<TException>(string input, Func<World, Tensor> make, Func<World, Tensor?> offsets, params string[] words)
            where TException : Exception =>
            Throws<TException>(member, $"{input}{way}", world => lookUp(world, make(world), offsets(world), null), words);
    }
}
