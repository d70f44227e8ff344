using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.OptimizerTests;
using static EmbeddingWrapper.Tests.Shared;
using SGD = EmbeddingWrapper.Optim.SGD;

namespace EmbeddingWrapper.Tests;

/// <summary>What only SGD does. The families own_sgd, own_sgd_limits and optimizers of the parity tests show that the numbers are PyTorch's.</summary>
public class SgdTests
{
    private static Tensor Sparse(long[] rows, Tensor values, params long[] shape)
    {
        using Tensor flat = tensor(rows), indices = flat.unsqueeze(0);
        return sparse_coo_tensor(indices, values, shape);
    }

    [Theory]
    [InlineData(1, 256)]
    [InlineData(33, 500)]
    [InlineData(64, 4096)]
    public void TheRowKernelGivesTheBitsOfLibtorchsAddition(long width, int entries)
    {
        foreach (ScalarType dtype in new[] { ScalarType.Float32, ScalarType.Float64 })
        {
            using Tensor table = randn(300, width, dtype), values = randn(entries, width, dtype), rows = randint(0, 300, [entries]);
            using Tensor expected = table.clone(), indices = rows.unsqueeze(0), gradient = sparse_coo_tensor(indices, values, [300, width]);
            using var parameter = new Parameter(table);
            using Scalar factor = -0.3;
            expected.add_(gradient, factor);

            using var optimizer = new SGD([parameter], lr: 0.3);
            parameter.grad = gradient;
            optimizer.step();

            AssertSameBits(expected, parameter);
        }
    }

    [Fact]
    public void ABufferOfUnsortedGradientsGrowsAndOneOfCoalescedGradientsDoesNot()
    {
        foreach (bool coalesce in new[] { false, true })
        {
            using var parameter = new Parameter(zeros(100, 2));
            using var optimizer = new SGD([parameter], momentum: 0.9);
            var random = new Random(1);
            for (int step = 0; step < 20; step++)
            {
                IEnumerable<long> rows = Enumerable.Range(0, 50).Select(_ => (long)random.Next(100));
                long[] all = [.. coalesce ? rows.Distinct().Order() : rows];
                using Tensor some = ones(all.Length, 2);
                parameter.grad = Sparse(all, some, 100, 2);
                optimizer.step();
            }
            using Tensor indices = optimizer.StateOf(parameter).momentum_buffer!.SparseIndices;
            Assert.True(coalesce ? indices.size(1) <= 100 : indices.size(1) > 500, $"{indices.size(1)} entries");
        }
    }

    [Fact]
    public void AStepThatIsRefusedChangesNothing()
    {
        using Embedding dense = Trainable(sparse: false), sparse = Trainable();
        using var optimizer = new SGD([dense.Weight, sparse.Weight], momentum: 0.9);
        Backward(dense, 1);
        Backward(sparse, 1);
        optimizer.step();
        using Tensor gradient = ones(4, 3);
        sparse.Weight.grad = gradient; // a dense gradient cannot be added to the sparse buffer
        byte[] before = Bits(dense.Weight), buffer = Bits(optimizer.StateOf(dense.Weight).momentum_buffer!);
        using Tensor entries = optimizer.StateOf(sparse.Weight).momentum_buffer!.SparseValues;
        byte[] entriesBefore = Bits(entries);

        var error = Assert.Throws<InvalidOperationException>(() => optimizer.step());

        Assert.Equal("add(sparse, dense) is not supported. Use add(dense, sparse) instead.", error.Message);
        Assert.Equal(before, Bits(dense.Weight));
        Assert.Equal(buffer, Bits(optimizer.StateOf(dense.Weight).momentum_buffer!));
        using Tensor after = optimizer.StateOf(sparse.Weight).momentum_buffer!.SparseValues;
        Assert.Equal(entriesBefore, Bits(after));
    }

    [Fact]
    public void ABufferMayBeSetAndDropped()
    {
        using var parameter = new Parameter(ones(2, 1));
        using var optimizer = new SGD([parameter], lr: 1, momentum: 0.5);
        SGD.State state = optimizer.StateOf(parameter);
        Assert.Null(state.momentum_buffer);
        using Tensor one = ones(2, 1), values = full([1, 1], 4f), sparse = Sparse([1], values, 2, 1);
        parameter.grad = one;
        state.momentum_buffer = full([2, 1], 2.0, float64);
        optimizer.step(); // 0.5 * 2 + 1
        Assert.Equal([-1f, -1f], Floats(parameter));

        state.momentum_buffer = null;
        optimizer.step(); // a new buffer: 1
        Assert.Equal([-2f, -2f], Floats(parameter));

        state.momentum_buffer = sparse;
        Assert.True(state.momentum_buffer!.is_sparse);
        using Tensor first = ones(1, 1);
        parameter.grad = Sparse([0], first, 2, 1);
        optimizer.step(); // 0.5 * 4 in row 1, 1 in row 0
        Assert.Equal([-3f, -4f], Floats(parameter));
    }

    [Fact]
    public void ABufferWithAnIndexOutsideTheTableIsRefusedByStepsAndFiles()
    {
        using Parameter parameter = new(ones(2, 1)), other = new(ones(2, 1));
        using SGD optimizer = new([parameter], lr: 1, momentum: 0.5), fresh = new([other], lr: 7);
        using Tensor value = ones(1, 1), wrong = Sparse([7], value, 2, 1), right = Sparse([1], value, 2, 1);
        optimizer.StateOf(parameter).momentum_buffer = wrong;
        parameter.grad = right;

        var inStep = Assert.Throws<InvalidOperationException>(() => optimizer.step());

        Assert.Contains("an entry at index 7 of dimension 0, of size 2", inStep.Message);
        Assert.Equal([1f, 1f], Floats(parameter));
        using var stream = new MemoryStream();
        using (var writer = new BinaryWriter(stream, System.Text.Encoding.UTF8, leaveOpen: true)) optimizer.save_state_dict(writer);
        stream.Position = 0;
        var inFile = Assert.Throws<InvalidDataException>(() => fresh.load_state_dict(new BinaryReader(stream)));
        Assert.Contains("an entry at index 7 of dimension 0, of size 2", inFile.Message);
        Assert.Null(fresh.StateOf(other).momentum_buffer);
        Assert.Equal(7, fresh.ParamGroups.Single().LearningRate);
    }

    [Fact]
    public void ComplexParametersAreTrained()
    {
        using Tensor start = ones([2], ScalarType.ComplexFloat32), gradient = ones([2], ScalarType.ComplexFloat32);
        using var parameter = new Parameter(start);
        using var optimizer = new SGD([parameter], lr: 0.25, momentum: 0.5);
        parameter.grad = gradient;
        optimizer.step();
        optimizer.step();
        using Tensor real = parameter.real;
        Assert.Equal([0.375f, 0.375f], Floats(real));
    }

    [Fact]
    public void ASparseStepLeavesNoTensorBehind()
    {
        using Embedding embedding = Trainable();
        using var optimizer = new SGD(embedding.parameters(), momentum: 0.9);
        Backward(embedding, 1, 2);
        optimizer.step();
        optimizer.step();
        long before = LiveTensors();
        for (int i = 0; i < 5; i++) optimizer.step();
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Fact]
    public void MomentumSchedulersReachEveryGroup()
    {
        using Embedding one = Trainable(), other = Trainable();
        using var optimizer = new SGD([new SGD.ParamGroup([one.Weight]), new SGD.ParamGroup([other.Weight])], 0.1, momentum: 0.5);
        foreach (SGD.ParamGroup group in optimizer.ParamGroups.Cast<SGD.ParamGroup>()) group.Momentum = 0.25;
        Assert.Equal([0.25, 0.25], optimizer.state_dict().Options.Select(options => ((SGD.Options)options).momentum!.Value));
        Assert.Equal(0.5, optimizer.Momentum);
        Assert.Throws<InvalidOperationException>(() => new SGD.ParamGroup([]).Momentum);
    }
}
