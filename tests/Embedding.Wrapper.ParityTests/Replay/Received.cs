using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Replay;

/// <summary>
/// Writes what .NET gave in a scenario that failed. The file has the golden's format and lies beside the golden in the source tree,
/// so that any tool can compare the two. Git ignores it, and the next run that passes removes it.
/// </summary>
internal static class Received
{
    private const int LongestSlug = 120;

    public static string Write(Scenario scenario, Device device, IEnumerable<string> steps)
    {
        string path = PathOf(scenario, device);
        string text = $$"""
            {
             {{GoldenText.Member("family", GoldenText.Quoted(scenario.File.Family))}},
             {{GoldenText.Member("about", GoldenText.Quoted(scenario.File.About))}},
             "scenarios": [
              {{{scenario.HeadText}},
               "steps": [
                {{string.Join(",\n    ", steps)}}
               ]}
             ]
            }

            """;
        File.WriteAllText(path, text);
        return path;
    }

    public static void Delete(Scenario scenario, Device device) => File.Delete(PathOf(scenario, device));

    public static string FileName(Scenario scenario, Device device)
    {
        string onDevice = device.type == DeviceType.CPU ? "" : ".cuda";
        return $"{scenario.File.Family}.{Slug(scenario.Name)}{onDevice}.received.json";
    }

    /// <summary>The scenario's name as a part of a file name.</summary>
    private static string Slug(string name)
    {
        var slug = new StringBuilder();
        foreach (char letter in name)
        {
            bool keeps = char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_' or '.' or '=';
            if (keeps) slug.Append(letter);
            else if (slug.Length > 0 && slug[^1] != ' ') slug.Append(' ');
        }
        string text = slug.ToString().TrimEnd().Replace(' ', '-');
        if (text == name) return text;

        // The text has lost characters, and another name may have become the same text: a hash tells them apart.
        string hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name)))[..6];
        return $"{text[..Math.Min(text.Length, LongestSlug)]}.{hash}";
    }

    private static string PathOf(Scenario scenario, Device device) =>
        Path.Combine(GoldenFile.OtherFolder ?? SourceFolder(), FileName(scenario, device));

    private static string SourceFolder([CallerFilePath] string thisFile = "")
    {
        string goldens = Path.Combine(Path.GetDirectoryName(thisFile)!, "..", "Goldens");
        bool builtHere = Directory.Exists(goldens); // the tests may run on another machine than the build
        return Path.GetFullPath(builtHere ? goldens : AppContext.BaseDirectory);
    }
}
