using System.Runtime.InteropServices;
using System.Security.Cryptography;
using EmbeddingWrapper.Native;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Optim;

/// <summary>
/// The format of a saved optimizer: a mark, the version of the format, the length of a header, the header, the elements of the tensors, and
/// a checksum (SHA-256) of all that. The header names the optimizer, its options by group, and its tensors with dtypes and shapes. Numbers
/// are little-endian.
/// </summary>
internal static class StateFile
{
    private const int Version = 2, LargestPiece = 1 << 20;
    private const byte None = 0, Dense = 1, Sparse = 2;
    private const string Cut = "The data ends too early.";

    // As in PNG files: the first byte is no text, and the line end shows a transfer as text.
    private static ReadOnlySpan<byte> Mark => [0x89, (byte)'E', (byte)'W', (byte)'O', (byte)'P', (byte)'T', (byte)'\r', (byte)'\n'];

    /// <summary>
    /// How a tensor is saved. A sparse one follows as its indices and its values, in stored order. The strides are those of the tensor or of
    /// the values: how libtorch rounds later depends on them.
    /// </summary>
    private readonly record struct Saved(bool IsSparse, int SparseDims, long Entries, bool IsCoalesced, long[] Strides);

    /// <exception cref="InvalidOperationException">An option is null. Nothing is written then.</exception>
    /// <exception cref="ObjectDisposedException">A state is disposed. Nothing is written then.</exception>
    public static unsafe void Write(SparseOptimizer optimizer, BinaryWriter writer)
    {
        optim.Optimizer.StateDictionary records = optimizer.state_dict();
        ParameterForm[] forms = FormsOf(records);
        byte[] header = Header(optimizer, records, forms);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Put(Mark);
        Put(BitConverter.GetBytes(Version));
        Put(BitConverter.GetBytes(header.Length));
        Put(header);
        foreach ((SparseOptimizerState state, ParameterForm form) in records.State.Cast<SparseOptimizerState>().Zip(forms))
        {
            foreach (Tensor tensor in state.RequireTensors().OfType<Tensor>())
            {
                using Tensor? indices = tensor.is_sparse ? tensor.SparseIndices : null, values = tensor.is_sparse ? tensor.SparseValues : null;
                if (indices is not null) PutTensor(indices, ScalarType.Int64);
                PutTensor(values ?? tensor, form.Dtype);
            }
        }
        writer.Write(hash.GetHashAndReset());

        void PutTensor(Tensor tensor, ScalarType dtype)
        {
            using Tensor here = tensor.to(dtype, CPU), plain = here.contiguous();
            byte* at = TensorMemory.Address<byte>(plain);
            for (long left = Bytes(plain), piece; left > 0; at += piece, left -= piece)
                Put(new(at, (int)(piece = Math.Min(left, LargestPiece))));
        }

        void Put(ReadOnlySpan<byte> bytes)
        {
            hash.AppendData(bytes);
            writer.Write(bytes);
        }
    }

    /// <summary>Reads and checks the whole of a saved optimizer, and changes nothing.</summary>
    /// <exception cref="InvalidDataException">The data is damaged, or was saved by another optimizer.</exception>
    public static unsafe StagedState Read(SparseOptimizer optimizer, BinaryReader reader)
    {
        optim.Optimizer.StateDictionary records = optimizer.state_dict();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] mark = Take(Mark.Length);
        if (!mark.AsSpan().SequenceEqual(Mark))
            throw Unexpected("mark", Convert.ToHexString(mark), Convert.ToHexString(Mark));
        Expect("version of the format", BitConverter.ToInt32(Take(sizeof(int))), Version);
        int length = BitConverter.ToInt32(Take(sizeof(int))), longest = LargestPiece + (1024 * records.State.Count);
        if (length < 0 || length > longest) throw Unexpected("length of the header", length, $"at most {longest}");

        var staged = new StagedState();
        try
        {
            using var normal = inference_mode(false); // an inference tensor could not be updated outside inference mode
            ParameterForm[] forms = FormsOf(records);
            foreach (((SparseOptimizerState state, long step, Saved?[] there), ParameterForm form) in
                ReadHeader(Take(length), optimizer, records, forms, staged).Zip(forms))
            {
                var tensors = new Tensor?[there.Length];
                staged.Add(state, step, tensors); // disposes them if the rest is damaged
                for (int i = 0; i < there.Length; i++) tensors[i] = there[i] is { } saved ? TakeState(form, saved) : null;
            }
            byte[] computed = hash.GetHashAndReset(), stored = reader.ReadBytes(computed.Length);
            if (!stored.SequenceEqual(computed))
                throw Unexpected("checksum", Convert.ToHexString(stored), Convert.ToHexString(computed));
            return staged;
        }
        catch
        {
            staged.Dispose();
            throw;
        }

        byte[] Take(int count)
        {
            byte[] bytes = reader.ReadBytes(count);
            if (bytes.Length < count) throw new InvalidDataException(Cut);
            hash.AppendData(bytes);
            return bytes;
        }

        Tensor TakeState(ParameterForm parameter, Saved saved)
        {
            if (!saved.IsSparse) return TakeStrided(parameter.Shape, saved.Strides, parameter);
            using DisposeScope scope = NewDisposeScope();
            try
            {
                Tensor indices = TakeTensor([saved.SparseDims, saved.Entries], ScalarType.Int64, parameter.Device);
                Tensor values = TakeStrided([saved.Entries, .. parameter.Shape[saved.SparseDims..]], saved.Strides, parameter);
                Tensor entries = sparse_coo_tensor(indices, values, parameter.Shape, device: parameter.Device);
                return new SparseGradient(entries, negate: false, saved.IsCoalesced).All.DetachFromDisposeScope();
            }
            catch (Exception error) when (error is InvalidOperationException or ExternalException) // a bad index, or too many entries
            {
                throw new InvalidDataException($"The entries of a sparse tensor do not fit: {error.Message.Split('\n')[0]}", error);
            }
        }

        Tensor TakeStrided(long[] shape, long[] strides, ParameterForm parameter)
        {
            Tensor tensor = TakeTensor(shape, parameter.Dtype, parameter.Device);
            if (tensor.numel() == 0 || tensor.stride().SequenceEqual(strides)) return tensor;
            using (tensor)
            {
                if (!IsDense(shape, strides))
                    throw Unexpected($"strides of a tensor of shape [{string.Join(", ", shape)}]", string.Join(", ", strides), "one without gaps");
                return empty_strided(shape, strides, parameter.Dtype, parameter.Device).copy_(tensor);
            }
        }

        Tensor TakeTensor(long[] shape, ScalarType dtype, Device device)
        {
            Tensor tensor = empty(shape, dtype, CPU);
            try
            {
                byte* at = TensorMemory.Address<byte>(tensor);
                for (long left = Bytes(tensor); left > 0;)
                {
                    Span<byte> piece = new(at, (int)Math.Min(left, LargestPiece));
                    int read = reader.Read(piece);
                    if (read == 0) throw new InvalidDataException(Cut);
                    hash.AppendData(piece[..read]);
                    at += read;
                    left -= read;
                }
                if (device.type == DeviceType.CPU) return tensor;
                using (tensor) return tensor.to(device);
            }
            catch
            {
                tensor.Dispose();
                throw;
            }
        }
    }

    private static byte[] Header(SparseOptimizer optimizer, optim.Optimizer.StateDictionary records, ParameterForm[] forms)
    {
        var bytes = new MemoryStream();
        var header = new BinaryWriter(bytes);
        header.Write(optimizer.GetType().FullName!);
        header.Write(records.Options.Count);
        foreach ((OptimizerOptions record, List<int> parameters) in records.Options.Zip(records.StateIndexRef))
        {
            header.Write(parameters.Count);
            foreach ((string name, object? value) in ((SparseOptimizerOptions)record).All())
            {
                header.Write(name);
                header.Write(Convert.ToDouble(value ?? throw new InvalidOperationException(
                    "An option is open: it is filled in when the group is added to an optimizer.")));
            }
        }
        foreach ((SparseOptimizerState state, ParameterForm form) in records.State.Cast<SparseOptimizerState>().Zip(forms))
        {
            header.Write(form.ToString());
            header.Write(state.StepCount());
            foreach ((string name, Tensor? tensor) in state.Names().Zip(state.RequireTensors()))
            {
                header.Write(name);
                header.Write((byte)(tensor is null ? None : tensor.is_sparse ? Sparse : Dense));
                if (tensor is null) continue;
                using Tensor? indices = tensor.is_sparse ? tensor.SparseIndices : null, values = tensor.is_sparse ? tensor.SparseValues : null;
                if (indices is not null)
                {
                    header.Write((int)indices.size(0));
                    header.Write(indices.size(1));
                    header.Write(TorchScript.IsCoalesced(tensor));
                }
                foreach (long stride in StridesOf(values ?? tensor)) header.Write(stride);
            }
        }
        return bytes.ToArray();
    }

    /// <returns>For each state its step, and how each of its tensors follows; null if it does not.</returns>
    private static List<(SparseOptimizerState State, long Step, Saved?[] There)> ReadHeader(
        byte[] bytes, SparseOptimizer optimizer, optim.Optimizer.StateDictionary records, ParameterForm[] forms, StagedState staged)
    {
        List<(SparseOptimizerState, long, Saved?[])> states = [];
        var header = new BinaryReader(new MemoryStream(bytes));
        try
        {
            Expect("optimizer", header.ReadString(), optimizer.GetType().FullName!);
            Expect("number of groups", header.ReadInt32(), records.Options.Count);
            foreach (((int group, OptimizerOptions record), List<int> parameters) in records.Options.Index().Zip(records.StateIndexRef))
            {
                Expect($"number of parameters of group {group}", header.ReadInt32(), parameters.Count);
                var options = (SparseOptimizerOptions)record;
                staged.Add(options, [.. options.All().Select(option =>
                {
                    Expect($"option of group {group}", header.ReadString(), option.Key);
                    return header.ReadDouble();
                })]);
            }
            foreach ((int index, SparseOptimizerState state) in records.State.Cast<SparseOptimizerState>().Index())
            {
                Expect($"parameter {index}", header.ReadString(), forms[index].ToString());
                long step = header.ReadInt64();
                states.Add((state, step, [.. state.Names().Select(name =>
                {
                    Expect($"tensor of parameter {index}", header.ReadString(), name);
                    return ReadSaved(header, index, forms[index].Shape.Length);
                })]));
            }
            Expect("length of the header", bytes.Length, (int)header.BaseStream.Position);
            return states;
        }
        catch (Exception error) when (error is EndOfStreamException or FormatException)
        {
            throw new InvalidDataException("The header ends too early.", error);
        }
    }

    private static Saved? ReadSaved(BinaryReader header, int index, int dims)
    {
        byte kind = header.ReadByte();
        if (kind is None) return null;
        if (kind is Dense) return new() { Strides = Strides(dims) };
        if (kind is not Sparse) throw Unexpected($"kind of a tensor of parameter {index}", kind, $"at most {Sparse}");
        (int sparseDims, long entries, bool isCoalesced) = (header.ReadInt32(), header.ReadInt64(), header.ReadBoolean());
        if (sparseDims < 1 || sparseDims > dims)
            throw Unexpected($"number of sparse dimensions of parameter {index}", sparseDims, $"1 to {dims}");
        if (entries < 0) throw Unexpected($"number of entries of parameter {index}", entries, "0 or more");
        return new Saved(true, sparseDims, entries, isCoalesced, Strides(1 + dims - sparseDims));

        long[] Strides(int count) => [.. Enumerable.Range(0, count).Select(_ => header.ReadInt64())];
    }

    /// <summary>The strides of a tensor, or row-major ones if it has gaps.</summary>
    private static long[] StridesOf(Tensor tensor)
    {
        long[] shape = tensor.shape, strides = tensor.stride();
        if (IsDense(shape, strides)) return strides;
        long elements = 1;
        for (int dim = shape.Length - 1; dim >= 0; dim--) (strides[dim], elements) = (elements, elements * shape[dim]);
        return strides;
    }

    /// <summary>Whether the elements lie next to each other, in any order of the dimensions. The stride of a single element may be smaller.</summary>
    private static bool IsDense(long[] shape, long[] strides)
    {
        long elements = 1;
        foreach ((long size, long stride) in shape.Zip(strides).Where(each => each.First > 1).OrderBy(each => each.Second))
        {
            if (stride != elements) return false;
            elements *= size;
        }
        return shape.Zip(strides).All(each => each.First != 1 || (each.Second >= 0 && each.Second <= elements));
    }

    private static ParameterForm[] FormsOf(optim.Optimizer.StateDictionary records) =>
        [.. records.State.Cast<SparseOptimizerState>().Select(state => state.FormOfParameter())];

    private static long Bytes(Tensor tensor) => tensor.numel() * tensor.ElementSize;

    private static void Expect<T>(string what, T found, T expected) where T : IEquatable<T>
    {
        if (!found.Equals(expected)) throw Unexpected(what, found, expected);
    }

    private static InvalidDataException Unexpected(string what, object found, object expected) =>
        new(FormattableString.Invariant($"This is no saved state of such an optimizer: the {what} is {found}, and {expected} is needed."));
}

/// <summary>The dtype, shape and device of a parameter. The file of its state must have the same dtype and shape.</summary>
internal readonly record struct ParameterForm(ScalarType Dtype, long[] Shape, Device Device)
{
    public override string ToString() => $"{Dtype} [{string.Join(", ", Shape)}]";
}
