using EmbeddingWrapper.Optim;
using EmbeddingWrapper.Tests.Pretrained;
using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.OptimizerTests;
using static EmbeddingWrapper.Tests.Shared;
using Adagrad = EmbeddingWrapper.Optim.Adagrad;
using SGD = EmbeddingWrapper.Optim.SGD;

namespace EmbeddingWrapper.Tests;

/// <summary>State files: a file that the optimizer did not write is refused, and nothing is changed.</summary>
public class OptimizerFileTests
{
    /// <summary>How a caller loads: by the optimizer's own type, or by TorchSharp's base class, whose methods are not virtual.</summary>
    public enum Through { Own, TorchSharps }

    private static byte[] Save(OptimizerHelper optimizer)
    {
        using var stream = new MemoryStream();
        using (var writer = new BinaryWriter(stream)) optimizer.save_state_dict(writer);
        return stream.ToArray();
    }

    private static void Load(OptimizerHelper optimizer, byte[] file, Through through = Through.TorchSharps)
    {
        using var reader = new BinaryReader(new MemoryStream(file));
        if (through == Through.Own) ((SparseOptimizer)optimizer).load_state_dict(reader);
        else optimizer.load_state_dict(reader);
    }

    /// <summary>Two tables in two groups, after some steps.</summary>
    private static SparseOptimizer Trained(
        Kind kind, double lr = 0.1, ScalarType dtype = ScalarType.Float32, long rows = 4, int groups = 2, int steps = 2)
    {
        Parameter[] tables = [.. Enumerable.Range(0, 2).Select(_ => new Parameter(Table(rows, dtype: dtype)))];
        IEnumerable<Parameter[]> grouped = groups == 1 ? [tables] : tables.Chunk(1);
        SparseOptimizer optimizer = kind switch
        {
            Kind.SparseAdam => new SparseAdam(grouped.Select(group => new SparseAdam.ParamGroup(group)), lr, eps: lr / 10),
            Kind.Adagrad => new Adagrad(grouped.Select(group => new Adagrad.ParamGroup(group)), lr, lrDecay: lr / 10),
            _ => new SGD(grouped.Select(group => new SGD.ParamGroup(group)), lr, momentum: lr / 10),
        };
        for (int step = 0; step < steps; step++)
        {
            using Tensor index = tensor(new long[,] { { step, 3 } }), values = ones(2, 3, dtype);
            foreach (Parameter table in tables) table.grad = sparse_coo_tensor(index, values, table.shape);
            optimizer.step();
        }
        return optimizer;
    }

    /// <summary>Everything that a file holds, as a file.</summary>
    private static string Content(SparseOptimizer optimizer) => Convert.ToHexString(Save(optimizer));

    [Theory]
    [InlineData(Kind.SparseAdam, Through.Own)]
    [InlineData(Kind.SparseAdam, Through.TorchSharps)]
    [InlineData(Kind.Adagrad, Through.Own)]
    [InlineData(Kind.Adagrad, Through.TorchSharps)]
    [InlineData(Kind.SGD, Through.Own)]
    [InlineData(Kind.SGD, Through.TorchSharps)]
    public void AFileHoldsEverything(Kind kind, Through through)
    {
        using SparseOptimizer from = Trained(kind), to = Trained(kind, lr: 7, steps: 1);
        Load(to, Save(from), through);
        Assert.Equal(Content(from), Content(to));
        Assert.Equal([0.1, 0.1], to.ParamGroups.Select(group => group.LearningRate));
    }

    [Fact]
    public void AFileBeforeTheFirstStepBringsThatStateBack()
    {
        using SparseOptimizer fresh = Trained(Kind.SparseAdam, steps: 0), trained = Trained(Kind.SparseAdam);
        Load(trained, Save(fresh));
        Assert.Equal(Content(fresh), Content(trained));
    }

    [Theory]
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
    [InlineData(Kind.SGD)]
    public void AFileThatIsCutAnywhereIsRefused(Kind kind)
    {
        using SparseOptimizer from = Trained(kind), to = Trained(kind, lr: 7, steps: 1);
        byte[] file = Save(from);
        string before = Content(to);
        for (int length = 0; length < file.Length; length++)
        {
            byte[] cut = file[..length];
            Assert.Throws<InvalidDataException>(() => Load(to, cut, Through.Own));
            Exception error = Assert.ThrowsAny<Exception>(() => Load(to, cut, Through.TorchSharps));
            Assert.True(error is InvalidDataException or EndOfStreamException, $"{length}: {error}");
            Assert.Equal(before, Content(to));
        }
    }

    [Theory]
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
    [InlineData(Kind.SGD)]
    public void AFileWithAnyByteChangedIsRefused(Kind kind)
    {
        using SparseOptimizer from = Trained(kind), to = Trained(kind, lr: 7, steps: 1);
        byte[] file = Save(from);
        string before = Content(to);
        for (int at = 0; at < file.Length; at++)
        {
            foreach (byte change in new byte[] { 0x01, 0x80, 0xff })
            {
                byte[] changed = [.. file];
                changed[at] ^= change;
                Assert.Throws<InvalidDataException>(() => Load(to, changed, Through.Own));
                Assert.ThrowsAny<Exception>(() => Load(to, changed, Through.TorchSharps));
                Assert.Equal(before, Content(to));
            }
        }
    }

    public static IEnumerable<TheoryDataRow<Kind, string>> Others =>
        from kind in Enum.GetValues<Kind>()
        from other in new[] { "TorchSharp's Adagrad", "TorchSharp's Adam", "TorchSharp's SGD", "the other one", "nothing", "zeros", "text" }
        select new TheoryDataRow<Kind, string>(kind, other);

    [Theory]
    [MemberData(nameof(Others))]
    public void AnotherFileIsRefused(Kind kind, string other)
    {
        using SparseOptimizer to = Trained(kind, lr: 7, steps: 1);
        string before = Content(to);
        foreach (int count in new[] { 1, 2, 3 })
        {
            Parameter[] parameters = [.. Enumerable.Range(0, count).Select(_ => new Parameter(Table()))];
            byte[] file = other switch
            {
                "TorchSharp's Adagrad" => Save(optim.Adagrad(parameters)),
                "TorchSharp's Adam" => Save(optim.Adam(parameters)),
                "TorchSharp's SGD" => Save(optim.SGD(parameters, 0.1, momentum: 0.9)),
                "the other one" => Save(Trained(kind == Kind.Adagrad ? Kind.SparseAdam : Kind.Adagrad)),
                "nothing" => [],
                "zeros" => new byte[10_000],
                _ => System.Text.Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("not a state file\n", 1000))),
            };
            foreach (string name in new[] { "", to.GetType().Name }) // the file, and the file with the name that TorchSharp looks at
            {
                byte[] start = name.Length > 0 ? [(byte)name.Length, .. System.Text.Encoding.UTF8.GetBytes(name), 2, 2] : [], named = [.. start, .. file];
                Assert.Throws<InvalidDataException>(() => Load(to, named, Through.Own));
                Assert.ThrowsAny<Exception>(() => Load(to, named, Through.TorchSharps));
                Assert.Equal(before, Content(to));
            }
        }
    }

    [Theory]
    [InlineData(Kind.SparseAdam, "the number of groups is", 1, 4, ScalarType.Float32)]
    [InlineData(Kind.Adagrad, "the parameter 0 is Float32 [5, 3], and Float32 [4, 3] is needed", 2, 5, ScalarType.Float32)]
    [InlineData(Kind.SparseAdam, "the parameter 0 is Float32 [400, 3], and Float32 [4, 3] is needed", 2, 400, ScalarType.Float32)]
    [InlineData(Kind.SparseAdam, "the parameter 0 is Float64 [4, 3], and Float32 [4, 3] is needed", 2, 4, ScalarType.Float64)]
    [InlineData(Kind.Adagrad, "the parameter 0 is Float16 [4, 3], and Float32 [4, 3] is needed", 2, 4, ScalarType.Float16)]
    public void AFileOfOtherGroupsShapesOrDtypesIsRefused(Kind kind, string text, int groups, long rows, ScalarType dtype)
    {
        using SparseOptimizer from = Trained(kind, 0.5, dtype, rows, groups), to = Trained(kind, lr: 7, steps: 1);
        string before = Content(to);
        var error = Assert.Throws<InvalidDataException>(() => Load(to, Save(from), Through.Own));
        if (groups == 2) Assert.Contains(text, error.Message);
        Assert.Equal(before, Content(to));
    }

    [Fact]
    public void AFileOfAHugeTableAllocatesNothing()
    {
        using var huge = new Parameter(zeros(1, 1).expand(1L << 40, 1L << 20)); // 2^60 elements
        using var small = new Parameter(zeros(1, 1));
        using SparseAdam from = new([huge]), to = new([small]);
        byte[] file = Save(from);
        long before = LiveTensors();
        var error = Assert.Throws<InvalidDataException>(() => Load(to, file));
        Assert.Contains("Float32 [1099511627776, 1048576]", error.Message);
        Assert.Equal(before, TorchSharp.torch.Tensor.TotalCount);
    }

    [Fact]
    public void ManyOptimizersShareAStream()
    {
        using SparseOptimizer first = Trained(Kind.SparseAdam), second = Trained(Kind.SparseAdam, lr: 0.5), third = Trained(Kind.Adagrad);
        using var stream = new MemoryStream();
        var writer = new BinaryWriter(stream);
        foreach (OptimizerHelper each in new[] { first, second, third }) each.save_state_dict(writer);
        string[] expected = [Content(first), Content(second), Content(third)];

        stream.Position = 0;
        var reader = new BinaryReader(stream);
        using SparseOptimizer a = Trained(Kind.SparseAdam, lr: 7), b = Trained(Kind.SparseAdam, lr: 7), c = Trained(Kind.Adagrad, lr: 7);
        foreach (OptimizerHelper each in new[] { a, b, c }) each.load_state_dict(reader);

        Assert.Equal(expected, new[] { Content(a), Content(b), Content(c) });
    }

    [Fact]
    public void SavingReplacesAFileOnlyWhenTheNewOneIsComplete()
    {
        using var folder = new TestFolder();
        string path = folder.Write("state", "what was here");
        using SparseOptimizer optimizer = Trained(Kind.Adagrad), other = Trained(Kind.Adagrad, lr: 7);
        ((Adagrad.Options)optimizer.state_dict().Options[1]).eps = null;
        Assert.Throws<InvalidOperationException>(() => optimizer.save_state_dict(path));
        Assert.Equal("what was here", File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFiles(Path.GetDirectoryName(path)!));

        ((Adagrad.Options)optimizer.state_dict().Options[1]).eps = 1;
        optimizer.save_state_dict(path);
        other.load_state_dict(path);
        Assert.Equal(Content(optimizer), Content(other));
    }

    /// <summary>The first options then come again among the records, and must not write or read everything a second time.</summary>
    [Fact]
    public void GroupsThatShareTheirOptionsAreSavedOnce()
    {
        var options = new Adagrad.Options();
        Parameter[] tables = [new(Table(4)), new(Table(2))];
        using var shared = new Adagrad(tables.Select(table => new Adagrad.ParamGroup([table], options)));
        using var separate = new Adagrad(tables.Select(table => new Adagrad.ParamGroup([table])));
        Assert.Equal(Save(separate).Length, Save(shared).Length);
        separate.StateOf(tables[1]).step = 7;
        Assert.All([Through.Own, Through.TorchSharps], through =>
        {
            shared.StateOf(tables[1]).step = 0;
            Load(shared, Save(separate), through);
            Assert.Equal(7, shared.StateOf(tables[1]).step);
        });
    }

    [Fact]
    public void SavingFollowsALinkAndRefusesADevice()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "links and devices as Linux has them");
        using var folder = new TestFolder();
        using SparseOptimizer optimizer = Trained(Kind.Adagrad);
        string target = folder.Write("target", "old"), link = Path.Combine(Path.GetDirectoryName(target)!, "link");
        File.CreateSymbolicLink(link, target);
        optimizer.save_state_dict(link);
        Assert.Equal(target, new FileInfo(link).LinkTarget);
        optimizer.load_state_dict(target);

        string device = Path.Combine(Path.GetDirectoryName(target)!, "null");
        File.CreateSymbolicLink(device, "/dev/null");
        var error = Assert.Throws<IOException>(() => optimizer.save_state_dict(device));
        Assert.Equal($"{device} is a device, not a regular file.", error.Message);
        Assert.Equal("/dev/null", new FileInfo(device).LinkTarget);
    }
}
