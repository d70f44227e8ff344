using System.Runtime.InteropServices;
using System.Text.Json;
using EmbeddingWrapper.Pretrained;

namespace EmbeddingWrapper.Tests.Pretrained;

/// <summary>
/// The answers that gensim gave to questions about similar words, from <c>parity-scripts/checks/neighbors.py</c>: the same words in the same
/// order, and scores that differ by no more than float32 sums in another order do.
/// </summary>
/// <remarks>
/// One difference is by design. gensim gives NaN for vectors of zeros, here their similarity is 0. As an input word such a vector adds
/// nothing, where it makes all of gensim's scores NaN.
/// </remarks>
public sealed class GensimTests : IDisposable
{
    private static readonly JsonElement Golden = JsonDocument.Parse(File.ReadAllBytes(TestFolder.Golden("neighbors.verified.json"))).RootElement;

    private static readonly double Tolerance = Golden.GetProperty("tolerance").GetDouble();

    private readonly WordVectors _glove = TestVectors.Load(Path.Combine(AppContext.BaseDirectory, "Data", "glove.6B.100d.first2000.txt"));
    private readonly WordVectors _small = Small();

    public void Dispose()
    {
        _glove.Dispose();
        _small.Dispose();
    }

    public static IEnumerable<TheoryDataRow<string, int>> Means => Rows("means");

    public static IEnumerable<TheoryDataRow<string, int>> Vectors => Rows("vectors");

    private static IEnumerable<TheoryDataRow<string, int>> Rows(string kind) =>
        from table in new[] { "glove", "small" }
        from index in Enumerable.Range(0, Golden.GetProperty(table).GetProperty(kind).GetArrayLength())
        select new TheoryDataRow<string, int>(table, index);

    [Theory]
    [MemberData(nameof(Means))]
    public void PositiveAndNegativeWordsHaveGensimsNeighbours(string table, int index)
    {
        JsonElement question = Golden.GetProperty(table).GetProperty("means")[index];
        string[] positive = Texts(question, "positive"), negative = Texts(question, "negative");
        int count = question.GetProperty("count").GetInt32();
        WordVectors vectors = Table(table);

        if (question.TryGetProperty("error", out JsonElement error))
        {
            var ours = Assert.ThrowsAny<Exception>(() => vectors.MostSimilar(positive, negative, count));
            string word = positive.Concat(negative).FirstOrDefault(word => !vectors.TryGetIndex(word, out _)) ?? "";
            Assert.Contains(word, question.GetProperty("message").GetString());
            Assert.Equal(error.GetString() == "KeyError" ? typeof(KeyNotFoundException) : typeof(ArgumentException), ours.GetType());
            Assert.Contains(word, ours.Message);
            return;
        }
        AssertSame(question, vectors.MostSimilar(positive, negative, count));
        if (positive.Length == 1 && negative.Length == 0) AssertSame(question, vectors.MostSimilar(positive[0], count));
    }

    [Theory]
    [MemberData(nameof(Vectors))]
    public void VectorsHaveGensimsNeighbours(string table, int index)
    {
        JsonElement question = Golden.GetProperty(table).GetProperty("vectors")[index];
        byte[] bytes = Convert.FromHexString(question.GetProperty("float32").GetString()!);
        AssertSame(question, Table(table).MostSimilar(MemoryMarshal.Cast<byte, float>(bytes), question.GetProperty("count").GetInt32()));
    }

    [Fact]
    public void SimilaritiesOfTwoWordsAreGensims()
    {
        foreach (string table in new[] { "glove", "small" })
        {
            Assert.All(Golden.GetProperty(table).GetProperty("pairs").EnumerateArray(), pair =>
                Assert.Equal(pair[2].GetDouble(), Table(table).Similarity(pair[0].GetString()!, pair[1].GetString()!), Tolerance));
        }
    }

    [Fact]
    public void TheGoldenAsksAboutTiesZerosRepeatedAndUnknownWords()
    {
        JsonElement[] questions = [.. Rows("means").Select(row => Golden.GetProperty(row.Data.Item1).GetProperty("means")[row.Data.Item2])];
        Assert.InRange(questions.Length, 40, 1000);
        Assert.Contains(questions, question => question.TryGetProperty("error", out _));
        Assert.Contains(questions, question => Texts(question, "positive").Distinct().Count() < Texts(question, "positive").Length);
        Assert.Contains(questions, question => Texts(question, "positive").Intersect(Texts(question, "negative")).Any());
        Assert.Contains(questions, question => Scores(question).Where(score => score is not null).GroupBy(score => score).Any(group => group.Count() > 1));
        Assert.Contains(questions, question => Scores(question).Any() && Scores(question).All(score => score is null));
    }

    private WordVectors Table(string name) => name == "glove" ? _glove : _small;

    private static WordVectors Small()
    {
        JsonProperty[] rows = [.. Golden.GetProperty("small").GetProperty("table").EnumerateObject()];
        using Tensor table = stack(rows.Select(row => tensor(row.Value.Deserialize<float[]>()!)));
        return new WordVectors(rows.Select(row => row.Name), table);
    }

    private static string[] Texts(JsonElement question, string name) => question.GetProperty(name).Deserialize<string[]>()!;

    private static double?[] Scores(JsonElement question) =>
        question.TryGetProperty("found", out JsonElement found) ? [.. found.EnumerateArray().Select(pair => pair[1].Deserialize<double?>())] : [];

    private static void AssertSame(JsonElement question, IReadOnlyList<Neighbor> actual)
    {
        string[] words = [.. question.GetProperty("found").EnumerateArray().Select(pair => pair[0].GetString()!)];
        double?[] scores = Scores(question);
        if (words.Length > 0 && scores.All(score => score is null)) return; // an input word of zeros: see WordVectorsSimilarTests
        Assert.Equal(words.Length, actual.Count);

        // Without the zeros, which gensim puts at the end.
        string[] zeros = [.. words.Where((_, i) => scores[i] is null)];
        Neighbor[] others = [.. actual.Where(near => !zeros.Contains(near.Word))];
        Assert.Equal(words.Except(zeros), others.Select(near => near.Word));
        Assert.All(others.Zip(scores), pair => Assert.Equal(pair.Second!.Value, pair.First.Similarity, Tolerance));
        Assert.All(actual.Where(near => zeros.Contains(near.Word)), near => Assert.Equal(0f, near.Similarity));
    }
}
