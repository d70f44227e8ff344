using System.Text.Json;

namespace EmbeddingWrapper.ParityTests.Replay;

/// <summary>A file of scenarios in the format of parity-scripts/README.md.</summary>
internal sealed class GoldenFile
{
    private const string Suffix = ".verified.json";

    /// <summary>The environment variable that names another folder of scenario files to replay.</summary>
    private const string FolderVariable = "EMBEDDING_WRAPPER_GOLDENS";

    private static readonly Lazy<IReadOnlyList<GoldenFile>> OwnFiles =
        new(() => In(Path.Combine(AppContext.BaseDirectory, "Goldens")));

    private static readonly Lazy<IReadOnlyList<GoldenFile>> FilesToReplay =
        new(() => OtherFolder is { } folder ? In(folder) : Own);

    private GoldenFile(string path)
    {
        JsonElement json = JsonDocument.Parse(File.ReadAllBytes(path)).RootElement;
        Family = json.GetProperty("family").GetString()!;
        About = json.GetProperty("about").GetString()!;
        Scenarios = [.. json.GetProperty("scenarios").EnumerateArray().Select(scenario => new Scenario(this, scenario))];
    }

    /// <summary>The goldens of this repository.</summary>
    public static IReadOnlyList<GoldenFile> Own => OwnFiles.Value;

    /// <summary>The goldens of the folder that the environment names, or else those of this repository.</summary>
    public static IReadOnlyList<GoldenFile> ToReplay => FilesToReplay.Value;

    public static string? OtherFolder =>
        Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } folder ? Path.GetFullPath(folder) : null;

    public string Family { get; }

    public string About { get; }

    public IReadOnlyList<Scenario> Scenarios { get; }

    private static IReadOnlyList<GoldenFile> In(string folder) =>
        [.. Directory.GetFiles(folder, $"*{Suffix}").Order(StringComparer.Ordinal).Select(path => new GoldenFile(path))];
}

/// <summary>Steps, and what PyTorch gave at each.</summary>
internal sealed class Scenario
{
    private readonly JsonElement _json;

    public Scenario(GoldenFile file, JsonElement json)
    {
        _json = json;
        File = file;
        Name = json.GetProperty("name").GetString()!;
        Proves = [.. json.GetProperty("proves").EnumerateArray().Select(item => item.GetString()!)];
        Steps = [.. json.GetProperty("steps").EnumerateArray().Select(step => new Step(step))];
    }

    public GoldenFile File { get; }

    public string Name { get; }

    /// <summary>The unique name of the scenario in tables and reports.</summary>
    public string FullName => $"{File.Family}: {Name}";

    /// <summary>The items of the specification that it proves, such as <c>N2</c>.</summary>
    public IReadOnlyList<string> Proves { get; }

    public IReadOnlyList<Step> Steps { get; }

    /// <summary>The members before the steps, as the file spells them.</summary>
    public string HeadText => string.Join(", ",
        _json.EnumerateObject().Where(member => !member.NameEquals("steps")).Select(GoldenText.Member));

    /// <summary>
    /// False for steps that differ on CUDA. CUDA does not report a bad index, its messages name other types, a module that refills
    /// itself draws other random numbers, and a printed tensor names its device.
    /// </summary>
    public bool CanRunOnCuda =>
        Steps.All(step => step.Do is not ("reset_parameters" or "print") && step.Raises is not { IsOfTheCpu: true });
}
