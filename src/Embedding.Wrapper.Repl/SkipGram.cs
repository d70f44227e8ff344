using System.Text.RegularExpressions;
using EmbeddingWrapper.Optim;
using EmbeddingWrapper.Pretrained;
using TorchSharp;

namespace EmbeddingWrapper.Repl;

/// <summary>
/// Word vectors learned from four chapters of a book: skip-gram with negative sampling (Mikolov et al., "Distributed
/// Representations of Words and Phrases and their Compositionality", 2013), sparse gradients and <see cref="SparseAdam"/>.
/// The steps build on each other. They are not compared with PyTorch: over thousands of updates, a last bit that another
/// processor rounds differently can become another neighbour.
/// </summary>
/// <param name="report">Hears of each step.</param>
/// <param name="epochs">How many times the text is gone through, 1 or more.</param>
internal sealed class SkipGram(ITourReport report, int epochs = SkipGram.DefaultEpochs) : Tour(report)
{
    /// <summary>After these the loss hardly falls.</summary>
    public const int DefaultEpochs = 20;

    /// <summary>Runs all steps.</summary>
    public void Run()
    {
        string[] words = [];
        int[] counts = [], text = [];
        Embedding vectors = null!, contexts = null!;
        WordVectors trained = null!;
        Func<(long Word, long Context)[]> pairs = null!;

        Step("A text to learn from: four chapters of Alice's Adventures in Wonderland", () =>
        {
            string book = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Data", "alice.chapters7-10.txt"));
            string[] all = [.. Regex.Matches(book.ToLowerInvariant(), "[a-z]+('[a-z]+)?").Select(match => match.Value)];

            var known = all.CountBy(word => word).Where(entry => entry.Value >= 5).OrderByDescending(entry => entry.Value);
            (words, counts) = ([.. known.Select(entry => entry.Key)], [.. known.Select(entry => entry.Value)]);
            text = [.. all.Select(word => Array.IndexOf(words, word)).Where(word => word >= 0)];

            Print($"{all.Length} words. {words.Length} of them occur 5 times or more; they make {text.Length} of the text.");
        });

        Step("Two tables: one for words, one for the words beside them. Before training, what is nearest is chance", () =>
        {
            torch.manual_seed(1);
            vectors = new Embedding(words.Length, 32, sparse: true);
            contexts = new Embedding(words.Length, 32, sparse: true);
            torch.nn.init.uniform_(vectors.Weight, -0.5 / 32, 0.5 / 32);
            torch.nn.init.zeros_(contexts.Weight);

            trained = new WordVectors(words, vectors.Weight); // over the same memory
            foreach (string word in new[] { "hare", "turtle", "queen" })
                Print($"{word}: {string.Join(", ", trained.MostSimilar(word, 5).Select(near => $"{near.Word} {near.Similarity:F2}"))}");
        });

        Step("Skip-gram: pairs of a word and another within 5 words of it", () =>
        {
            var random = new Random(1);
            pairs = () =>
            {
                // Frequent words are left out at random: everything stands beside "the".
                int[] kept = [.. text.Where(word => random.NextDouble() < Math.Sqrt(0.0005 * text.Length / counts[word]))];
                var all =
                    from i in Enumerable.Range(0, kept.Length)
                    from j in Enumerable.Range(i - 5, 11)
                    where j != i && j >= 0 && j < kept.Length
                    select ((long)kept[i], (long)kept[j]);
                (long, long)[] shuffled = [.. all];
                random.Shuffle(shuffled);
                return shuffled;
            };
            var some = pairs();
            var sample = some.Take(4).Select(pair => $"{words[pair.Word]} - {words[pair.Context]}");
            Print($"{some.Length} pairs: {string.Join(", ", sample)}, ...");
        });

        Step("Negative sampling: training tells the true pair from five with words drawn at random", () =>
        {
            using var optimizer = new SparseAdam([vectors.Weight, contexts.Weight], lr: 0.01);
            using var generator = new torch.Generator(1);
            var noise = torch.tensor(counts, dtype: torch.float32).pow(0.75);
            var sign = torch.tensor(new float[] { 1, -1, -1, -1, -1, -1 });
            var losses = new List<float>();
            float mean = 0;

            int threads = torch.get_num_threads();
            torch.set_num_threads(1); // a batch is too small to be worth sharing
            for (int epoch = 1; epoch <= epochs; epoch++)
            {
                int before = losses.Count;
                foreach (var batch in pairs().Chunk(256))
                {
                    using var scope = torch.NewDisposeScope();
                    var word = torch.tensor(batch.Select(pair => pair.Word).ToArray());
                    var context = torch.tensor(batch.Select(pair => pair.Context).ToArray());
                    var drawn = torch.multinomial(noise, batch.Length * 5, replacement: true, generator).reshape(-1, 5);

                    var w = vectors.call(word).unsqueeze(2);                                  // [n, 32, 1]
                    var c = contexts.call(torch.cat([context.unsqueeze(1), drawn], dim: 1));  // [n, 6, 32]
                    var scores = c.bmm(w).squeeze(2);                                         // [n, 6], the true one first
                    var loss = -torch.nn.functional.logsigmoid(scores * sign).sum(1).mean();

                    optimizer.zero_grad();
                    loss.backward();
                    optimizer.step();
                    losses.Add(loss.item<float>());
                }
                mean = losses.Skip(before).Average();
                Progress(epoch, epochs, $"loss {mean:F4}");
            }
            torch.set_num_threads(threads);

            Print($"loss: {losses[0]:F4} in the first batch, {mean:F4} over the last epoch");
        });

        Step("After training, what is nearest is what the story puts together", () =>
        {
            foreach (string word in new[] { "hare", "turtle", "queen" })
                Print($"{word}: {string.Join(", ", trained.MostSimilar(word, 5).Select(near => $"{near.Word} {near.Similarity:F2}"))}");

            trained.Dispose();
            vectors.Dispose();
            contexts.Dispose();
        });
    }
}
