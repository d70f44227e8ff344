using System.Diagnostics;
using System.Reflection;
using Xunit.v3;

[assembly: EmbeddingWrapper.TimeLimit]

namespace EmbeddingWrapper;

/// <summary>Ends the process when a test has run for ten minutes, and names the test. Otherwise a run that stands still says nothing.</summary>
[AttributeUsage(AttributeTargets.Assembly)]
internal sealed class TimeLimitAttribute : BeforeAfterTestAttribute
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(10);

    private Timer? _timer;

    public override void Before(MethodInfo methodUnderTest, IXunitTest test)
    {
        if (Debugger.IsAttached) return;
        _timer = new Timer(
            _ => Environment.FailFast($"The test {test.TestDisplayName} has run for {Limit.TotalMinutes} minutes."),
            null, Limit, Timeout.InfiniteTimeSpan);
    }

    public override void After(MethodInfo methodUnderTest, IXunitTest test) => _timer?.Dispose();
}
