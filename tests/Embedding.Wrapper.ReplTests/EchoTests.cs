using static EmbeddingWrapper.ReplTests.Shared;

namespace EmbeddingWrapper.ReplTests;

/// <summary>Large things take a few lines.</summary>
public class EchoTests
{
    private const string Words = "var words = new WordVectors(new[] { \"the\", \",\", \"a b\", \"\\t\" }, zeros(4, 3));";

    [Fact]
    public void WordVectorsShowTheirSizeAndTheFirstWords()
    {
        Assert.Equal("WordVectors(4 words, 3 dimensions)\n  \"the\", \",\", \"a b\", \"\\t\"", Value(Words, "words"));
        Assert.Equal(
            "WordVectors(100000 words, 2 dimensions)\n  \"w0\", \"w1\", \"w2\", \"w3\", \"w4\", \"w5\", \"w6\", \"w7\", \"w8\", \"w9\", ...",
            Value("new WordVectors(Enumerable.Range(0, 100_000).Select(i => $\"w{i}\"), zeros(100_000, 2))"));
        Assert.Equal("WordVectors(4 words, 3 dimensions), disposed", Value(Words, "words.Dispose();", "words"));
        Assert.Equal("WordVectors(4 words, 3 dimensions)", Value(Words, "Print(words);"));
    }

    [Theory]
    [InlineData("new SparseAdam(e.parameters())",
        "SparseAdam(lr=0.001, beta1=0.9, beta2=0.999, eps=1e-08, maximize=False; 1 group, 1 parameter)\n  [10, 3] float32")]
    [InlineData("new SGD([e.Weight, f.Weight], lr: 0.5)",
        "SGD(lr=0.5, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, maximize=False; 1 group, 2 parameters)\n  [10, 3] float32\n  [2, 5] float64")]
    [InlineData("torch.optim.Adam(e.parameters(), lr: 0.25)", "Adam(lr=0.25)\n  [10, 3] float32")]
    public void AnOptimizerShowsItsOptionsAndTheShapesOfItsParameters(string code, string expected) =>
        Assert.Equal(expected, Value("var e = new Embedding(10, 3); var f = new Embedding(2, 5, dtype: float64);", code));

    [Fact]
    public void AnOptimizerOfManyParametersIsCut()
    {
        string[] lines = Value("new SGD(Enumerable.Range(0, 1000).Select(i => new Parameter(zeros(i + 1))))").Split('\n');
        Assert.Equal(22, lines.Length);
        Assert.Equal(("  [20] float32", "  ..."), (lines[20], lines[21]));
    }

    [Theory]
    [InlineData("new Dictionary<string, Tensor> { [\"a\"] = zeros(2), [\"b\"] = ones(1) }", "{\"a\": tensor([0., 0.]),\n \"b\": tensor([1.])}")]
    [InlineData("new Dictionary<int, Tensor> { [5] = zeros(1) }", "{5: tensor([0.])}")]
    [InlineData("new SortedList<string, Tensor> { [\"a\"] = zeros(1) }", "{\"a\": tensor([0.])}")]
    [InlineData("new System.Collections.ObjectModel.ReadOnlyDictionary<string, Tensor>(new Dictionary<string, Tensor> { [\"a\"] = zeros(1) })",
        "{\"a\": tensor([0.])}")]
    [InlineData("new Dictionary<string, Tensor> { [\"a\"] = zeros(900, 1), [\"b\"] = ones(1, int64) }", "{\"a\": [900, 1] float32,\n \"b\": [1] int64}")]
    [InlineData("new[] { zeros(900, 1), zeros(2) }", "[[900, 1] float32,\n [2] float32]")]
    [InlineData("new Dictionary<string, int> { [\"a\"] = 1 }", "Dictionary<string, int>(1) { { \"a\", 1 } }")]
    public void ADictionaryOfTensorsShowsNumbersOnlyIfTheyTakeFewLines(string code, string expected) => Assert.Equal(expected, Value(code));

    [Fact]
    public void ManyTensorsAreCut()
    {
        string[] lines = Value("Enumerable.Range(0, 5000).ToDictionary(i => $\"layer.{i}\", i => zeros(300, 3))").Split('\n');
        Assert.Equal(21, lines.Length);
        Assert.Equal("{\"layer.0\": [300, 3] float32,", lines[0]);
        Assert.Equal(" ...}", lines[20]);
        Assert.Equal(21, Value("Enumerable.Repeat(zeros(3), int.MaxValue)").Split('\n').Length);
    }
}
