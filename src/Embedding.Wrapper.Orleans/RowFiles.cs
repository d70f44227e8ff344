using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using EmbeddingWrapper.Pretrained;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Orleans;

/// <summary>
/// The files of rows. A checkpoint has one safetensors file for each shard, and the index <c>model.safetensors.index.json</c>. The rows of
/// shard 3 are <c>weight.3</c>, and the optimizer's tensors have PyTorch's names with the same end: <c>exp_avg.3</c>.
/// </summary>
internal static class RowFiles
{
    public const string Weight = "weight";
    private const string IndexName = "model.safetensors.index.json", StepText = "step", CheckpointText = "checkpoint";

    /// <summary>A part of a table that is in a file, mapped where it is one piece there. Null if the file has no such tensor.</summary>
    /// <param name="file">The file.</param>
    /// <param name="name">The name of the tensor, which the file has as a whole or in parts: <c>name.0</c>, <c>name.1</c>.</param>
    /// <param name="start">The first row.</param>
    /// <param name="count">How many rows.</param>
    /// <param name="rows">How many rows the whole must have.</param>
    /// <param name="width">How long each must be.</param>
    /// <returns><c>[count, width]</c>. The caller disposes it.</returns>
    /// <exception cref="InvalidDataException">The tensor has another shape or dtype.</exception>
    public static Tensor? Read(SafeTensorsFile file, string name, long start, long count, long rows, int width)
    {
        using DisposeScope scope = NewDisposeScope();
        List<Tensor> pieces = [];
        long at = 0;
        foreach (Tensor part in Parts(file, name))
        {
            if (part.dtype != ScalarType.Float32 || part.dim() != 2 || part.size(1) != width)
            {
                throw new InvalidDataException($"The tensor '{name}' is {part.dtype} [{string.Join(", ", part.shape)}], "
                    + $"and the table is {ScalarType.Float32} [{rows}, {width}].");
            }
            (long from, long to) = (Math.Max(at, start), Math.Min(at + part.size(0), start + count));
            if (from < to) pieces.Add(part.narrow(0, from - at, to - from));
            at += part.size(0);
        }
        if (at == 0) return null;
        if (at != rows) throw new InvalidDataException($"The tensor '{name}' has {at} rows, and the table {rows}.");
        return (pieces is [var one] ? one : cat(pieces)).MoveToOuterDisposeScope();
    }

    /// <summary>A tensor as it is in a file, whole or in parts. The dispose scope disposes the parts.</summary>
    public static IEnumerable<Tensor> Parts(SafeTensorsFile file, string name)
    {
        if (file.Names.Contains(name))
        {
            yield return file.Read(name);
            yield break;
        }
        for (int i = 0; file.Names.Contains(PartName(name, i)); i++) yield return file.Read(PartName(name, i));
    }

    public static string PartName(string name, int shard) => string.Create(CultureInfo.InvariantCulture, $"{name}.{shard}");

    /// <summary>Writes the file of one shard.</summary>
    public static void Write(string folder, long step, Guid checkpoint, int shard, int shards, Dictionary<string, Tensor> tensors)
    {
        Directory.CreateDirectory(folder);
        SafeTensorsFile.Save(Path.Combine(folder, FileName(step, checkpoint, shard, shards)),
            tensors.ToDictionary(tensor => PartName(tensor.Key, shard), tensor => tensor.Value));
    }

    /// <summary>
    /// Writes the index, in one step that succeeds or does nothing, and then removes the files of older checkpoints. Each file is opened
    /// first, so a checkpoint that is incomplete never counts.
    /// </summary>
    /// <exception cref="FileNotFoundException">The file of a shard is not in the folder.</exception>
    public static void Commit(string folder, long step, Guid checkpoint, int shards)
    {
        var files = new Dictionary<string, string>();
        long bytes = 0;
        for (int shard = 0; shard < shards; shard++)
        {
            string name = FileName(step, checkpoint, shard, shards);
            using SafeTensorsFile file = SafeTensorsFile.Open(Path.Combine(folder, name));
            foreach (string tensor in file.Names)
            {
                files.Add(tensor, name);
                using Tensor mapped = file.Read(tensor);
                bytes += mapped.numel() * mapped.ElementSize;
            }
        }
        string index = Path.Combine(folder, IndexName), temporary = $"{index}.{checkpoint:N}.tmp";
        using (FileStream file = File.Create(temporary))
        {
            JsonSerializer.Serialize(file, new Dictionary<string, object>
            {
                ["metadata"] = new Dictionary<string, object> { ["total_size"] = bytes, [StepText] = step, [CheckpointText] = checkpoint },
                ["weight_map"] = files,
            }, new JsonSerializerOptions { WriteIndented = true });
            file.Flush(flushToDisk: true);
        }
        File.Move(temporary, index, overwrite: true);

        var kept = files.Values.ToHashSet();
        foreach (string old in Directory.GetFiles(folder, "step-*.safetensors").Concat(Directory.GetFiles(folder, $"{IndexName}.*.tmp")))
        {
            if (kept.Contains(Path.GetFileName(old))) continue;
            try
            {
                File.Delete(old);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // Windows keeps a file that a shard has mapped. The next commit removes it.
            }
        }
    }

    /// <summary>Opens the checkpoint in a folder. Null if there is none.</summary>
    public static SafeTensorsFile? Open(string? folder, out long step, out Guid checkpoint)
    {
        (step, checkpoint) = (0, Guid.Empty);
        string? index = folder is null ? null : Path.Combine(folder, IndexName);
        if (!File.Exists(index)) return null;
        SafeTensorsFile file = SafeTensorsFile.Open(index);
        if (file.Metadata.TryGetValue(StepText, out string? number)
            && long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out step)
            && file.Metadata.TryGetValue(CheckpointText, out string? id) && Guid.TryParse(id, out checkpoint))
        {
            return file;
        }
        file.Dispose();
        throw new InvalidDataException($"{index} is no checkpoint of a table: its metadata has no step.");
    }

    /// <summary>A copy of the numbers of a contiguous tensor on the CPU.</summary>
    public static T[] Numbers<T>(Tensor tensor) where T : unmanaged =>
        tensor.numel() == 0 ? [] : MemoryMarshal.Cast<byte, T>(tensor.bytes).ToArray();

    private static string FileName(long step, Guid checkpoint, int shard, int shards) =>
        string.Create(CultureInfo.InvariantCulture, $"step-{step}-{checkpoint:N}-{shard + 1:00000}-of-{shards:00000}.safetensors");
}
