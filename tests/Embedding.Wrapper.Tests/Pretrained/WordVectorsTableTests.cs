using EmbeddingWrapper.Optim;
using EmbeddingWrapper.Pretrained;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests.Pretrained;

/// <summary>Word vectors of a tensor that exists already, single vectors, and layers for another vocabulary.</summary>
public class WordVectorsTableTests
{
    [Fact]
    public void TrainedVectorsShareTheMemoryOfTheWeight()
    {
        using var embedding = Embedding.FromPretrained(Table(3, 2), freeze: false, sparse: true);
        using var vectors = new WordVectors(["a", "b", "c"], embedding.Weight);
        Assert.False(vectors.Vectors.requires_grad);
        Assert.True(embedding.Weight.requires_grad);
        Assert.Equal(["a", "b", "c"], vectors.Words);
        Assert.Equal((0, 0), (vectors.DuplicateCount, vectors.SkippedCount));

        using var optimizer = new SparseAdam(embedding.parameters(), lr: 1);
        using (Tensor loss = embedding.Lookup(1).sum()) loss.backward();
        optimizer.step();

        AssertSameBits(embedding.Weight, vectors.Vectors);
        float[] trained = Floats(vectors.Vectors);
        Assert.Equal([0f, 1f, 1f, 2f, 4f, 5f], trained.Select(number => MathF.Round(number, 3)));
        vectors.Dispose();
        Assert.Equal(trained, Floats(embedding.Weight));
    }

    [Fact]
    public void NeighboursFollowTrainingWritesToRowsAndWritesToMemory()
    {
        using var embedding = Embedding.FromPretrained(tensor(new float[,] { { 1, 0 }, { 1, 1 }, { 0, 1 } }), freeze: false, sparse: true);
        using var vectors = new WordVectors(["a", "b", "c"], embedding.Weight);
        Assert.Equal("b", vectors.MostSimilar("a", 1)[0].Word);

        using var optimizer = new SparseAdam(embedding.parameters(), lr: 3); // b becomes (-2, -2)
        using (Tensor loss = embedding.Lookup(1).sum()) loss.backward();
        optimizer.step();
        Assert.Equal([new("c", 0), new("b", vectors.Similarity("a", "b"))], vectors.MostSimilar("a"));
        Assert.Equal(-MathF.Sqrt(0.5f), vectors.Similarity("a", "b"), 1e-6f);

        using (no_grad()) embedding.Weight[2] = tensor(new[] { 9f, 0f });
        Assert.Equal(new Neighbor("c", 1), vectors.MostSimilar("a", 1)[0]);

        vectors.Vectors.data<float>()[2, 0] = -9; // no operation of libtorch
        Assert.Equal(["b", "c"], vectors.MostSimilar("a").Select(near => near.Word));
        Assert.Equal(-1f, vectors.Similarity("a", "c"));
    }

    [Fact]
    public void TheCallersTensorStaysAsItIs()
    {
        var table = Table(2, 2);
        WordVectors vectors;
        using (NewDisposeScope()) vectors = new WordVectors(["a", "b"], table);
        table.Dispose();
        Assert.Equal([0f, 1f, 2f, 3f], Floats(vectors.Vectors));
        vectors.Dispose();

        using Tensor alive = Table(2, 2);
        new WordVectors(["a", "b"], alive).Dispose();
        Assert.Equal([0f, 1f, 2f, 3f], Floats(alive));
    }

    [Fact]
    public void WordsAreReadOnceAndTheirListIsNotKept()
    {
        int read = 0;
        List<string> list = ["a", "b"];
        IEnumerable<string> Words()
        {
            read++;
            foreach (string word in list) yield return word;
        }
        using Tensor table = Table(2, 2);
        using var vectors = new WordVectors(Words(), table);
        using var ofList = new WordVectors(list, table);
        list[0] = "changed";
        Assert.Equal(1, read);
        Assert.Equal(["a", "b"], vectors.Words);
        Assert.Equal(["a", "b"], ofList.Words);
    }

    [Fact]
    public void AnyLayoutOfTheTableWorks()
    {
        using var scope = NewDisposeScope();
        Tensor plain = randn(6, 5);
        string[] words = ["a", "b", "c", "d", "e", "f"];
        using var expected = new WordVectors(words, plain);
        Tensor wide = zeros(12, 10);
        wide.slice(0, 0, 12, 2).slice(1, 0, 10, 2).copy_(plain);
        foreach (Tensor table in new[] { plain.t().contiguous().t(), wide.slice(0, 0, 12, 2).slice(1, 0, 10, 2) })
        {
            Assert.False(table.is_contiguous());
            using var vectors = new WordVectors(words, table);
            Assert.Equal(expected.MostSimilar("c"), vectors.MostSimilar("c"));
            Assert.Equal(expected.MostSimilar(["a"], ["b"]), vectors.MostSimilar(["a"], ["b"]));
            Assert.Equal(expected.Similarity("a", "f"), vectors.Similarity("a", "f"));
            var row = new float[5];
            Assert.True(vectors.TryGetVector("f", row));
            Assert.Equal(Floats(plain[5]), row);
            AssertSameBits(plain.index_select(0, tensor(new[] { 5L, 1 })), vectors.ToEmbedding(["f", "b"], out _).Weight);
        }
    }

    [Fact]
    public void TablesWithoutRowsOrColumnsWork()
    {
        using var scope = NewDisposeScope();
        using var none = new WordVectors([], zeros(0, 3));
        using var narrow = new WordVectors(["a", "b"], zeros(2, 0));
        Assert.Empty(none.MostSimilar(new float[3]));
        Assert.Equal([new("b", 0)], narrow.MostSimilar("a"));
        Assert.True(narrow.TryGetVector("a", []));
        Embedding layer = none.ToEmbedding(["a"], out IReadOnlyList<string> missing);
        Assert.Equal([0f, 0f, 0f], Floats(layer.Weight));
        Assert.Equal(["a"], missing);
    }

    [Fact]
    public void TrainedVectorsCanBeSaved()
    {
        using var folder = new TestFolder();
        using var embedding = new Embedding(3, 2);
        using (var vectors = new WordVectors(["a", "b", "c"], embedding.Weight)) vectors.Save(folder["trained"]);
        using var again = TestVectors.Load(folder["trained"]);
        Assert.Equal(["a", "b", "c"], again.Words);
        Assert.Equal(Bits(embedding.Weight), Bits(again.Vectors));
    }

    [Fact]
    public void TheVectorOfAWordIsItsRow()
    {
        using Tensor table = Table(3, 2);
        using var vectors = new WordVectors(["a", "b", "c"], table);
        float[] vector = [7, 7];
        Assert.True(vectors.TryGetVector("b", vector));
        Assert.Equal([2f, 3f], vector);
        Assert.False(vectors.TryGetVector("B", vector));
        Assert.Equal([2f, 3f], vector);
        vectors.Dispose();
        Assert.Throws<ObjectDisposedException>(() => vectors.TryGetVector("b", vector));
        Assert.Throws<ObjectDisposedException>(() => vectors.MostSimilar(vector));
    }

    [Fact]
    public void AVocabularyHasARowForEachOfItsWords()
    {
        using Tensor table = (Table(3, 2) + 1);
        using var vectors = new WordVectors(["the", "of", "river"], table);
        string[] vocabulary = ["<pad>", "<unk>", "river", "the", "unseen", "river", "<pad>"];

        using Embedding layer = vectors.ToEmbedding(vocabulary, out IReadOnlyList<string> missing, freeze: false, paddingIdx: 0, sparse: true);

        Assert.Equal(["<pad>", "<unk>", "unseen", "<pad>"], missing);
        Assert.Equal("Embedding(7, 2, padding_idx=0, sparse=True)", layer.ToString());
        Assert.Equal([0f, 0f, 0f, 0f, 5f, 6f, 1f, 2f, 0f, 0f, 5f, 6f, 0f, 0f], Floats(layer.Weight));
        Assert.True(layer.Weight.requires_grad);
        using (no_grad()) layer.Weight.fill_(9);
        Assert.Equal([1f, 2f, 3f, 4f, 5f, 6f], Floats(table)); // the rows are copies
    }

    [Fact]
    public void AVocabularyMayBeEmptyAndThePaddingRowKeepsItsVector()
    {
        using Tensor table = Table(3, 2);
        using var vectors = new WordVectors(["the", "of", "river"], table);
        using Embedding none = vectors.ToEmbedding([], out IReadOnlyList<string> missing);
        Assert.Equal([0L, 2L], none.Weight.shape);
        Assert.Empty(missing);
        using Embedding all = vectors.ToEmbedding(vectors.Words, out missing, paddingIdx: -1);
        AssertSameBits(table, all.Weight);
        Assert.False(all.Weight.requires_grad);
        Assert.Empty(missing);
    }

    [Fact]
    public void TheTextIsOneLine()
    {
        using Tensor table = Table(3, 2);
        using var vectors = new WordVectors(["the", "of", "river"], table);
        Assert.Equal("WordVectors(3 words, 2 dimensions)", vectors.ToString());
        vectors.Dispose();
        Assert.Equal("WordVectors(3 words, 2 dimensions)", vectors.ToString());
    }
}
