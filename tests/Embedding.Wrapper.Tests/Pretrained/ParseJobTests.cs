using EmbeddingWrapper.Pretrained;

namespace EmbeddingWrapper.Tests.Pretrained;

public class ParseJobTests
{
    /// <summary>An interrupt that was meant for other work of that thread would end the wait, and with it the process.</summary>
    [Fact]
    public async Task AThreadOfThePoolDoesNotWaitForTheThreadThatParses()
    {
        using ManualResetEventSlim begun = new(), mayEnd = new();
        var job = new ParseJob(() =>
        {
            begun.Set();
            mayEnd.Wait();
            return ["word"];
        });
        Task<string[]> reader = Task.Run(job.Result, TestContext.Current.CancellationToken);
        begun.Wait(TestContext.Current.CancellationToken);
        try
        {
            await Task.Run(job.Execute, TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        }
        finally
        {
            mayEnd.Set();
        }
        Assert.Equal(["word"], await reader);
    }
}
