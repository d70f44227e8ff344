using System.Runtime.InteropServices;
using System.Text;
using EmbeddingWrapper.Native;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace EmbeddingWrapper;

/// <summary>
/// A table of vectors, looked up by index: PyTorch's <c>torch.nn.Embedding</c>, computed by libtorch. It maps a tensor of
/// indices, of any shape, to the rows of <see cref="Weight"/> at those indices.
/// </summary>
/// <remarks>
/// <para>
/// Use it wherever a TorchSharp module goes: in <c>nn.Sequential</c>, in an optimizer through <c>parameters()</c>, with
/// <c>state_dict</c>, <c>save</c> and <c>load</c>, hooks, <c>train</c> and <c>eval</c>. The only parameter is <c>weight</c>.
/// </para>
/// <para>
/// <c>to(...)</c> keeps the <see cref="Weight"/> object and moves or converts it and its gradient in place, as PyTorch does: an
/// optimizer made before still trains the layer. (The meta device, for which PyTorch makes a new parameter, is refused.)
/// </para>
/// <para>
/// Any number of threads may look rows up at once while nobody writes; with <see cref="MaxNorm"/>, which writes, their look-ups run one
/// after the other. While one thread trains or loads, others get rows of old and new numbers. Training one layer on two threads at once
/// is not supported: libtorch adds to a gradient without a lock against who drops or reads it, and the process may end.
/// </para>
/// <para>
/// Disposing the layer, assigning <see cref="Weight"/> and <c>to(...)</c> wait for the look-ups that run on other threads; those that come
/// later throw <see cref="ObjectDisposedException"/>, or read the new table. Other members of TorchSharp's modules, and the tensors
/// themselves, have no such guard: dispose after the last of those calls has returned. A layer that nobody disposes frees its table when
/// it is collected.
/// </para>
/// </remarks>
public partial class Embedding : nn.Module<Tensor, Tensor>
{
    private const string WeightName = "weight";

    private readonly NativeEmbedding _native;
    private readonly ReadGate _gate;
    [ComponentName(Name = WeightName)] private Parameter _weight;
    private bool _ownsWeight;

    /// <summary>
    /// Makes a table of random vectors, drawn from the standard normal distribution by the global generator: after the same
    /// <c>torch.manual_seed</c> the values are PyTorch's, for float32 and float64. (float16 and bfloat16 draws differ between
    /// versions of PyTorch; these are those of the libtorch in use.)
    /// </summary>
    /// <param name="numEmbeddings">The number of rows, 0 or more. PyTorch: <c>num_embeddings</c>.</param>
    /// <param name="embeddingDim">The length of each row, 0 or more. PyTorch: <c>embedding_dim</c>.</param>
    /// <param name="paddingIdx">
    /// A row that starts as zeros and gets no gradient; look-ups return whatever it holds. From <c>-numEmbeddings</c> to
    /// <c>numEmbeddings - 1</c>, a negative one counts from the end. Default: none. PyTorch: <c>padding_idx</c>.
    /// </param>
    /// <param name="maxNorm">
    /// Each look-up first scales the rows it is about to read, in place, so that none has a norm larger than this. Any number is
    /// accepted, as in PyTorch. Default: never. PyTorch: <c>max_norm</c>.
    /// </param>
    /// <param name="normType">The p of the p-norm for <paramref name="maxNorm"/>. Default 2. PyTorch: <c>norm_type</c>.</param>
    /// <param name="scaleGradByFreq">
    /// Divides each gradient by the number of times its index occurs in the look-up. Default false. PyTorch: <c>scale_grad_by_freq</c>.
    /// </param>
    /// <param name="sparse">
    /// The gradient of the weight is a sparse tensor, for optimizers that take one. Default false. Not together with
    /// <paramref name="scaleGradByFreq"/>: the backward pass would refuse.
    /// </param>
    /// <param name="device">Where the table lives. Default: TorchSharp's default device.</param>
    /// <param name="dtype">A floating-point type. Default: TorchSharp's default type, float32 unless changed.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A size is negative, the table would have more bytes than a 64-bit number counts, or <paramref name="paddingIdx"/> is outside it.
    /// </exception>
    /// <exception cref="ArgumentException"><paramref name="dtype"/> is not a floating-point type.</exception>
    /// <exception cref="InvalidOperationException">The <paramref name="device"/> is not there.</exception>
    /// <exception cref="OutOfMemoryException">There is no memory for the table.</exception>
    public Embedding(long numEmbeddings, long embeddingDim,
        long? paddingIdx = null, double? maxNorm = null, double normType = 2.0,
        bool scaleGradByFreq = false, bool sparse = false,
        Device? device = null, ScalarType? dtype = null)
        : this(NewTable(numEmbeddings, embeddingDim, paddingIdx, device, dtype),
               Guard.NormalizePaddingIdx(paddingIdx, numEmbeddings), maxNorm, normType, scaleGradByFreq, sparse)
    {
        try
        {
            ResetParameters();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private Embedding(Parameter weight, long? paddingIdx, double? maxNorm, double normType, bool scaleGradByFreq, bool sparse)
        : base(nameof(Embedding))
    {
        NumEmbeddings = weight.size(0);
        EmbeddingDim = weight.size(1);
        PaddingIdx = paddingIdx;
        MaxNorm = maxNorm;
        NormType = normType;
        ScaleGradByFreq = scaleGradByFreq;
        Sparse = sparse;
        _gate = new ReadGate(this);
        _native = new NativeEmbedding(paddingIdx, scaleGradByFreq, sparse);
        _weight = weight;
        _ownsWeight = true;
        UseWeight(weight);
    }

    /// <summary>
    /// Makes a layer over vectors that exist already: PyTorch's <c>Embedding.from_pretrained</c>. Nothing is copied and no random
    /// number is drawn: <see cref="Weight"/> is a new parameter over the memory of <paramref name="embeddings"/>, strides included,
    /// so a write to either is seen in both, training and <paramref name="maxNorm"/> included.
    /// </summary>
    /// <param name="embeddings">
    /// The table, <c>[rows, D]</c>; integer and bool ones only when frozen. The tensor object stays the caller's to use and to
    /// dispose, and its <c>requires_grad</c> is left alone.
    /// </param>
    /// <param name="freeze">The weight gets no gradient. Default true.</param>
    /// <param name="paddingIdx">
    /// A row that gets no gradient; unlike in the constructor its values are kept. From <c>-rows</c> to <c>rows - 1</c>. Default: none.
    /// </param>
    /// <param name="maxNorm">As in the constructor; it writes to the memory of <paramref name="embeddings"/>, frozen or not.</param>
    /// <param name="normType">As in the constructor. Default 2.</param>
    /// <param name="scaleGradByFreq">As in the constructor. Default false.</param>
    /// <param name="sparse">As in the constructor. Default false.</param>
    /// <returns>The layer, on the device and with the dtype of <paramref name="embeddings"/>.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="embeddings"/> is null.</exception>
    /// <exception cref="ArgumentException">
    /// <paramref name="embeddings"/> is not 2-dimensional, or is of an integer type and not to be frozen.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="paddingIdx"/> is outside the table.</exception>
    /// <exception cref="ObjectDisposedException"><paramref name="embeddings"/> is disposed.</exception>
    public static Embedding FromPretrained(Tensor embeddings, bool freeze = true,
        long? paddingIdx = null, double? maxNorm = null, double normType = 2.0,
        bool scaleGradByFreq = false, bool sparse = false)
    {
        Guard.ThrowIfNullOrDisposed(embeddings);
        if (embeddings.dim() != 2)
        {
            throw new ArgumentException(
                $"Embeddings parameter is expected to be 2-dimensional, and this one has {embeddings.dim()} dimensions.", nameof(embeddings));
        }
        long? padding = Guard.NormalizePaddingIdx(paddingIdx, embeddings.size(0));
        if (!freeze) ThrowIfNotTrainable(embeddings.dtype, nameof(embeddings));

        // TorchSharp's Parameter empties the tensor that it is given, so it gets an alias.
        var weight = new Parameter(embeddings.detach(), !freeze);
        return new Embedding(weight, padding, maxNorm, normType, scaleGradByFreq, sparse);
    }

    /// <summary>
    /// <see cref="FromPretrained(Tensor, bool, long?, double?, double, bool, bool)"/> for vectors typed in: the numbers are copied
    /// into a float32 table.
    /// </summary>
    /// <inheritdoc cref="FromPretrained(Tensor, bool, long?, double?, double, bool, bool)"/>
    public static Embedding FromPretrained(float[,] embeddings, bool freeze = true,
        long? paddingIdx = null, double? maxNorm = null, double normType = 2.0,
        bool scaleGradByFreq = false, bool sparse = false)
    {
        ArgumentNullException.ThrowIfNull(embeddings);
        using Tensor table = tensor(embeddings, float32);
        return FromPretrained(table, freeze, paddingIdx, maxNorm, normType, scaleGradByFreq, sparse);
    }

    /// <summary>The number of rows the layer was made with. PyTorch: <c>num_embeddings</c>.</summary>
    public long NumEmbeddings { get; }

    /// <summary>The length of each row the layer was made with. PyTorch: <c>embedding_dim</c>.</summary>
    public long EmbeddingDim { get; }

    /// <summary>The padding row, counted from the start, or null. PyTorch: <c>padding_idx</c>.</summary>
    public long? PaddingIdx { get; }

    /// <summary>The norm that rows are scaled down to when looked up, or null. PyTorch: <c>max_norm</c>.</summary>
    public double? MaxNorm { get; }

    /// <summary>The p of the p-norm for <see cref="MaxNorm"/>. PyTorch: <c>norm_type</c>.</summary>
    public double NormType { get; }

    /// <summary>Whether gradients are divided by how often their index occurs. PyTorch: <c>scale_grad_by_freq</c>.</summary>
    public bool ScaleGradByFreq { get; }

    /// <summary>Whether the gradient of the weight is a sparse tensor. PyTorch: <c>sparse</c>.</summary>
    public bool Sparse { get; }

    /// <summary>
    /// Whether <see cref="forward"/> looks at every index before libtorch does, on every device. Default false: on the CPU libtorch
    /// reports a bad index anyway. On CUDA it does not, and the process's CUDA context is lost; with this set the call throws what it
    /// throws on the CPU, and the context lives.
    /// </summary>
    /// <remarks>
    /// The cost is four small operations on the indices in each call (6 µs on the CPU, and a tenth to a fifth more where there are
    /// thousands), and on CUDA a wait for the device, which then has no work queued ahead: meant for finding a mistake, or for input
    /// that is not to be trusted. With <see cref="MaxNorm"/> the check is always made. The setting is not saved with the weight.
    /// </remarks>
    public bool CheckIndices { get; set; }

    /// <summary>
    /// The table, <c>[NumEmbeddings, EmbeddingDim]</c>, registered as <c>weight</c>. Every read gives the same object, which the
    /// layer disposes. One that is assigned may have any shape and is shared, not copied (tied weights:
    /// <c>linear.weight = embedding.Weight</c>); it stays the caller's to dispose, but leaves its dispose scope, as with TorchSharp's
    /// modules. The one it replaces is left to whoever else holds it, an optimizer for instance, and to the collector.
    /// </summary>
    /// <exception cref="ArgumentNullException">Set to null: TorchSharp has no place for a layer without its parameter, as PyTorch has.</exception>
    /// <exception cref="ObjectDisposedException">The layer, or the parameter to be set, is disposed.</exception>
    public Parameter Weight
    {
        get
        {
            ObjectDisposedException.ThrowIf(_gate.IsClosed, this);
            return _weight;
        }
        set
        {
            Guard.ThrowIfNullOrDisposed(value);
            _gate.Change(() =>
            {
                if (!ReferenceEquals(value, _weight)) UseWeight(value);
            });
        }
    }

    /// <summary>
    /// Looks rows up. TorchSharp's <c>call</c> does the same and runs the hooks as well.
    /// </summary>
    /// <param name="input">
    /// Indices: int64 or int32, any shape, any strides, empty and 0-d too, on the device of the weight. Not changed; autograd keeps
    /// its memory until the backward pass.
    /// </param>
    /// <returns>
    /// A new contiguous tensor, <c>[*, D]</c> where <c>*</c> is the shape of <paramref name="input"/>, of the dtype of the weight. The
    /// caller disposes it.
    /// </returns>
    /// <exception cref="ArgumentNullException"><paramref name="input"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException">
    /// An index is negative or not below the number of rows. On CUDA libtorch does not report it: there such an index ends the
    /// process's CUDA context, unless <see cref="CheckIndices"/> is set.
    /// </exception>
    /// <exception cref="ArgumentException">The indices are neither int64 nor int32, are sparse, or are on another device than the weight.</exception>
    /// <exception cref="InvalidOperationException">libtorch refused otherwise: the assigned weight is not 2-D, for instance.</exception>
    /// <exception cref="ObjectDisposedException">The layer, its weight or <paramref name="input"/> is disposed.</exception>
    /// <exception cref="OutOfMemoryException">There is no memory for the result.</exception>
    public override Tensor forward(Tensor input)
    {
        Guard.ThrowIfNullOrDisposed(input);
        ThrowIfDisposed();
        using ReadGate.Reading reading = _gate.Enter();
        try
        {
            if (CheckIndices || MaxNorm is not null) Guard.ThrowIfIndexOutOfRange(input, _native.Weight);
            if (MaxNorm is not double maxNorm) return _native.Forward(input);
            ThrowIfPaddingOutsideWeight(); // libtorch looks after it has written rows
            lock (_native) // two threads would scale the same row twice
            {
                TorchScript.EmbeddingRenorm(_native.Weight, input, maxNorm, NormType);
                return _native.Forward(input);
            }
        }
        catch (ExternalException error)
        {
            throw NativeErrors.Translate(error, input, _native.Weight);
        }
    }

    /// <summary>
    /// Fills the table anew from the standard normal distribution, in place, and zeroes the padding row: PyTorch's
    /// <c>reset_parameters</c>. After the same seed, the values of a new layer.
    /// </summary>
    /// <exception cref="InvalidOperationException">The table is of an integer type, or the one assigned lacks the padding row.</exception>
    /// <exception cref="ObjectDisposedException">The layer or its weight is disposed.</exception>
    public void ResetParameters()
    {
        ThrowIfDisposed();
        ThrowIfPaddingOutsideWeight();
        using ReadGate.Reading reading = _gate.Enter();
        try
        {
            using var grad = no_grad();
            _weight.normal_();
            if (PaddingIdx is not long padding) return;
            using Tensor row = _weight.select(0, padding);
            row.zero_().Dispose(); // unlike normal_, it gives a second handle
        }
        catch (ExternalException error)
        {
            throw NativeErrors.Translate(error);
        }
    }

    /// <summary>PyTorch's <c>repr</c>: <c>Embedding(10, 3, padding_idx=0)</c>. Options are shown where they are not the default.</summary>
    /// <returns>One line.</returns>
    public override string ToString()
    {
        var text = new StringBuilder($"{GetType().Name}({NumEmbeddings}, {EmbeddingDim}");
        if (PaddingIdx is long padding) text.Append($", padding_idx={padding}");
        if (MaxNorm is double maxNorm) text.Append($", max_norm={PythonText.Of(maxNorm)}");
        if (NormType != 2) text.Append($", norm_type={PythonText.Of(NormType)}");
        if (ScaleGradByFreq) text.Append(", scale_grad_by_freq=True");
        if (Sparse) text.Append(", sparse=True");
        return text.Append(')').ToString();
    }

    private void UseWeight(Parameter weight)
    {
        _native.PointAt(weight);
        weight.DetachFromDisposeScope();
        _ownsWeight = _ownsWeight && ReferenceEquals(weight, _weight);
        _weight = weight;
        _rows = null;
        ConditionallyRegisterParameter(WeightName, _weight);
        _deviceType = _weight.device_type;
        _deviceIndex = _weight.device_index;
    }

    private void ThrowIfDisposed()
    {
        ObjectDisposedException.ThrowIf(_gate.IsClosed, this);
        if (_weight.IsInvalid) throw Guard.Disposed(nameof(Weight));
    }

    private void ThrowIfPaddingOutsideWeight()
    {
        long rows = _weight.dim() > 0 ? _weight.size(0) : 0;
        if (PaddingIdx >= rows) throw Guard.PaddingOutsideWeight(rows);
    }

    private static Parameter NewTable(long numEmbeddings, long embeddingDim, long? paddingIdx, Device? device, ScalarType? dtype)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(numEmbeddings);
        ArgumentOutOfRangeException.ThrowIfNegative(embeddingDim);
        Guard.NormalizePaddingIdx(paddingIdx, numEmbeddings);
        if (paddingIdx >= numEmbeddings) throw Guard.PaddingOutOfRange(paddingIdx.Value, numEmbeddings); // 0 of 0 rows
        ScalarType type = dtype ?? get_default_dtype();
        ThrowIfNotTrainable(type, nameof(dtype));
        Int128 bytes = (Int128)numEmbeddings * embeddingDim * type.ElementSize();
        if (bytes > long.MaxValue)
        {
            throw new ArgumentOutOfRangeException(nameof(numEmbeddings), numEmbeddings,
                $"{numEmbeddings} rows of {embeddingDim} {type} are {bytes} bytes, and {long.MaxValue} is the limit.");
        }
        try
        {
            return new Parameter(empty(numEmbeddings, embeddingDim, type, device));
        }
        catch (ExternalException error)
        {
            throw NativeErrors.Translate(error);
        }
    }

    private static void ThrowIfNotTrainable(ScalarType dtype, string argument)
    {
        if (!is_floating_point(dtype) && !is_complex(dtype))
            throw new ArgumentException($"Only Tensors of floating point and complex dtype can require gradients, not {dtype}.", argument);
    }
}
