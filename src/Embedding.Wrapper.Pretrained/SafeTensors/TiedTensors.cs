using EmbeddingWrapper.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Pretrained;

/// <summary>Finds tensors that share memory, which a file would hold twice.</summary>
internal static class TiedTensors
{
    /// <summary>Finds the names of tensors that are all of another tensor: the same memory, shape and strides.</summary>
    /// <param name="tensors">Dense tensors. Of several names for one tensor the first is kept.</param>
    /// <returns>The name that is kept, by each other name.</returns>
    /// <exception cref="ArgumentException">Tensors overlap in any other way. The message has both names.</exception>
    public static Dictionary<string, string> Find(IEnumerable<(string Name, Tensor Tensor)> tensors)
    {
        var kept = new Dictionary<string, string>();
        foreach (var device in tensors.Where(named => named.Tensor.numel() > 0).GroupBy(named => named.Tensor.device.ToString()))
        {
            List<View> before = []; // those that end behind the start of the next one
            foreach (View view in device.Select(named => new View(named.Name, named.Tensor)).OrderBy(view => view.Start)) // a stable order
            {
                before.RemoveAll(other => other.End <= view.Start);
                if (before.Find(other => other.IsSame(view)) is { } same)
                {
                    kept.Add(view.Name, same.Name);
                    continue;
                }
                if (before.Find(other => other.Overlaps(view)) is { } overlapping)
                {
                    string both = $"{FileFault.Quote(overlapping.Name)} and {FileFault.Quote(view.Name)}";
                    throw new ArgumentException(
                        $"The tensors {both} overlap in memory, and are not the same. Save a clone() of one of them.", nameof(tensors));
                }
                before.Add(view);
            }
        }
        return kept;
    }

    /// <summary>The memory of a tensor.</summary>
    private sealed class View
    {
        private readonly Tensor _tensor;
        private readonly long[] _shape, _strides;
        private readonly long _elementSize;

        public unsafe View(string name, Tensor tensor)
        {
            Name = name;
            _tensor = tensor;
            _elementSize = tensor.ElementSize;
            (long Size, long Stride)[] dimensions = [.. tensor.shape.Zip(tensor.stride()).Where(dimension => dimension.First > 1)];
            _shape = Array.ConvertAll(dimensions, dimension => dimension.Size);
            _strides = Array.ConvertAll(dimensions, dimension => dimension.Stride);
            Start = (nint)TensorMemory.Address<byte>(tensor);
            End = Start + _elementSize * (1 + dimensions.Sum(dimension => (dimension.Size - 1) * dimension.Stride));
        }

        public string Name { get; }

        /// <summary>The address of the first element.</summary>
        public long Start { get; }

        /// <summary>The address behind the last element.</summary>
        public long End { get; }

        public bool IsSame(View other) =>
            Start == other.Start
            && _tensor.dtype == other._tensor.dtype
            && _tensor.shape.AsSpan().SequenceEqual(other._tensor.shape)
            && _strides.AsSpan().SequenceEqual(other._strides)
            && _tensor.is_conj() == other._tensor.is_conj()
            && _tensor.is_neg() == other._tensor.is_neg();

        /// <summary>Whether this and a view that starts no earlier, and before this one ends, have a byte in common.</summary>
        public bool Overlaps(View other)
        {
            if (HasNoGaps && other.HasNoGaps) return true;
            // Columns of a table lie between each other: mark the places of one, and look at those of the other.
            using var scope = NewDisposeScope();
            using Scalar mark = true;
            long unit = Divisor(Divisor(_elementSize, other._elementSize), other.Start - Start);
            Tensor used = zeros((Math.Max(End, other.End) - Start) / unit, ScalarType.Bool, CPU);
            Places(used, unit, 0).fill_(mark);
            return other.Places(used, unit, (other.Start - Start) / unit).any().item<bool>();
        }

        private bool HasNoGaps => End - Start == _elementSize * _shape.Aggregate(1L, (product, size) => product * size);

        private Tensor Places(Tensor used, long unit, long start)
        {
            long units = _elementSize / unit; // of an element
            return used.as_strided([.. _shape, units], [.. _strides.Select(stride => stride * units), 1], start);
        }

        private static long Divisor(long a, long b) => b == 0 ? a : Divisor(b, a % b);
    }
}
