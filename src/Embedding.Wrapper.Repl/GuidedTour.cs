using EmbeddingWrapper.Pretrained;
using TorchSharp;

namespace EmbeddingWrapper.Repl;

/// <summary>
/// The documentation page of <c>torch.nn.Embedding</c> in C#, then real word vectors. Each step of the page stands alone, so
/// that it can be copied. <c>parity-scripts/checks/tour.py</c> runs the same steps under the same headings on PyTorch, and a test
/// compares the results.
/// </summary>
/// <inheritdoc cref="Tour(ITourReport)"/>
internal sealed class GuidedTour(ITourReport report) : Tour(report)
{
    /// <summary>Runs all steps.</summary>
    public void Run()
    {
        Layer();
        MaxNorm();
        Padding();
        Sparse();
        PretrainedWords();
    }

    private void Layer()
    {
        Step("A table of 10 vectors of size 3, and a batch of 2 samples of 4 indices each", () =>
        {
            torch.manual_seed(0);
            using var embedding = new Embedding(10, 3);
            var input = torch.tensor(new long[,] { { 1, 2, 4, 5 }, { 4, 3, 2, 9 } });
            Print(embedding.call(input));
        });

        Step("The layer and its only parameter", () =>
        {
            torch.manual_seed(0);
            using var embedding = new Embedding(10, 3);
            Print(embedding);
            Print(embedding.Weight);
        });

        Step("A padding index: its row starts as zeros", () =>
        {
            torch.manual_seed(0);
            using var embedding = new Embedding(10, 3, paddingIdx: 0);
            var input = torch.tensor(new long[,] { { 0, 2, 0, 5 } });
            Print(embedding.call(input));
        });

        Step("Pretrained vectors, frozen unless told otherwise", () =>
        {
            var weight = torch.tensor(new float[,] { { 1, 2.3f, 3 }, { 4, 5.1f, 6.3f } });
            using var embedding = Embedding.FromPretrained(weight);
            var input = torch.tensor(new long[] { 1 });
            Print(embedding.call(input));
        });
    }

    private void MaxNorm()
    {
        FailingStep("max_norm: the look-up writes to the weight, so a use of the weight before it cannot be differentiated", () =>
        {
            torch.manual_seed(3);
            using var embedding = new Embedding(3, 5, maxNorm: 1);
            var w = torch.randn(7, 5, requires_grad: true);
            var idx = torch.tensor(new long[] { 1, 2 });

            var a = embedding.Weight.matmul(w.t());
            var b = embedding.call(idx).matmul(w.t());
            var loss = (a.unsqueeze(0) + b.unsqueeze(1)).sigmoid().prod();
            loss.backward();
        });

        Step("max_norm with a clone of the weight: it can; and the two rows that were looked up now have norm 1", () =>
        {
            torch.manual_seed(3);
            using var embedding = new Embedding(3, 5, maxNorm: 1);
            var w = torch.randn(7, 5, requires_grad: true);
            var idx = torch.tensor(new long[] { 1, 2 });

            var a = embedding.Weight.clone().matmul(w.t());
            var b = embedding.call(idx).matmul(w.t());
            var loss = (a.unsqueeze(0) + b.unsqueeze(1)).sigmoid().prod();
            loss.backward();

            Print(loss);
            Print(embedding.Weight);
            Print(embedding.Weight.detach().norm(dim: 1));
        });
    }

    private void Padding()
    {
        Step("The padding row gets no gradient", () =>
        {
            torch.manual_seed(0);
            using var embedding = new Embedding(4, 3, paddingIdx: 2);
            var input = torch.tensor(new long[,] { { 0, 2 }, { 2, 3 } });
            embedding.call(input).sum().backward();
            Print(embedding.Weight);
            Print(embedding.Weight.grad);
        });

        Step("The padding row may be overwritten: a look-up returns what it holds", () =>
        {
            torch.manual_seed(0);
            using var embedding = new Embedding(4, 3, paddingIdx: 2);
            using (torch.no_grad())
            {
                embedding.Weight[2] = torch.ones(3);
            }
            Print(embedding.call(torch.tensor(new long[] { 2 })));
        });
    }

    private void Sparse()
    {
        Step("A sparse gradient holds the rows that were looked up and no others", () =>
        {
            torch.manual_seed(0);
            using var embedding = new Embedding(10, 3, paddingIdx: 0, sparse: true);
            var input = torch.tensor(new long[,] { { 0, 2, 0, 5 } });
            embedding.call(input).sum().backward();
            Print(embedding);
            Print(embedding.Weight.grad);
        });
    }

    private void PretrainedWords()
    {
        Step("Real vectors: the 2,000 most frequent words of GloVe 6B, 100 numbers each", () =>
        {
            string file = Path.Combine(AppContext.BaseDirectory, "Data", "glove.6B.100d.first2000.txt");
            using var words = WordVectors.Load(file);
            using var glove = words.ToEmbedding();
            Print(glove);
            Print(glove.Weight);

            words.TryGetIndex("river", out long river);
            Print(glove.Lookup(river));
        });

        Step("The five nearest words by cosine similarity", () =>
        {
            string file = Path.Combine(AppContext.BaseDirectory, "Data", "glove.6B.100d.first2000.txt");
            using var words = WordVectors.Load(file);
            foreach (string word in new[] { "river", "monday", "music", "france", "three" })
                Print($"{word}: {string.Join(", ", words.MostSimilar(word, 5).Select(near => $"{near.Word} {near.Similarity:F4}"))}");
        });

        Step("An analogy: which word is to king as woman is to man", () =>
        {
            string file = Path.Combine(AppContext.BaseDirectory, "Data", "glove.6B.100d.first2000.txt");
            using var words = WordVectors.Load(file);
            foreach (var (word, similarity) in words.MostSimilar(["king", "woman"], ["man"], 3)) Print($"{word} {similarity:F4}");
        });

        Step("A layer for a vocabulary of one's own: rows of zeros where there is no vector", () =>
        {
            string file = Path.Combine(AppContext.BaseDirectory, "Data", "glove.6B.100d.first2000.txt");
            using var words = WordVectors.Load(file);
            using var layer = words.ToEmbedding(["<pad>", "<unk>", "river", "lake"], out var missing, paddingIdx: 0);
            Print(layer);
            Print($"without a vector: {string.Join(", ", missing)}");
            // the first 4 of 100 columns
            Print(layer.Weight.narrow(1, 0, 4));
        });
    }
}
