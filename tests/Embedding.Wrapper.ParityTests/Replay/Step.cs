using System.Text.Json;

namespace EmbeddingWrapper.ParityTests.Replay;

/// <summary>One line of a golden: what to do, and what PyTorch gave.</summary>
internal sealed class Step
{
    private static readonly string[] Results = ["gives", "raises"];
    private static readonly string[] Remarks = ["dotnet", "tolerance"];

    private readonly JsonElement _json;

    public Step(JsonElement json)
    {
        _json = json;
        Do = json.GetProperty("do").GetString()!;
        if (json.TryGetProperty("gives", out JsonElement gives)) Gives = gives;
        if (json.TryGetProperty("raises", out JsonElement raises))
        {
            bool differs = json.TryGetProperty("dotnet", out JsonElement dotnet);
            string text = raises.GetProperty("text").GetString()!;
            Raises = new ExpectedError(Do, text, differs ? dotnet.GetProperty("text").GetString() : null);
        }
        if (json.TryGetProperty("tolerance", out JsonElement tolerance)) Ulp = tolerance.GetProperty("ulp").GetUInt64();
    }

    public string Do { get; }

    public JsonElement? Gives { get; }

    public ExpectedError? Raises { get; }

    /// <summary>How many units in the last place a float may differ by. It is zero unless the golden names a tolerance.</summary>
    public ulong Ulp { get; }

    /// <summary>The step without its result, as the file spells it.</summary>
    public string Declared => $"{{{string.Join(", ", Members(IsDeclared))}}}";

    /// <summary>PyTorch's result, as the file spells it: <c>"gives": ...</c> or <c>"raises": ...</c>.</summary>
    public string? Expected => Members(member => Results.Contains(member.Name)).SingleOrDefault();

    public Arguments Arguments() => new(_json.EnumerateObject().Where(member => IsDeclared(member) && member.Name != "do"));

    /// <summary>The line of the golden, with <paramref name="result"/> in the place of PyTorch's.</summary>
    public string With(string? result)
    {
        IEnumerable<string> results = result is null ? [] : [result];
        IEnumerable<string> remarks = Members(member => Remarks.Contains(member.Name));
        return $"{{{string.Join(", ", [.. Members(IsDeclared), .. results, .. remarks])}}}";
    }

    private static bool IsDeclared(JsonProperty member) => !Results.Contains(member.Name) && !Remarks.Contains(member.Name);

    private IEnumerable<string> Members(Func<JsonProperty, bool> wanted) =>
        _json.EnumerateObject().Where(wanted).Select(GoldenText.Member);
}

/// <summary>
/// The arguments of a step. They record which were read, so that an argument that the step's method does not know is an error.
/// </summary>
internal sealed class Arguments(IEnumerable<JsonProperty> members)
{
    private readonly Dictionary<string, JsonElement> _unread =
        members.ToDictionary(member => member.Name, member => member.Value);

    /// <exception cref="GoldenFormatException">An argument was not read.</exception>
    public void ThrowIfUnread(string of)
    {
        if (_unread.Count > 0) throw new GoldenFormatException($"{of} has no argument '{_unread.Keys.First()}'.");
    }

    public JsonElement Required(string name) =>
        Optional(name) ?? throw new GoldenFormatException($"The argument '{name}' is missing.");

    public JsonElement? Optional(string name) => _unread.Remove(name, out JsonElement value) ? value : null;

    public string Text(string name) => Required(name).GetString()!;

    public string? OptionalText(string name) => Optional(name)?.GetString();

    public long Integer(string name) => Required(name).GetInt64();

    public long? OptionalInteger(string name) => Optional(name)?.GetInt64();

    public bool Flag(string name, bool otherwise = false) => OptionalFlag(name) ?? otherwise;

    public bool? OptionalFlag(string name) => Optional(name)?.GetBoolean();

    public double Number(string name) => GoldenText.Number(Required(name));

    public double? OptionalNumber(string name) => Optional(name) is { } value ? GoldenText.Number(value) : null;

    public IEnumerable<string> Texts(string name) => Required(name).EnumerateArray().Select(entry => entry.GetString()!);

    public long[] Integers(string name) => [.. Required(name).EnumerateArray().Select(entry => entry.GetInt64())];
}

/// <summary>The golden is wrong, not the library: it contains something that parity-scripts/README.md does not describe.</summary>
internal sealed class GoldenFormatException(string message) : Exception(message);
