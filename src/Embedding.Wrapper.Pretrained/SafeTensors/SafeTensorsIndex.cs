namespace EmbeddingWrapper.Pretrained;

/// <summary>
/// The index of a checkpoint in several files, <c>model.safetensors.index.json</c>: it says which tensor is in which file. The parser
/// reads bytes only; it opens nothing.
/// </summary>
internal sealed class SafeTensorsIndex
{
    private const int LongestName = 255; // of a file, on every file system in use

    /// <param name="content">The content of the index.</param>
    /// <param name="file">The name of the index, for messages.</param>
    /// <exception cref="InvalidDataException">The index is damaged.</exception>
    public SafeTensorsIndex(ReadOnlySpan<byte> content, string file)
    {
        var json = new StrictJson(file, 0, content);
        var seen = new HashSet<string>();
        json.StartObject("the index");
        while (json.NextName(seen, SafeTensorsHeader.MostNames, out string name))
        {
            if (name == "weight_map") ParseFiles(ref json);
            else if (name == "metadata") ParseMetadata(ref json);
            else json.Skip();
        }
        json.End();
        if (!seen.Contains("weight_map")) throw json.Fault("there is no weight_map.");
    }

    /// <summary>The file of each tensor, a name without a folder, and where the index says so, in bytes.</summary>
    public List<(string Tensor, string File, long Place)> Files { get; } = [];

    /// <summary>The metadata of the whole checkpoint; numbers as text.</summary>
    public Dictionary<string, string> Metadata { get; } = [];

    private void ParseFiles(ref StrictJson json)
    {
        var seen = new HashSet<string>();
        json.StartObject("weight_map");
        while (json.NextName(seen, SafeTensorsHeader.MostNames, out string tensor))
        {
            string file = json.ReadString("weight_map");
            if (file is "" or "." or ".." || file.Length > LongestName || file.AsSpan().ContainsAny("/\\:\0"))
                throw json.Fault($"{FileFault.Quote(file)} is not the name of a file in the folder of the index.");
            Files.Add((tensor, file, json.Place));
        }
    }

    private void ParseMetadata(ref StrictJson json)
    {
        var seen = new HashSet<string>();
        json.StartObject("metadata");
        while (json.NextName(seen, SafeTensorsHeader.MostNames, out string key)) Metadata.Add(key, json.ReadAny());
    }
}
