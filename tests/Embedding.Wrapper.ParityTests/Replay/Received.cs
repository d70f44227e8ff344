using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Replay;

/// <summary>
/// What .NET gave in a scenario that failed, in the golden's own format, beside the golden in the source tree: the two can be laid
/// side by side by any tool that compares files. Git ignores it, and the next run that passes removes it.
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

    /// <summary>The scenario's name as a part of a file name: two scenarios of one family never share it.</summary>
    public static string Slug(string name)
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

        // Something was lost, and another name may have lost it too.
        string hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name)))[..6];
        return $"{text[..Math.Min(text.Length, LongestSlug)]}.{hash}";
    }

    private static string PathOf(Scenario scenario, Device device)
    {
        string onDevice = device.type == DeviceType.CPU ? "" : ".cuda";
        return Path.Combine(Folder, $"{scenario.File.Family}.{Slug(scenario.Name)}{onDevice}.received.json");
    }

    private static string Folder => GoldenFile.OtherFolder ?? SourceFolder();

    private static string SourceFolder([CallerFilePath] string thisFile = "")
    {
        string goldens = Path.Combine(Path.GetDirectoryName(thisFile)!, "..", "Goldens");
        return Path.GetFullPath(Directory.Exists(goldens) ? goldens : AppContext.BaseDirectory); // the tests may run where they were not built
    }
}
