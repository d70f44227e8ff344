using EmbeddingWrapper.Optim;
using EmbeddingWrapper.Pretrained;
using EmbeddingWrapper.Tests.Pretrained;
using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests.BadInput;

/// <summary>
/// An optimizer in the middle of its work, with two tables in one group. A call spoils the second table; the first shows whether the
/// call changed anything.
/// </summary>
internal sealed record Trained(SparseOptimizer Optimizer, Embedding Good, Embedding Bad)
{
    public static Trained With(Func<Parameter[], SparseOptimizer> make, bool sparse = true)
    {
        Embedding good = Embedding.FromPretrained(Table(), freeze: false, sparse: sparse);
        Embedding bad = Embedding.FromPretrained(Table(), freeze: false, sparse: sparse);
        var trained = new Trained(make([good.Weight, bad.Weight]), good, bad);
        trained.Backward();
        trained.Optimizer.step();
        trained.State = trained.Optimizer.state_dict().State[0];
        trained.Options = trained.Optimizer.state_dict().Options[0];
        trained.Optimizer.zero_grad();
        trained.Backward();
        return trained;
    }

    /// <summary>The optimizer's state for the first table.</summary>
    public OptimizerState State { get; private set; } = null!;

    public OptimizerOptions Options { get; private set; } = null!;

    public ParamGroup Group => (ParamGroup)Optimizer.ParamGroups.First();

    /// <summary>Sets the gradient of the second table, which TorchSharp allows, and takes a step.</summary>
    public void StepWith(Tensor gradient)
    {
        Bad.Weight.grad = gradient;
        Optimizer.step();
    }

    /// <summary>Gives the second table other memory, in place, and takes a step.</summary>
    public void StepOver(Tensor memory)
    {
        using (no_grad()) Bad.Weight.set_(memory);
        Optimizer.step();
    }

    /// <summary>A sparse gradient of one entry for a table of 4 rows of 3.</summary>
    public static Tensor Sparse(long row, ScalarType dtype = ScalarType.Float32, long rows = 4, long width = 3)
    {
        using Tensor index = tensor(new[,] { { row } });
        using Tensor values = ones(1, width, dtype);
        return sparse_coo_tensor(index, values, [rows, width]);
    }

    public IEnumerable<byte[]> Snapshot() => State switch
    {
        SparseAdam.State s => [Bits(Good.Weight), BitConverter.GetBytes(s.step), Bits(s.exp_avg), Bits(s.exp_avg_sq)],
        Optim.SGD.State s => [Bits(Good.Weight), BitConverter.GetBytes(s.StepCount()), .. Entries(s.momentum_buffer!)],
        _ => [Bits(Good.Weight), BitConverter.GetBytes(((Optim.Adagrad.State)State).step), Bits(((Optim.Adagrad.State)State).sum)],
    };

    private static IEnumerable<byte[]> Entries(Tensor momentum)
    {
        if (!momentum.is_sparse) return [Bits(momentum)];
        using Tensor indices = momentum.SparseIndices, values = momentum.SparseValues;
        return [Bits(indices), Bits(values)];
    }

    private void Backward()
    {
        foreach (Embedding table in new[] { Good, Bad })
        {
            using Tensor rows = table.Lookup(1, 2);
            using Tensor loss = rows.sum();
            loss.backward();
        }
    }
}

/// <summary>The objects that the bad calls are made on. No bad call may change them.</summary>
internal sealed class World : IDisposable
{
    public World()
    {
        Layer = Embedding.FromPretrained(Table(), freeze: false);
        Normed = Embedding.FromPretrained(Table(), maxNorm: 0.5);
        Checked = Embedding.FromPretrained(Table());
        Checked.CheckIndices = true;
        Bag = EmbeddingBag.FromPretrained(Table(), freeze: false);
        NormedBag = EmbeddingBag.FromPretrained(Table(), maxNorm: 0.5, mode: EmbeddingBagMode.Sum);
        PaddedBag = new EmbeddingBag(4, 3, paddingIdx: 3);
        Elsewhere = Embedding.FromPretrained(zeros(4, 3, device: META));
        Dead = zeros(4, 3);
        Dead.Dispose();
        DeadParameter = new Parameter(zeros(4, 3));
        DeadParameter.Dispose();
        Few = new Parameter(ones(2, 3));
        PaddedBag.Weight = Few;
        Padded = new Embedding(4, 3, paddingIdx: 3) { Weight = Few };
        PaddedNormed = new Embedding(4, 3, paddingIdx: 3, maxNorm: 0.5) { Weight = Few };
        Sparse = Embedding.FromPretrained(Table().to_sparse());
        Named = Embedding.FromPretrained(Table().rename(["rows", "columns"]));
        Overlapping = Embedding.FromPretrained(zeros(1, 3).expand(4, 3));
        Wide = Embedding.FromPretrained(zeros(1, 1).expand(1, 1L << 62));
        Longs = Embedding.FromPretrained(full([4, 2], 1L << 40, int64));
        Square = Embedding.FromPretrained(Table(3, 3));
        SparseParameter = new Parameter(Table().to_sparse());
        ComplexParameter = new Parameter(zeros(2, 3, ScalarType.ComplexFloat32));
        NonLeaf = new Parameter((Layer.Weight * 2).alias());
        Adam = Trained.With(parameters => new SparseAdam(parameters, 0.1));
        Adagrad = Trained.With(parameters => new Optim.Adagrad(parameters, 0.1));
        Sgd = Trained.With(parameters => new Optim.SGD(parameters, 0.1, momentum: 0.5));
        DenseSgd = Trained.With(parameters => new Optim.SGD(parameters, 0.1, momentum: 0.5, nesterov: true), sparse: false);
        DenseAdagrad = Trained.With(parameters => new Optim.Adagrad(parameters, 0.1), sparse: false);
        using (Tensor table = Table()) SafeTensorsFile.Save(this["table"], new Dictionary<string, Tensor> { ["table"] = table });
        File = SafeTensorsFile.Open(this["table"]);
        Words = TestVectors.Load(Folder.Write("words.txt", "north 0 1\neast 2 0\nsouth 0 -3\n"));
    }

    public Embedding Layer { get; }

    public Embedding Normed { get; }

    public Embedding Checked { get; }

    public EmbeddingBag Bag { get; }

    /// <summary>Sums, with a maximal norm.</summary>
    public EmbeddingBag NormedBag { get; }

    /// <summary>The weight was replaced by <see cref="Few"/>, which lacks the padding row.</summary>
    public EmbeddingBag PaddedBag { get; }

    /// <summary>On the meta device.</summary>
    public Embedding Elsewhere { get; }

    /// <summary>The weight was replaced by <see cref="Few"/>, which lacks the padding row.</summary>
    public Embedding Padded { get; }

    public Embedding PaddedNormed { get; }

    public Embedding Sparse { get; }

    public Embedding Named { get; }

    /// <summary>All rows share one memory.</summary>
    public Embedding Overlapping { get; }

    /// <summary>2^62 columns that share one memory.</summary>
    public Embedding Wide { get; }

    /// <summary>A table of large int64 numbers.</summary>
    public Embedding Longs { get; }

    public Embedding Square { get; }

    public Tensor Dead { get; }

    public Parameter DeadParameter { get; }

    /// <summary>Two rows.</summary>
    public Parameter Few { get; }

    public Parameter SparseParameter { get; }

    public Parameter ComplexParameter { get; }

    /// <summary>A computed tensor that was made a parameter.</summary>
    public Parameter NonLeaf { get; }

    public Trained Adam { get; }

    public Trained Adagrad { get; }

    public Trained DenseAdagrad { get; }

    public Trained Sgd { get; }

    /// <summary>With nesterov.</summary>
    public Trained DenseSgd { get; }

    public SafeTensorsFile File { get; }

    public WordVectors Words { get; }

    public string this[string file] => Folder[file];

    private TestFolder Folder { get; } = new();

    public byte[][] Snapshot() =>
    [
        Bits(Layer.Weight), Bits(Normed.Weight), Bits(Checked.Weight), Bits(Bag.Weight), Bits(NormedBag.Weight), Bits(Few), Bits(Square.Weight), Bits(Overlapping.Weight),
        .. Adam.Snapshot(), .. Adagrad.Snapshot(), .. DenseAdagrad.Snapshot(), .. Sgd.Snapshot(), .. DenseSgd.Snapshot(),
        .. Folder.Files.Select(file => System.Text.Encoding.UTF8.GetBytes(file)),
        .. Folder.Files.Select(file => System.IO.File.ReadAllBytes(this[file])),
    ];

    public void Dispose()
    {
        foreach (Trained trained in new[] { Adam, Adagrad, DenseAdagrad, Sgd, DenseSgd })
        {
            trained.Optimizer.Dispose();
            trained.Good.Dispose();
            trained.Bad.Dispose();
        }
        IDisposable[] others =
        [
            Layer, Normed, Checked, Bag, NormedBag, PaddedBag, Elsewhere, Padded, PaddedNormed, Sparse, Named, Overlapping, Wide, Longs, Square, Few, SparseParameter,
            ComplexParameter, NonLeaf, File, Words, Folder,
        ];
        foreach (IDisposable each in others) each.Dispose();
    }
}
