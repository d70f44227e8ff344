using System.Runtime.InteropServices;
using TorchSharp;
using static System.FormattableString;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Native;

/// <summary>The options of a look-up of bags. The names are those of PyTorch's page.</summary>
internal readonly record struct BagOptions(double? MaxNorm, double NormType, bool ScaleGradByFreq, EmbeddingBagMode Mode, bool Sparse,
    bool IncludeLastOffset, long? PaddingIdx);

/// <summary>
/// PyTorch's <c>F.embedding_bag</c> with libtorch's op. The checks have PyTorch's order and texts. All of them are made before
/// <c>max_norm</c> writes rows.
/// </summary>
/// <remarks>
/// libtorch 2.10 differs from PyTorch 2.14.1 in four things, which stop here. It reads foreign memory for some offsets; these are refused
/// before the call. It never gets a last offset that ends a bag: without it the op includes the same entries. Its fast kernel rounds
/// some sums in another way; <see cref="PlainSum"/> makes it use the other kernel. Its dense gradient divides by the frequencies of wrong
/// indices; here the gradient comes from a weighted sum, and its weights have been divided.
/// </remarks>
internal static class NativeBag
{
    /// <param name="input">The indices.</param>
    /// <param name="weight">The table.</param>
    /// <param name="offsets">Where the bags begin, or null.</param>
    /// <param name="perSampleWeights">A factor for each row, or null.</param>
    /// <param name="options">The options. The padding index may be negative.</param>
    /// <param name="native">The op of the layer that has this weight and these options, or null. Their faults are not faults of an argument.</param>
    /// <param name="checkIndices">Whether to check the indices before libtorch does.</param>
    /// <exception cref="ExternalException">libtorch refused.</exception>
    public static Tensor Compute(Tensor input, Tensor weight, Tensor? offsets, Tensor? perSampleWeights, BagOptions options,
        NativeEmbedding? native, bool checkIndices = false)
    {
        bool layer = native is not null;
        using DisposeScope scope = NewDisposeScope(); // owns the intermediate tensors
        try
        {
            Bags bags = Bags.From(input, weight, offsets, perSampleWeights, options.IncludeLastOffset, layer);
            ThrowIfUnfit(options, layer);
            if (options.MaxNorm is double maxNorm)
            {
                if (!Guard.IsIndexType(input.dtype)) TorchScript.EmbeddingRenorm(NoColumns(weight.detach()), bags.Indices, maxNorm, options.NormType);
                ThrowIfIndexOutOfRange(input, weight, bags);
            }
            if (perSampleWeights is not null && options.Mode != EmbeddingBagMode.Sum)
            {
                throw new ArgumentException("embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for "
                    + $"mode='sum' (got mode='{PythonText.Of(options.Mode)}'). Please open a feature request on GitHub.", nameof(perSampleWeights));
            }
            options = options with { PaddingIdx = PaddingRow(options.PaddingIdx, weight.size(0), layer) };
            Check(bags, weight, options);
            if (checkIndices) ThrowIfIndexOutOfRange(input, weight, bags);

            if (options.MaxNorm is double limit) TorchScript.EmbeddingRenorm(weight, bags.Indices, limit, options.NormType);
            try
            {
                return LookUp(bags, weight, options, native).MoveToOuterDisposeScope();
            }
            catch (ExternalException error) when (!NativeErrors.IsOfAType(error) && BadIndex(input, weight, bags) is { } bad)
            {
                throw bad;
            }
        }
        catch (ExternalException error)
        {
            throw NativeErrors.Translate(error, input, weight);
        }
    }

    private static void ThrowIfUnfit(in BagOptions options, bool layer)
    {
        if (options.Mode is not (EmbeddingBagMode.Sum or EmbeddingBagMode.Mean or EmbeddingBagMode.Max))
            throw Fault($"mode has to be one of sum, mean or max, and it is {(int)options.Mode}", "mode", layer);
        if (options.Mode != EmbeddingBagMode.Max) return;
        if (options.ScaleGradByFreq)
            throw Fault("max mode does not support scaling the gradient by the frequency", "scaleGradByFreq", layer);
        if (options.Sparse) throw Fault("max mode does not support sparse weights", "sparse", layer);
    }

    /// <summary>The padding row counted from the start.</summary>
    private static long? PaddingRow(long? paddingIdx, long rows, bool layer)
    {
        if (paddingIdx is not long padding) return null;
        if (padding >= -rows && padding < rows) return padding < 0 ? padding + rows : padding;
        string text = Invariant($"padding_idx must be within the number of embeddings, -{rows} through {rows - 1}, but got {padding}");
        throw layer ? new InvalidOperationException(text) : new ArgumentOutOfRangeException(nameof(paddingIdx), padding, text);
    }

    /// <summary>
    /// Lets libtorch make the checks of its own before anything is written, and refuses offsets that libtorch does not check.
    /// </summary>
    private static void Check(Bags bags, Tensor weight, in BagOptions options)
    {
        ArgumentException? fault = bags.FaultOfOffsets();
        if (fault is null && options.MaxNorm is null) return; // the call itself makes libtorch's checks
        using var grad = no_grad();
        if (fault is null)
        {
            Call(NoColumns(weight), bags, bags.PerSampleWeights, options);
            return;
        }
        // libtorch checks the types first
        Bags none = bags with { Offsets = bags.Offsets.narrow(0, 0, 0), Indices = bags.Indices.narrow(0, 0, 0), PerSampleWeights = null };
        Call(NoColumns(weight), none, null, options);
        throw fault;
    }

    /// <summary>
    /// The rows of a table without their numbers. The distance of columns, which do not exist, makes libtorch take its plain kernel: the
    /// fast one of 2.10 refuses a table without columns.
    /// </summary>
    private static Tensor NoColumns(Tensor weight) => weight.as_strided([weight.size(0), 0], [1, 2]);

    private static Tensor LookUp(Bags bags, Tensor weight, BagOptions options, NativeEmbedding? native)
    {
        if (weight.size(1) == 0 && options is { Mode: not EmbeddingBagMode.Max, PaddingIdx: null })
            return Call(weight, bags, PlainFactors(weight, bags), options with { Mode = EmbeddingBagMode.Sum }).Output; // see NoColumns
        Tensor? factors = bags.PerSampleWeights;
        bool onCpu = weight.device_type == DeviceType.CPU;
        bool trainsWeight = is_grad_enabled() && weight.requires_grad, trainsFactors = is_grad_enabled() && factors is { requires_grad: true };
        bool scales = onCpu && options is { ScaleGradByFreq: true, Sparse: false } && trainsWeight;
        bool roundsOtherwise = onCpu && RoundsOtherwise(weight, factors, options);
        if (!scales && !roundsOtherwise)
            return native?.Forward(bags.Indices, bags.Offsets, factors) ?? Call(weight, bags, factors, options).Output;

        Tensor values;
        using (no_grad())
        {
            (Tensor output, Tensor bagSize) = roundsOtherwise ? PlainSum(weight, bags, options) : Call(weight, bags, factors, options);
            values = output;
            if (!trainsWeight && !trainsFactors) return values;
            if (scales)
            {
                Tensor divided = Divided(bags, bagSize, weight, options.Mode);
                BagOptions sum = options with { Mode = EmbeddingBagMode.Sum, ScaleGradByFreq = false };
                using (enable_grad())
                {
                    Tensor graph = Call(weight, bags, divided, sum).Output;
                    if (trainsFactors) graph = TorchScript.Add(graph, Call(weight.detach(), bags, factors, sum).Output);
                    return WithValues(graph, values);
                }
            }
        }
        return WithValues(Call(weight, bags, factors, options).Output, values);
    }

    /// <summary>
    /// Whether libtorch 2.10 would take its fast kernel with another result: it fuses weighted sums of float32, gives NaN of float16 other bits, and rounds ties of
    /// bfloat16 away from zero.
    /// </summary>
    private static bool RoundsOtherwise(Tensor weight, Tensor? factors, in BagOptions options)
    {
        if (options.Mode == EmbeddingBagMode.Max || options.PaddingIdx is not null) return false;
        return weight.dtype == ScalarType.BFloat16 || (weight.dtype != ScalarType.Float64 && factors is not null);
    }

    /// <summary>The result by the plain kernel, which libtorch takes when the factors are not next to each other in memory.</summary>
    private static (Tensor Output, Tensor BagSize) PlainSum(Tensor weight, Bags bags, in BagOptions options)
    {
        (Tensor output, Tensor bagSize) = Call(weight, bags, PlainFactors(weight, bags), options with { Mode = EmbeddingBagMode.Sum });
        if (options.Mode == EmbeddingBagMode.Sum) return (output, bagSize);
        bagSize = Call(NoColumns(weight), bags, null, options).BagSize; // libtorch counts for a mean
        using Scalar one = 1L;
        return (output.div_(bagSize.clamp_min(one).to(weight.dtype).unsqueeze(1)), bagSize);
    }

    /// <summary>The factors of the rows, not next to each other in memory.</summary>
    private static Tensor PlainFactors(Tensor weight, Bags bags) => bags.PerSampleWeights is { } given
        ? stack([given, given.detach()], 1).select(1, 0)
        : ones([1], weight.dtype, weight.device).as_strided([bags.Indices.size(0)], [0]);

    /// <summary>The factor of each row of the input in the gradient: divided by how often its index occurs and, for a mean, by the count.</summary>
    private static Tensor Divided(Bags bags, Tensor bagSize, Tensor weight, EmbeddingBagMode mode)
    {
        Tensor indices = bags.Indices.to(int64);
        Tensor factor = bags.PerSampleWeights?.to(float64) ?? ones(indices.shape, float64, indices.device);
        factor = factor.div(indices.bincount(null).index_select(0, indices));
        if (mode == EmbeddingBagMode.Mean)
        {
            using Scalar end = indices.size(0), one = 1L;
            Tensor bagOf = bucketize(arange(end, int64, indices.device), bags.Offsets.to(int64).contiguous(), right: true).sub_(one);
            factor = factor.div(bagSize.to(int64).index_select(0, bagOf));
        }
        return factor.to(weight.dtype);
    }

    /// <summary>Writes other numbers into a result. Its gradients stay as they are: the op does not need its own result for them.</summary>
    private static Tensor WithValues(Tensor graph, Tensor values)
    {
        using var grad = no_grad();
        graph.detach().copy_(values);
        return graph;
    }

    private static (Tensor Output, Tensor BagSize) Call(Tensor weight, Bags bags, Tensor? perSampleWeights, in BagOptions options) =>
        TorchScript.EmbeddingBag(weight, bags.Indices, bags.Offsets, options.ScaleGradByFreq, (long)options.Mode, options.Sparse,
            perSampleWeights, options.PaddingIdx ?? -1);

    private static void ThrowIfIndexOutOfRange(Tensor input, Tensor weight, Bags bags)
    {
        if (BadIndex(input, weight, bags) is { } error) throw error;
    }

    /// <summary>The error for the first index outside the table, or null.</summary>
    private static ArgumentOutOfRangeException? BadIndex(Tensor input, Tensor weight, Bags bags)
    {
        if (!input.is_integral() || !(Guard.IsIndexType(input.dtype) || Guard.IsIndexType(bags.Offsets.dtype))) return null; // libtorch refuses it
        if (Guard.FirstBadIndex(input, weight.size(0)) is not { } bad) return null;
        long bag = input.dim() == 2 ? bad.Position[0] : BagOf(bags.Offsets.to(int64).cpu().data<long>().ToArray(), bad.Position[0]);
        return Guard.BagIndexOutOfRange(bad.Value, bad.Position, bag, weight.size(0), nameof(input));
    }

    /// <summary>The number of the bag that an index belongs to.</summary>
    public static int BagOf(ReadOnlySpan<long> starts, long position)
    {
        int bag = starts.Length - 1;
        while (bag > 0 && starts[bag] > position) bag--;
        return bag;
    }

    /// <summary>The fault of the offsets of so many indices, or null. libtorch would not find every fault.</summary>
    public static ArgumentException? OffsetsFault(ReadOnlySpan<long> offsets, long length, bool includesLast)
    {
        if (includesLast && offsets.Length == 0) return Refused($"include_last_offset: number of offset should be at least 1");
        if (offsets.Length - (includesLast ? 1 : 0) == 0 && length > 0)
            return Refused($"There are {length} indices, and the offsets begin no bag.");
        if (offsets.Length == 0) return null;
        if (offsets[0] != 0)
        {
            return Refused(
                $"offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. However, got {offsets[0]}");
        }
        if (offsets[^1] > length)
            return Refused($"offsets[-1] can not be greater than input's length {length} but got offsets[-1] of {offsets[^1]}");
        for (int i = 1; i < offsets.Length; i++)
        {
            if (offsets[i] < offsets[i - 1])
                return Refused($"The offsets must not decrease: offsets[{i}] is {offsets[i]}, and the one before is {offsets[i - 1]}.");
        }
        return null;

        static ArgumentException Refused(FormattableString text) => new(Invariant(text), nameof(offsets));
    }

    private static Exception Fault(string text, string argument, bool layer) =>
        layer ? new InvalidOperationException(text) : new ArgumentException(text, argument);

    /// <summary>The bags of an input as one row of indices and the offsets where the bags begin.</summary>
    private sealed record Bags(Tensor Indices, Tensor Offsets, Tensor? PerSampleWeights, Tensor AllOffsets, bool IncludesLast)
    {
        public static Bags From(Tensor input, Tensor weight, Tensor? offsets, Tensor? perSampleWeights, bool includeLastOffset, bool layer)
        {
            if (perSampleWeights is not null && !perSampleWeights.shape.AsSpan().SequenceEqual(input.shape))
            {
                throw new ArgumentException($"embedding_bag: If per_sample_weights ({PythonText.Size(perSampleWeights.shape)}) is not None, "
                    + $"then it must have the same shape as the input ({PythonText.Size(input.shape)})", nameof(perSampleWeights));
            }
            if (weight.dim() != 2) throw Fault($"weight has to be a 2D Tensor, but got Tensor of dimension {weight.dim()}", nameof(weight), layer);
            switch (input.dim())
            {
                case 2:
                    if (offsets is not null)
                    {
                        throw new ArgumentException("if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed "
                            + "length sequences.", nameof(offsets));
                    }
                    if (input.size(1) == 0)
                        throw new ArgumentException("step must be nonzero: the bags of a 2D input have at least one index.", nameof(input));
                    using (Scalar start = 0L, end = input.numel(), step = input.size(1))
                        offsets = arange(start, end, step, input.dtype, input.device);
                    return new Bags(input.reshape(-1), offsets, perSampleWeights?.reshape(-1), offsets, IncludesLast: false);
                case 1:
                    if (offsets is null) throw new ArgumentException("offsets has to be a 1D Tensor but got None", nameof(offsets));
                    if (offsets.dim() != 1) throw new ArgumentException("offsets has to be a 1D Tensor", nameof(offsets));
                    Tensor starts = includeLastOffset && offsets.size(0) > 0 ? offsets.narrow(0, 0, offsets.size(0) - 1) : offsets;
                    return new Bags(input, starts, perSampleWeights, offsets, includeLastOffset);
                default:
                    throw new ArgumentException($"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.dim()}", nameof(input));
            }
        }

        /// <summary>The fault of the offsets, or null. libtorch checks the types.</summary>
        public unsafe ArgumentException? FaultOfOffsets()
        {
            if (!AllOffsets.is_integral() || AllOffsets.is_meta || AllOffsets.is_sparse) return null;
            bool fits = AllOffsets.dtype == ScalarType.Int64 && AllOffsets.device_type == DeviceType.CPU && AllOffsets.is_contiguous();
            Tensor plain = fits ? AllOffsets : AllOffsets.to(int64).cpu().contiguous();
            var offsets = new ReadOnlySpan<long>(TensorMemory.Address<long>(plain), checked((int)plain.size(0)));
            ArgumentException? fault = OffsetsFault(offsets, Indices.size(0), IncludesLast);
            GC.KeepAlive(plain);
            return fault;
        }
    }
}
