using System.Reflection;
using System.Text.RegularExpressions;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests.BadInput;

/// <summary>
/// A table of bad calls: null elements, disposed, another dtype, shape or device, huge, negative, overlapping. Each call throws the
/// exception of its row with the words of its row, changes nothing and leaves no native tensor behind. <see cref="ConventionTests"/>
/// checks for each member that null is refused and that a disposed object throws.
/// </summary>
public partial class BadInputTests
{
    /// <param name="Member">Type and name, as in <c>Embedding.forward</c>. A constructor has the type's name twice.</param>
    /// <param name="Input">What is bad.</param>
    /// <param name="Exception">The exact type of the exception.</param>
    /// <param name="Words">What the message contains.</param>
    private sealed record BadCall(string Member, string Input, Type Exception, string[] Words, Action<World> Call);

    private static BadCall Throws<TException>(string member, string input, Action<World> call, params string[] words) where TException : Exception =>
        new(member, input, typeof(TException), words, call);

    private static readonly BadCall[] Calls = [.. LayerCalls(), .. BagCalls(), .. OptimizerCalls(), .. StateCalls(), .. RecordCalls(), .. FileCalls()];

    public static IEnumerable<TheoryDataRow<string>> Names =>
        Calls.Select(call => new TheoryDataRow<string>($"{call.Member}: {call.Input}"));

    [Theory]
    [MemberData(nameof(Names))]
    public void ABadCallThrowsAndChangesNothing(string name)
    {
        BadCall call = Calls.Single(each => $"{each.Member}: {each.Input}" == name);
        using var world = new World();
        byte[][] before = world.Snapshot();
        long tensors = LiveTensors();

        Exception? error = null;
        Isolated(() => error = Record.Exception(() => call.Call(world)));

        Assert.NotNull(error);
        Assert.Equal(call.Exception, error.GetType());
        Assert.All(call.Words, word => Assert.Contains(word, error.Message));
        Assert.Equal(before, world.Snapshot());
        Assert.InRange(LiveTensors(), 0, tensors); // fewer if the call disposed something first
    }

    /// <summary>The message of each bad call, without the names of temporary folders and the line that .NET itself adds.</summary>
    internal static Dictionary<string, string> Messages() => Calls.ToDictionary(
        call => $"{call.Member}: {call.Input}",
        call =>
        {
            using var world = new World();
            string message = Record.Exception(() => call.Call(world))?.Message ?? "";
            return Regex.Replace(message, @"ew-tëst-[^/]+|[^/]+\.tmp|Actual value was .*", "");
        });

    /// <summary>Members that take arguments, none of which can be bad.</summary>
    private static readonly Dictionary<string, string> NothingBad = new()
    {
        ["Embedding.CheckIndices"] = "a bool",
        ["Embedding.named_parameters"] = "a bool",
        ["Embedding.get_parameter"] = "a name that is not there gives null, as in TorchSharp",
        ["EmbeddingBag.CheckIndices"] = "a bool",
        ["EmbeddingBag.named_parameters"] = "a bool",
        ["EmbeddingBag.get_parameter"] = "as Embedding.get_parameter",
        ["Options.beta1"] = "any number, as in PyTorch's groups; the optimizer's own are checked",
        ["Options.beta2"] = "as beta1",
        ["Options.eps"] = "as beta1",
        ["Options.lr_decay"] = "as beta1",
        ["Options.weight_decay"] = "as beta1",
        ["Options.initial_accumulator_value"] = "as beta1",
        ["Options.momentum"] = "as beta1",
        ["Options.dampening"] = "as beta1",
        ["Options.nesterov"] = "a bool",
        ["SGD.Momentum"] = "as Options.momentum",
        ["ParamGroup.Momentum"] = "as Options.momentum",
        ["SparseOptimizerOptions.maximize"] = "a bool",
        ["SparseAdam.Betas"] = "as Options.beta1",
        ["ParamGroup.Betas"] = "as Options.beta1",
        ["ParamGroup.ParamGroup"] = "the parameters are looked at when the group is added",
        ["SparseOptimizerState.ApproximatelyEquals"] = "nothing is equal to it, as with Equals",
        ["WordVectors.TryGetIndex"] = "a word that is not there is no fault",
        ["LoadProgress.LoadProgress"] = "any numbers: a record",
        ["Neighbor.Neighbor"] = "as LoadProgress",
    };

    [Fact]
    public void EveryMemberThatTakesArgumentsIsInTheTable()
    {
        MemberInfo[] members = [.. new XmlDocumentation().VisibleMembers()];
        string[] tried = [.. Calls.Select(call => call.Member)];
        string[] takeArguments = [.. members.Where(TakesArguments).Select(Name)];
        Assert.Empty(takeArguments.Except(tried).Except(NothingBad.Keys));
        Assert.Empty(tried.Except(members.Select(Name)));
        Assert.Empty(NothingBad.Keys.Except(takeArguments));
        Assert.Empty(NothingBad.Keys.Intersect(tried));

        static string Name(MemberInfo member) =>
            member is ConstructorInfo ? $"{member.DeclaringType!.Name}.{member.DeclaringType.Name}" : $"{member.DeclaringType?.Name}.{member.Name}";

        static bool TakesArguments(MemberInfo member) => member switch
        {
            MethodBase method => method.IsPublic && method.GetParameters().Length > 0,
            PropertyInfo { SetMethod: { IsPublic: true } setter } => setter.ReturnParameter.GetRequiredCustomModifiers().Length == 0, // not init
            _ => false,
        };
    }
}
