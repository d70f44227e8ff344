using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.InUse.Stress;

namespace EmbeddingWrapper.Tests.InUse;

/// <summary>Every member of a layer that reads or writes the table is called while another thread disposes or changes the layer.</summary>
public class MembersInUseTests
{
    private static readonly (string Name, Action<nn.Module> Call)[] Members =
    [
        ("load_state_dict", layer => layer.load_state_dict(Given.State)),
        ("load", layer => layer.load(new MemoryStream(Given.SavedTable))),
        ("state_dict", layer => Assert.InRange(layer.state_dict().Count, 0, 1)),
        ("parameters", layer => Assert.InRange(layer.parameters().Count(), 0, 1)),
        ("named_parameters", layer => Assert.InRange(layer.named_parameters().Count(), 0, 1)),
        ("get_parameter", layer => layer.get_parameter("weight")),
        ("modules", layer => Assert.Empty(layer.children())),
        ("train", layer => layer.train()),
        ("zero_grad", layer => layer.zero_grad()),
        ("to", layer => layer.to(float32)),
        ("ToString", layer => Assert.Contains("600000, 16", layer.ToString())),
        ("ResetParameters", layer =>
        {
            if (layer is Embedding table) table.ResetParameters();
            else ((EmbeddingBag)layer).ResetParameters();
        }),
        ("forward", layer =>
        {
            using Tensor found = layer is Embedding table ? table.forward(Given.Indices) : ((EmbeddingBag)layer).forward(Given.Bags);
        }),
        ("Lookup", layer =>
        {
            if (layer is Embedding table) table.Lookup([1, 2], new float[2 * Width].AsSpan());
            else ((EmbeddingBag)layer).Lookup([1, 2], [0L], new float[Width].AsSpan());
        }),
    ];

    private static readonly (string Name, Action<nn.Module> Call)[] UsersOfTheWeight =
    [
        ("Functional", layer =>
        {
            using Tensor found = layer is Embedding table
                ? Functional.Embedding(Given.Indices, table.Weight) : Functional.EmbeddingBag(Given.Bags, ((EmbeddingBag)layer).Weight);
        }),
        ("load_state_dict of another layer", layer =>
        {
            Dictionary<string, Tensor> state = layer.state_dict();
            if (state.Count > 0) Given.Another.load_state_dict(state);
        }),
    ];

    [Fact]
    public void ALayerIsDisposed() => Apart(() => WhileCalled(Members, layer => layer.Dispose()));

    [Fact]
    public void ALayerIsConvertedAndDisposedWhileOthersUseItsWeight() => Apart(() => WhileCalled(UsersOfTheWeight, layer =>
    {
        layer.to(float64);
        layer.Dispose();
    }));

    [Fact]
    public void AnotherWeightIsAssigned() => Apart(() => WhileCalled(Members, layer =>
    {
        for (int i = 0; i < 10; i++)
        {
            if (layer is Embedding table) table.Weight = new Parameter(ones(Rows, Width));
            else ((EmbeddingBag)layer).Weight = new Parameter(ones(Rows, Width));
        }
        layer.Dispose();
    }));

    [Fact]
    public void TheLayerIsConverted() => Apart(() => WhileCalled(
        Members,
        layer =>
        {
            for (int i = 0; i < 10; i++) layer.to(i % 2 == 0 ? float64 : float32);
        },
        typeof(ArgumentException))); // a destination or a file has the wrong dtype after a conversion

    private static void WhileCalled(
        (string Name, Action<nn.Module> Call)[] members, Action<nn.Module> interfere, params Type[] allowed) => WhileInUse(
        () =>
        {
            using Tensor table = ones(Rows, Width);
            nn.Module layer = s_rounds++ % 2 == 0
                ? Embedding.FromPretrained(table, freeze: false) : EmbeddingBag.FromPretrained(table, freeze: false);
            return (random =>
            {
                (string name, Action<nn.Module> call) = members[random.Next(members.Length)];
                try
                {
                    call(layer);
                }
                catch (Exception error) when (error is not ObjectDisposedException && !allowed.Contains(error.GetType()))
                {
                    throw new InvalidOperationException($"{name} of {layer.GetType().Name}", error);
                }
            }, () => interfere(layer), layer.Dispose);
        },
        allowed);

    private static int s_rounds;

    /// <summary>Made where it is used, in the process of the test.</summary>
    private static class Given
    {
        public static readonly Embedding Another = new(Rows, Width);
        public static readonly byte[] SavedTable = Saved();
        public static readonly Dictionary<string, Tensor> State = new() { ["weight"] = ones(Rows, Width) };
        public static readonly Tensor Indices = arange(0, Rows, 100), Bags = Indices.reshape(60, 100);

        private static byte[] Saved()
        {
            using var source = new Embedding(Rows, Width);
            using var stream = new MemoryStream();
            source.save(new BinaryWriter(stream));
            return stream.ToArray();
        }
    }
}
