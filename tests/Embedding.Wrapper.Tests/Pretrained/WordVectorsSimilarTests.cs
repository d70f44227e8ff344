using System.Text.Json;
using EmbeddingWrapper.Pretrained;

namespace EmbeddingWrapper.Tests.Pretrained;

/// <summary>The neighbours of a word, of a vector and of positive and negative words, and the similarity of two words.</summary>
public class WordVectorsSimilarTests
{
    private static readonly string Glove = Path.Combine(AppContext.BaseDirectory, "Data", "glove.6B.100d.first2000.txt");

    private static WordVectors Of(params (string Word, float[] Vector)[] rows)
    {
        var numbers = new float[rows.Length, rows[0].Vector.Length];
        for (int i = 0; i < rows.Length; i++)
        {
            for (int j = 0; j < rows[i].Vector.Length; j++) numbers[i, j] = rows[i].Vector[j];
        }
        using Tensor table = tensor(numbers);
        return new WordVectors(rows.Select(row => row.Word), table);
    }

    private static WordVectors Compass() =>
        Of(("north", [0, 1]), ("northeast", [1, 1]), ("east", [2, 0]), ("nowhere", [0, 0]), ("south", [0, -3]), ("up", [0, 5]));

    [Fact]
    public void ANeighborHasMembersInJsonAndDeconstructsAsTheTupleDid()
    {
        using WordVectors vectors = Compass();
        var (word, similarity) = vectors.MostSimilar("north", 1)[0];
        Assert.Equal(("up", 1f), (word, similarity));
        Assert.Equal("""[{"Word":"up","Similarity":1},{"Word":"south","Similarity":-1}]""",
            JsonSerializer.Serialize(new Neighbor[] { new(word, similarity), new("south", -1) }));
        Assert.Equal("(up, 0.5)", new Neighbor("up", 0.5f).ToString());
    }

    [Fact]
    public void SimilarityIsTheCosineFromBothSides()
    {
        using WordVectors vectors = Compass();
        Assert.Equal(1f, vectors.Similarity("north", "up"));
        Assert.Equal(-1f, vectors.Similarity("south", "up"));
        Assert.Equal(0f, vectors.Similarity("north", "east"));
        Assert.Equal(0f, vectors.Similarity("nowhere", "north"));
        Assert.Equal(0f, vectors.Similarity("nowhere", "nowhere"));
        Assert.Equal(MathF.Sqrt(0.5f), vectors.Similarity("northeast", "east"));
        Assert.Equal(vectors.Similarity("northeast", "south"), vectors.Similarity("south", "northeast"));

        using WordVectors extreme = Of(("tiny", [1e-45f, 0]), ("huge", [3.4e38f, 3.4e38f]), ("infinite", [1, float.PositiveInfinity]));
        Assert.Equal(MathF.Sqrt(0.5f), extreme.Similarity("tiny", "huge"));
        Assert.Equal(1f, extreme.Similarity("huge", "huge"));
        Assert.True(float.IsNaN(extreme.Similarity("tiny", "infinite")));
    }

    [Fact]
    public void AVectorHasTheNeighboursOfItsWordAndTheWordItself()
    {
        using var glove = TestVectors.Load(Glove);
        var river = new float[100];
        Assert.True(glove.TryGetVector("river", river));
        IReadOnlyList<Neighbor> ofVector = glove.MostSimilar(river, 11), ofSpan = glove.MostSimilar(river.AsSpan(), 11);
        Assert.Equal("river", ofVector[0].Word);
        Assert.Equal(glove.MostSimilar("river"), ofVector.Skip(1));
        Assert.Equal(ofVector, ofSpan);
        Assert.Equal(11, glove.MostSimilar([.. river.Select(number => number * 1000)], 11).Count);
    }

    [Fact]
    public void AVectorOfZerosIsSimilarToNothingAndOneWithNaNHasNoNeighbours()
    {
        using WordVectors vectors = Compass();
        Assert.Equal(vectors.Words.Select(word => new Neighbor(word, 0)), vectors.MostSimilar(new float[2]));
        Assert.Empty(vectors.MostSimilar([float.NaN, 1]));
        Assert.Empty(vectors.MostSimilar([1, float.NegativeInfinity]));
        Assert.Empty(vectors.MostSimilar([1, 0], 0));
    }

    [Fact]
    public void PositiveAndNegativeWordsAreAddedAsUnitVectorsAndLeftOut()
    {
        using WordVectors vectors = Compass();
        // (0, 1) + (1, 0): the lengths of "up" and "east" do not matter.
        IReadOnlyList<Neighbor> sum = vectors.MostSimilar(["up", "east"]);
        Assert.Equal(["northeast", "north", "nowhere", "south"], sum.Select(near => near.Word));
        float[] cosines = [1, MathF.Sqrt(0.5f), 0, -MathF.Sqrt(0.5f)];
        Assert.All(sum.Zip(cosines), pair => Assert.Equal(pair.Second, pair.First.Similarity, 1e-6f));

        IReadOnlyList<Neighbor> difference = vectors.MostSimilar(["northeast"], ["north"]); // (0.7, -0.3)
        Assert.Equal("east", difference[0].Word);
        Assert.DoesNotContain(difference, near => near.Word is "northeast" or "north");
        Assert.Equal(difference.Take(1), vectors.MostSimilar(["northeast"], ["north"], 1));
        Assert.Equal("south", vectors.MostSimilar([], ["north"])[0].Word);
    }

    [Fact]
    public void OneWordInAListHasTheNeighboursOfTheWord()
    {
        using var glove = TestVectors.Load(Glove);
        foreach (string word in new[] { "the", "river", "king", "%" })
        {
            IReadOnlyList<Neighbor> expected = glove.MostSimilar(word, 50);
            Assert.Equal(expected, glove.MostSimilar([word], count: 50));
            Assert.Equal(expected, glove.MostSimilar([word, word, word], [word], 50));
        }
    }

    [Fact]
    public void WordsOnBothSidesCancelOutExactly()
    {
        using var glove = TestVectors.Load(Glove);
        IReadOnlyList<Neighbor> none = glove.MostSimilar(["the", "king", "river"], ["river", "the", "king"], 4);
        Assert.Equal([new(",", 0), new(".", 0), new("of", 0), new("to", 0)], none);
    }

    [Fact]
    public void AnAnalogyIsOneLine()
    {
        using var glove = TestVectors.Load(Glove);
        Assert.Equal("his", glove.MostSimilar(["her", "he"], ["she"], 1)[0].Word);
    }

    [Fact]
    public void OfEqualSimilaritiesTheFirstWordsAreKept()
    {
        using WordVectors vectors = Of([.. Enumerable.Range(0, 50).Select(i => ($"w{i}", new float[] { i % 2, 1 }))]);
        string[] even = [.. Enumerable.Range(1, 24).Select(i => $"w{2 * i}")];
        for (int count = 1; count <= 24; count++) Assert.Equal(even[..count], vectors.MostSimilar("w0", count).Select(near => near.Word));
    }

    [Fact]
    public void TheCallsLeaveNoTensorBehind()
    {
        using WordVectors vectors = Compass();
        Action[] calls =
        [
            () => vectors.MostSimilar("north"),
            () => vectors.MostSimilar(["north"], ["east"]),
            () => vectors.MostSimilar([1f, 2f]),
            () => vectors.Similarity("north", "east"),
            () => vectors.TryGetVector("north", new float[2]),
        ];
        Assert.All(calls, call =>
        {
            long before = LiveTensors();
            call();
            Assert.Equal(before, Tensor.TotalCount);
        });
        long excess = CountedTwice(), start = LiveTensors();
        vectors.ToEmbedding(["north", "no"], out _).Dispose();
        Assert.Equal(start + excess, Tensor.TotalCount);
    }
}
