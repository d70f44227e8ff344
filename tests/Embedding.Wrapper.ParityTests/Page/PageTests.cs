using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Page;

/// <summary>What the documentation page says in words that no golden can show.</summary>
public class PageTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public PageTests() => manual_seed(0);

    public void Dispose() => _scope.Dispose();

    // The signatures

    [Fact]
    public void TheConstructorHasThePagesArgumentsInItsOrderWithItsDefaults()
    {
        // What PyTorch gives through the private _weight, FromPretrained and the Weight property give here.
        string[] signature = [.. PageText.Arguments("torch.nn. Embedding").Where(argument => argument != "_weight=None")];
        ConstructorInfo constructor = typeof(Embedding).GetConstructors().Single();
        Assert.Equal([.. signature, "device=None", "dtype=None"], InPython(constructor));
    }

    [Fact]
    public void FromPretrainedHasThePagesArgumentsInItsOrderWithItsDefaults()
    {
        MemberInfo[] methods = typeof(Embedding).GetMember(nameof(Embedding.FromPretrained));
        Assert.NotEmpty(methods);
        Assert.All(methods, method => Assert.Equal(PageText.Arguments("from_pretrained"), InPython((MethodInfo)method)));
    }

    // The look-up

    [Fact]
    public void TheTableHasAFixedNumberOfRowsOfAFixedSize()
    {
        using var embedding = new Embedding(5, 2);
        Assert.Equal([5, 2], embedding.Weight.shape);
        Assert.Equal([1, 2], embedding.call(tensor(new long[] { 4 })).shape);
        Assert.Throws<ArgumentOutOfRangeException>(() => embedding.call(tensor(new long[] { 5 })));
    }

    [Fact]
    public void WordEmbeddingsAreStoredAndRetrievedByIndex()
    {
        string[] words = ["the", "cat", "sat"];
        using var embedding = Embedding.FromPretrained(new float[,] { { 0.1f, 0.2f }, { 0.3f, 0.4f }, { 0.5f, 0.6f } });
        long[] sentence = [.. new[] { "the", "cat", "sat", "the" }.Select(word => Array.IndexOf(words, word))];
        Tensor expected = tensor(new float[,] { { 0.1f, 0.2f }, { 0.3f, 0.4f }, { 0.5f, 0.6f }, { 0.1f, 0.2f } });
        TensorAssert.Same(expected, embedding.call(tensor(sentence)));
    }

    [Fact]
    public void TheWeightLearns()
    {
        using var embedding = new Embedding(3, 2);
        Tensor before = embedding.Weight.detach().clone();
        Learn(embedding, 1);
        TensorAssert.Same(before[0], embedding.Weight[0]);
        TensorAssert.Same(before[1] - 1, embedding.Weight[1]);
    }

    [Fact]
    public void TheWeightStartsFromTheStandardNormalDistribution()
    {
        using var embedding = new Embedding(1000, 100);
        double mean = embedding.Weight.mean().ToDouble(), deviation = embedding.Weight.std().ToDouble();
        Assert.InRange(mean, -0.02, 0.02);
        Assert.InRange(deviation, 0.98, 1.02);
    }

    [Theory]
    [InlineData(new long[0])]
    [InlineData(new long[] { 0 })]
    [InlineData(new long[] { 7 })]
    [InlineData(new long[] { 2, 3, 4, 5, 6 })]
    public void AnyShapeOfIntOrLongIndicesGivesThatShapeAndTheLengthOfARow(long[] shape)
    {
        using var embedding = new Embedding(4, 3);
        foreach (ScalarType dtype in new[] { int32, int64 })
            Assert.Equal([.. shape, 3], embedding.call(randint(0, 4, shape, dtype)).shape);
    }

    // The optimizers that take a sparse gradient, and others

    [Fact]
    public void SgdTakesASparseGradient() => TrainsSparsely(CPU);

    [Fact(Skip = Skipped.NoCuda, SkipType = typeof(Cuda), SkipUnless = nameof(Cuda.IsAvailable))]
    public void SgdTakesASparseGradientOnCuda() => TrainsSparsely(CUDA);

    [Fact]
    public void SparseAdamTakesASparseGradient() => LearnsSparsely(CPU, parameters => new Optim.SparseAdam(parameters, lr: 0.01));

    [Fact(Skip = Skipped.NoCuda, SkipType = typeof(Cuda), SkipUnless = nameof(Cuda.IsAvailable))]
    public void SparseAdamTakesASparseGradientOnCuda() =>
        LearnsSparsely(CUDA, parameters => new Optim.SparseAdam(parameters, lr: 0.01));

    [Fact]
    public void AdagradTakesASparseGradient() => LearnsSparsely(CPU, parameters => new Optim.Adagrad(parameters));

    [Fact]
    public void AdamRefusesASparseGradient()
    {
        using var embedding = new Embedding(4, 3, sparse: true);
        using var adam = optim.Adam(embedding.parameters());
        embedding.call(tensor(new long[] { 1 })).sum().backward();
        Assert.Throws<ExternalException>(() => adam.step());
    }

    // padding_idx

    [Fact]
    public void ThePaddingRowStartsAsZerosAndCanBeFilledAfterwards()
    {
        using var embedding = new Embedding(4, 3, paddingIdx: 1);
        Tensor padding = tensor(new long[] { 1 });
        TensorAssert.AllZero(embedding.call(padding));

        using (no_grad()) nn.init.constant_(embedding.Weight, 5);
        TensorAssert.Same(full([1, 3], 5f), embedding.call(padding));

        embedding.call(tensor(new long[] { 1, 2 })).sum().backward();
        TensorAssert.AllZero(embedding.Weight.grad![1]);
    }

    // max_norm

    [Fact]
    public void ForwardWithMaxNormModifiesTheWeightInPlace()
    {
        using var embedding = Embedding.FromPretrained(new float[,] { { 3, 4 }, { 30, 40 } }, maxNorm: 5);
        Parameter weight = embedding.Weight;
        embedding.call(tensor(new long[] { 0, 1 }));
        Assert.Same(weight, embedding.Weight);
        TensorAssert.Same(tensor(new float[] { 3, 4 }), weight[0]);
        Assert.Equal(5, weight[1].norm().ToDouble(), 1e-5);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void ThePagesExampleNeedsItsClone(bool clones)
    {
        const int n = 3, d = 5, m = 7;
        using var embedding = new Embedding(n, d, maxNorm: 1.0); // Python's True
        Tensor W = randn([m, d], requires_grad: true);
        Tensor idx = tensor(new long[] { 1, 2 });
        Tensor weight = clones ? embedding.Weight.clone() : embedding.Weight;
        Tensor a = weight.matmul(W.t()); // weight must be cloned for this to be differentiable
        Tensor b = embedding.call(idx).matmul(W.t()); // modifies weight in-place
        Tensor @out = a.unsqueeze(0) + b.unsqueeze(1);
        Tensor loss = @out.sigmoid().prod();

        if (clones)
        {
            loss.backward();
            Assert.Equal([n, d], embedding.Weight.grad!.shape);
            Assert.Equal([m, d], W.grad!.shape);
        }
        else
        {
            var error = Assert.Throws<ExternalException>(() => loss.backward());
            Assert.Contains("modified by an inplace operation", error.Message);
        }
    }

    // The examples: their numbers are those of a run without a seed, so what can be checked is what does not hang on it.

    [Fact]
    public void TheExampleOfTwoSamplesOfFourIndices()
    {
        using var embedding = new Embedding(10, 3); // an Embedding module containing 10 tensors of size 3
        Tensor input = tensor(new long[,] { { 1, 2, 4, 5 }, { 4, 3, 2, 9 } }); // a batch of 2 samples of 4 indices each
        Tensor output = embedding.call(input);
        Assert.Equal([2, 4, 3], output.shape);
        Assert.Equal(float32, output.dtype);
        TensorAssert.Same(output[0, 2], output[1, 0]); // 4 in both samples, as on the page
        TensorAssert.Same(output[0, 1], output[1, 2]); // 2 in both
        TensorAssert.Same(embedding.Weight[9], output[1, 3]);
    }

    [Fact]
    public void TheExampleWithPaddingIdx()
    {
        using var embedding = new Embedding(10, 3, paddingIdx: 0);
        Tensor output = embedding.call(tensor(new long[,] { { 0, 2, 0, 5 } }));
        Assert.Equal([1, 4, 3], output.shape);
        TensorAssert.AllZero(output[0, 0]);
        TensorAssert.AllZero(output[0, 2]);
        TensorAssert.AllTrue(output[0, 1] != 0);
        TensorAssert.AllTrue(output[0, 3] != 0);
    }

    [Fact]
    public void TheExampleOfFromPretrained()
    {
        // FloatTensor containing pretrained weights
        Tensor weight = tensor(new float[,] { { 1, 2.3f, 3 }, { 4, 5.1f, 6.3f } });
        using var embedding = Embedding.FromPretrained(weight);
        // Get embeddings for index 1
        TensorAssert.Same(tensor(new float[,] { { 4, 5.1f, 6.3f } }), embedding.call(tensor(new long[] { 1 })));
    }

    // from_pretrained

    [Fact]
    public void FromPretrainedTakesTwoDimensionsTheFirstBeingTheRows()
    {
        using var embedding = Embedding.FromPretrained(zeros(5, 2));
        Assert.Equal((5, 2), (embedding.NumEmbeddings, embedding.EmbeddingDim));
        Assert.Throws<ArgumentException>(() => Embedding.FromPretrained(zeros(5)));
        Assert.Throws<ArgumentException>(() => Embedding.FromPretrained(zeros(5, 2, 1)));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void FreezeIsTheSameAsRequiresGradFalse(bool byArgument)
    {
        using var embedding = Embedding.FromPretrained(ones(3, 2), freeze: byArgument);
        if (!byArgument) embedding.Weight.requires_grad = false;
        using var sgd = optim.SGD(embedding.parameters(), 1.0);

        Assert.False(embedding.Weight.requires_grad);
        Tensor output = embedding.call(tensor(new long[] { 1 }));
        Assert.False(output.requires_grad);
        Assert.Throws<ExternalException>(() => output.sum().backward());
        sgd.step();
        TensorAssert.Same(ones(3, 2), embedding.Weight);
    }

    [Fact]
    public void NotFrozenTheTableLearns()
    {
        Tensor table = ones(3, 2);
        using var embedding = Embedding.FromPretrained(table, freeze: false);
        Learn(embedding, 1);
        TensorAssert.Same(tensor(new float[,] { { 1, 1 }, { 0, 0 }, { 1, 1 } }), table);
    }

    [Theory]
    [InlineData("padding_idx")]
    [InlineData("max_norm")]
    [InlineData("norm_type")]
    [InlineData("scale_grad_by_freq")]
    [InlineData("sparse")]
    public void AnOptionOfFromPretrainedMeansWhatItMeansInTheConstructor(string option)
    {
        long? paddingIdx = option == "padding_idx" ? 2 : null;
        double? maxNorm = option is "max_norm" or "norm_type" ? 1.5 : null;
        double normType = option == "norm_type" ? 1 : 2;
        bool scaleGradByFreq = option == "scale_grad_by_freq", sparse = option == "sparse";
        Tensor table = randn(4, 3) * 3;
        using var made = new Embedding(4, 3, paddingIdx, maxNorm, normType, scaleGradByFreq, sparse);
        made.Weight = new Parameter(table.clone());
        using var given = Embedding.FromPretrained(
            table.clone(), false, paddingIdx, maxNorm, normType, scaleGradByFreq, sparse);
        using var plain = Embedding.FromPretrained(table.clone(), freeze: false);

        Tensor[] Results(Embedding embedding)
        {
            Tensor output = embedding.call(tensor(new long[] { 2, 1, 2, 0 }));
            output.square().sum().backward();
            Tensor gradient = embedding.Weight.grad!;
            return [output, embedding.Weight, tensor(gradient.is_sparse), gradient.to_dense()];
        }
        Tensor[] expected = Results(made), actual = Results(given), without = Results(plain);
        foreach ((Tensor one, Tensor other) in expected.Zip(actual)) TensorAssert.Same(one, other);
        Assert.Contains(actual.Zip(without), pair => !pair.First.allclose(pair.Second)); // the option does something
    }

    private static void TrainsSparsely(Device device)
    {
        using var embedding = new Embedding(4, 3, sparse: true, device: device);
        Tensor before = embedding.Weight.detach().clone();
        Learn(embedding, 1, 1);
        Assert.True(embedding.Weight.grad!.is_sparse);
        TensorAssert.Same(before[0], embedding.Weight[0]);
        TensorAssert.Same(before[1] - 1 - 1, embedding.Weight[1]);
    }

    /// <summary>Sparse gradients make the loss fall, and move the rows of the batch alone.</summary>
    private static void LearnsSparsely(Device device, Func<IEnumerable<Parameter>, OptimizerHelper> make)
    {
        using var embedding = new Embedding(4, 3, sparse: true, device: device);
        using OptimizerHelper optimizer = make(embedding.parameters());
        Tensor before = embedding.Weight.detach().clone(), batch = tensor(new long[] { 1, 3, 1 }, device: device);
        var losses = new List<double>();
        for (int step = 0; step < 10; step++)
        {
            optimizer.zero_grad();
            Tensor loss = embedding.call(batch).square().sum();
            loss.backward();
            Assert.True(embedding.Weight.grad!.is_sparse);
            optimizer.step();
            losses.Add(loss.ToDouble());
        }
        Assert.Equal(losses.OrderDescending(), losses);
        TensorAssert.AllTrue(before[batch] != embedding.Weight[batch]);
        foreach (int unseen in new[] { 0, 2 }) TensorAssert.Same(before[unseen], embedding.Weight[unseen]);
    }

    /// <summary>One step of SGD that takes 1 off each element that is looked up.</summary>
    private static void Learn(Embedding embedding, params long[] indices)
    {
        using var sgd = optim.SGD(embedding.parameters(), 1.0);
        embedding.call(tensor(indices, device: embedding.Weight.device)).sum().backward();
        sgd.step();
    }

    /// <summary>A C# signature, spelled as the page spells its own.</summary>
    private static string[] InPython(MethodBase method) => [.. method.GetParameters().Select(parameter =>
    {
        string name = Regex.Replace(parameter.Name!, "[A-Z]", capital => $"_{capital.Value.ToLowerInvariant()}");
        return !parameter.HasDefaultValue ? name : $"{name}=" + parameter.DefaultValue switch
        {
            null => "None",
            double number => number.ToString("0.0", CultureInfo.InvariantCulture),
            var other => other.ToString(),
        };
    })];
}
