using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using EmbeddingWrapper.Native;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Pretrained;

public sealed partial class SafeTensorsFile
{
    private const int HeaderAlignment = 8;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>
    /// Writes tensors to a file. The bytes are those that the reference implementation writes: tensors with the widest elements come
    /// first, then the order is by name, and spaces fill the header up to a multiple of 8 bytes. The reference implementation does not
    /// define the order of several <paramref name="metadata"/>; here it is the order in which they are given.
    /// </summary>
    /// <remarks>
    /// The file is written under another name in the same folder, flushed to the disk and renamed. If anything fails, an older file
    /// stays as it was. It is therefore safe to save over the file that the tensors were read from. (Windows refuses to replace a
    /// mapped file; the call then throws an <see cref="IOException"/>.) A symbolic link stays, and its target is replaced. The mode of an
    /// older file is kept. A process that is killed leaves at most a file <c>.embedding-wrapper-….tmp</c>, which the next call removes.
    /// </remarks>
    /// <param name="path">The file to write. An existing file is replaced.</param>
    /// <param name="tensors">
    /// The tensors by name, of any strides and on any device. Each is saved completely and contiguously. They are not changed. Tied
    /// tensors, names for the same memory with the same shape, are written once, under the name that comes first by code points.
    /// </param>
    /// <param name="metadata">
    /// Texts to save with them. Default: none. As Python's <c>save_model</c> does, each other name of a tied tensor becomes a text that
    /// holds the name that was written: <see cref="ReadAll"/> then gives both.
    /// </param>
    /// <exception cref="ArgumentNullException"><paramref name="path"/> or <paramref name="tensors"/> is null.</exception>
    /// <exception cref="ArgumentException">
    /// <paramref name="path"/> is empty or no path; a tensor is null, sparse, or on the meta device; a name is <c>__metadata__</c>; a
    /// name or text is not valid Unicode; a text is null; tensors overlap in memory but are not the same (the message has both names);
    /// a text has the name of a tied tensor; a tensor has more than 64 dimensions; the header would be longer than a reader accepts.
    /// </exception>
    /// <exception cref="NotSupportedException">The format lacks the dtype: complex128 and the quantized ones.</exception>
    /// <exception cref="IOException">The file cannot be written, or the path is a folder, a pipe, a device or a socket.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written.</exception>
    /// <exception cref="ObjectDisposedException">A tensor is disposed. The exception's object name is the tensor's name.</exception>
    /// <exception cref="OutOfMemoryException">There is not enough memory to make a tensor contiguous.</exception>
    public static void Save(string path, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(tensors);
        using ReadGate.Reading memory = ReadGate.EnterAll(tensors.Values.Where(tensor => tensor is { IsInvalid: false })); // no conversion meanwhile
        List<Named> sorted = Sort(tensors);
        Dictionary<string, string>? texts = RemoveTied(sorted, metadata);
        byte[] header = Header(sorted, texts);
        AtomicFile.Write(path, file =>
        {
            file.Write(header);
            foreach (Named named in sorted) Write(file, named);
        });
    }

    /// <param name="Name">The name.</param>
    /// <param name="Utf8">The name in UTF-8. The bytes sort as code points do; chars do not.</param>
    /// <param name="Tensor">The caller's tensor.</param>
    /// <param name="Type">The index of its type in <see cref="SafeTensorsType.All"/>.</param>
    private sealed record Named(string Name, byte[] Utf8, Tensor Tensor, int Type);

    private static List<Named> Sort(IReadOnlyDictionary<string, Tensor> tensors)
    {
        var sorted = new List<Named>(tensors.Count);
        foreach ((string name, Tensor tensor) in tensors)
        {
            string shown = FileFault.Quote(name);
            if (name == SafeTensorsHeader.MetadataName) throw Refused($"No tensor can be called {shown}.");
            if (tensor is null) throw Refused($"The tensor {shown} is null.");
            Guard.ThrowIfNullOrDisposed(tensor, name);
            if (tensor.is_sparse) throw Refused($"The tensor {shown} is sparse, and the format holds dense ones.");
            if (tensor.is_meta) throw Refused($"The tensor {shown} is on the meta device: it has no values.");
            if (tensor.dim() > SafeTensorsHeader.MostDimensions)
                throw Refused($"The tensor {shown} has {tensor.dim()} dimensions, and {SafeTensorsHeader.MostDimensions} is the limit.");
            int type = Array.FindIndex(SafeTensorsType.All, type => type.Dtype == tensor.dtype);
            if (type < 0)
                throw new NotSupportedException($"The tensor {shown} is of dtype {tensor.dtype}, which the format does not have.");
            try
            {
                sorted.Add(new Named(name, StrictUtf8.GetBytes(name), tensor, type));
            }
            catch (EncoderFallbackException error)
            {
                throw new ArgumentException($"The name {shown} holds half of a surrogate pair.", nameof(tensors), error);
            }
        }
        sorted.Sort((a, b) => a.Type != b.Type ? a.Type.CompareTo(b.Type) : a.Utf8.AsSpan().SequenceCompareTo(b.Utf8));
        return sorted;

        static ArgumentException Refused(string why) => new(why, nameof(tensors));
    }

    /// <summary>Removes tensors that would be written twice, and records their names as Python's <c>save_model</c> does.</summary>
    /// <returns>The metadata with these names.</returns>
    private static Dictionary<string, string>? RemoveTied(List<Named> sorted, IReadOnlyDictionary<string, string>? metadata)
    {
        Dictionary<string, string> tied;
        try
        {
            tied = TiedTensors.Find(sorted.Select(named => (named.Name, named.Tensor)));
        }
        catch (ExternalException error)
        {
            throw NativeErrors.Translate(error);
        }
        if (tied.Count == 0) return metadata?.ToDictionary();
        sorted.RemoveAll(named => tied.ContainsKey(named.Name));
        Dictionary<string, string> texts = metadata?.ToDictionary() ?? [];
        foreach ((string name, string kept) in tied)
        {
            if (!texts.TryAdd(name, kept) && texts[name] != kept)
            {
                throw new ArgumentException(
                    $"{FileFault.Quote(name)} is tied to {FileFault.Quote(kept)}: the text of that name has to say so.", nameof(metadata));
            }
        }
        return texts;
    }

    /// <summary>The length of the header, then the header: JSON without white space, as the reference implementation writes it.</summary>
    private static byte[] Header(List<Named> tensors, Dictionary<string, string>? metadata)
    {
        if (tensors.Count + (metadata?.Count ?? 0) > SafeTensorsHeader.MostNames)
            throw new ArgumentException($"There are more than {SafeTensorsHeader.MostNames} tensors and texts.", nameof(tensors));
        var json = new StringBuilder("{");
        if (metadata is not null)
        {
            string texts = string.Join(',', metadata.Select(text => $"{Json(text.Key)}:{Json(text.Value)}"));
            json.Append($"\"{SafeTensorsHeader.MetadataName}\":{{{texts}}},");
        }
        long start = 0;
        foreach ((string name, _, Tensor tensor, int type) in tensors)
        {
            long end = start + tensor.numel() * tensor.ElementSize;
            json.Append($"{Json(name)}:{{\"dtype\":\"{SafeTensorsType.All[type].Name}\",\"shape\":[{string.Join(',', tensor.shape)}],");
            json.Append($"\"data_offsets\":[{start},{end}]}},");
            start = end;
        }
        if (json[^1] == ',') json.Length--;
        json.Append('}');

        byte[] text;
        try
        {
            text = StrictUtf8.GetBytes(json.ToString());
        }
        catch (EncoderFallbackException error)
        {
            throw new ArgumentException("A text holds half of a surrogate pair.", nameof(metadata), error);
        }
        int length = (text.Length + HeaderAlignment - 1) / HeaderAlignment * HeaderAlignment;
        if (length > SafeTensorsHeader.Longest)
            throw new ArgumentException($"The header has {length} bytes, and {SafeTensorsHeader.Longest} is the limit.", nameof(tensors));
        var header = new byte[sizeof(ulong) + length];
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)length);
        text.CopyTo(header, sizeof(ulong));
        header.AsSpan(sizeof(ulong) + text.Length).Fill((byte)' ');
        return header;
    }

    private static string Json(string text)
    {
        var json = new StringBuilder("\"");
        foreach (char c in text ?? throw new ArgumentException("A text is null.", "metadata"))
        {
            json.Append(c switch
            {
                '"' => "\\\"",
                '\\' => @"\\",
                '\b' => @"\b",
                '\f' => @"\f",
                '\n' => @"\n",
                '\r' => @"\r",
                '\t' => @"\t",
                < ' ' => $"\\u{(int)c:x4}",
                _ => null,
            });
            if (c is not (< ' ' or '"' or '\\')) json.Append(c);
        }
        return json.Append('"').ToString();
    }

    private static void Write(FileStream file, Named named)
    {
        try
        {
            Write(file, named.Tensor);
        }
        catch (ExternalException error)
        {
            throw NativeErrors.Translate(error);
        }
    }

    private static unsafe void Write(FileStream file, Tensor tensor)
    {
        const long most = 1 << 30; // bytes of a span

        // libtorch may defer a conjugation or a negation; the memory then does not hold the value.
        using Tensor detached = tensor.detach();
        if (detached.has_names()) detached.rename_(null); // the calls below refuse named tensors
        using Tensor here = detached.cpu();
        using Tensor conjugated = here.resolve_conj();
        using Tensor plain = conjugated.resolve_neg();
        using Tensor contiguous = plain.contiguous();
        byte* start = TensorMemory.Address<byte>(contiguous);
        long length = contiguous.numel() * contiguous.ElementSize;
        for (long done = 0; done < length; done += most)
            file.Write(new ReadOnlySpan<byte>(start + done, (int)Math.Min(most, length - done)));
    }
}
