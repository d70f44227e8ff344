using System.Globalization;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Orleans.Sample;

/// <summary>
/// Learns which items users like, from made-up likes: a row for each user and each item, and the product of two rows as the score. Both
/// tables are sharded over three silos. One silo dies in the middle.
/// </summary>
internal static class Recommender
{
    private const int Steps = 300, Saved = 140, Killed = 180, Shown = 20, Batch = 512, Tastes = 8;

    public static async Task<int> RunAsync()
    {
        Console.WriteLine("Three silos start, each a process of its own.");
        await using LocalCluster cluster = await LocalCluster.StartAsync(silos: 3);
        ShardedEmbedding users = await ShardedEmbedding.OpenAsync(cluster.Client, "users");
        ShardedEmbedding items = await ShardedEmbedding.OpenAsync(cluster.Client, "items");
        Console.WriteLine(users);
        Console.WriteLine(items);
        Console.WriteLine($"shards in each silo: {await cluster.ShardsBySiloAsync()}");

        bool killed = false;
        double loss = 0;
        while (users.Step < Steps)
        {
            try
            {
                if (users.Step % Shown == 0) loss = 0;
                loss += await TrainAsync(users, items) / Shown;
                if (users.Step % Shown == 0)
                    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"step {users.Step,3}: loss {loss:F4}"));
                if (users.Step == Saved)
                {
                    await users.SaveAsync();
                    await items.SaveAsync();
                    Console.WriteLine($"step {Saved}: saved");
                }
                if (users.Step == Killed && !killed)
                {
                    killed = true;
                    Console.WriteLine($"step {Killed}: a silo with {await cluster.KillOneAsync()} shards is killed");
                }
            }
            catch (ShardLostException error)
            {
                Console.WriteLine(error.Message);
                await users.RestoreAsync();
                await items.RestoreAsync();
                Console.WriteLine($"step {users.Step}: restored; shards in each silo: {await cluster.ShardsBySiloAsync()}");
            }
        }
        Console.WriteLine($"step {Steps}: done. {users.Name} and {items.Name} are as if no silo had died.");
        return 0;
    }

    /// <summary>One step on both tables.</summary>
    /// <returns>The mean loss of the batch.</returns>
    private static async Task<double> TrainAsync(ShardedEmbedding users, ShardedEmbedding items)
    {
        (long[] who, long[] what, float[] likes) = Sample((int)users.Step);
        using EmbeddingBatch user = await users.PullAsync(who), item = await items.PullAsync(what);
        double mean;
        using (NewDisposeScope())
        {
            Tensor score = (user.Embedding.call(user.Indices) * item.Embedding.call(item.Indices)).sum(1);
            Tensor loss = nn.functional.binary_cross_entropy_with_logits(score, tensor(likes));
            loss.backward();
            mean = loss.item<float>();
        }
        await users.PushAsync(user);
        await items.PushAsync(item);
        return mean;
    }

    /// <summary>
    /// Draws pairs of a user and an item, and whether the user likes the item. Half of the items are of the user's own taste, and users like
    /// most of those.
    /// </summary>
    private static (long[] Users, long[] Items, float[] Likes) Sample(int step)
    {
        var random = new Random(step);
        long[] users = new long[Batch], items = new long[Batch];
        var likes = new float[Batch];
        for (int i = 0; i < Batch; i++)
        {
            users[i] = random.Next(Tables.Users);
            items[i] = random.Next(Tables.Items);
            if (random.Next(2) == 0) items[i] = (items[i] / Tastes * Tastes) + (users[i] % Tastes);
            likes[i] = items[i] % Tastes == users[i] % Tastes ? 1 : 0;
        }
        return (users, items, likes);
    }
}
