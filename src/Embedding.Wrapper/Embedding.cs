using System.Runtime.InteropServices;
using System.Text;
using EmbeddingWrapper.Native;
using static TorchSharp.torch;

namespace EmbeddingWrapper;

/// <summary>
/// A table of vectors, looked up by index: PyTorch's <c>torch.nn.Embedding</c>, computed by libtorch. It maps a tensor of
/// indices, of any shape, to the rows of <see cref="Weight"/> at those indices.
/// </summary>
/// <remarks>
/// <para>
/// Use it like any TorchSharp module: in <c>nn.Sequential</c>, in an optimizer through <c>parameters()</c>, with
/// <c>state_dict</c>, <c>save</c>, <c>load</c>, hooks, <c>train</c> and <c>eval</c>. Its only parameter is <c>weight</c>.
/// </para>
/// <para>
/// <c>to(...)</c> keeps the <see cref="Weight"/> object and moves or converts it and its gradient in place, as PyTorch does. An
/// optimizer made before still trains the layer. The meta device is refused; PyTorch makes a new parameter there.
/// </para>
/// <para>
/// Any number of threads may look rows up at once while no thread writes. With <see cref="MaxNorm"/> a look-up writes, so such look-ups
/// run one after the other. While one thread trains or loads, look-ups on other threads get rows of old and new numbers. Training one
/// layer on two threads at once is not supported: libtorch adds to a gradient without a lock, so the process may end.
/// </para>
/// <para>
/// Disposing the layer, assigning <see cref="Weight"/> and <c>to(...)</c> wait for the look-ups that run on other threads. Later
/// look-ups throw <see cref="ObjectDisposedException"/>, or read the new table. <c>to(...)</c> and disposing also wait for look-ups of
/// layers that share the parameter, and for steps of this library's optimizers. A derived class must not dispose or change the layer
/// inside one of the layer's own calls: that throws <see cref="InvalidOperationException"/>. Other members of TorchSharp's modules, and
/// the tensors themselves, have no such guard: dispose after the last of those calls has returned. The garbage collector frees the table
/// of a layer that is not disposed.
/// </para>
/// </remarks>
public partial class Embedding : nn.Module<Tensor, Tensor>
{
    private readonly LayerTable _table;
    private readonly NativeEmbedding _native;
    private readonly ReadGate _gate;

    /// <summary>
    /// Makes a table of random vectors, drawn from the standard normal distribution by the global generator. After the same
    /// <c>torch.manual_seed</c> the values are PyTorch's, for float32 and float64. Draws of float16 and bfloat16 differ between
    /// versions of PyTorch; here they are those of the libtorch in use.
    /// </summary>
    /// <param name="numEmbeddings">The number of rows, 0 or more. PyTorch: <c>num_embeddings</c>.</param>
    /// <param name="embeddingDim">The length of each row, 0 or more. PyTorch: <c>embedding_dim</c>.</param>
    /// <param name="paddingIdx">
    /// A row that starts as zeros and gets no gradient; look-ups return what it holds. From <c>-numEmbeddings</c> to
    /// <c>numEmbeddings - 1</c>; a negative one counts from the end. Default: none. PyTorch: <c>padding_idx</c>.
    /// </param>
    /// <param name="maxNorm">
    /// Each look-up first scales the rows that it reads, in place, so that none has a larger norm. Any number is
    /// accepted, as in PyTorch. Default: never. PyTorch: <c>max_norm</c>.
    /// </param>
    /// <param name="normType">The p of the p-norm for <paramref name="maxNorm"/>. Default 2. PyTorch: <c>norm_type</c>.</param>
    /// <param name="scaleGradByFreq">
    /// Divides each gradient by the number of times its index occurs in the look-up. Default false. PyTorch: <c>scale_grad_by_freq</c>.
    /// </param>
    /// <param name="sparse">
    /// The gradient of the weight is a sparse tensor, for optimizers that take one. Default false. The backward pass refuses it
    /// together with <paramref name="scaleGradByFreq"/>.
    /// </param>
    /// <param name="device">Where the table lives. Default: TorchSharp's default device.</param>
    /// <param name="dtype">A floating-point type. Default: TorchSharp's default type, float32 unless changed.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A size is negative, the table would have more bytes than a 64-bit number counts, or <paramref name="paddingIdx"/> is outside it.
    /// </exception>
    /// <exception cref="ArgumentException"><paramref name="dtype"/> is not a floating-point type.</exception>
    /// <exception cref="InvalidOperationException">The machine has no such <paramref name="device"/>.</exception>
    /// <exception cref="OutOfMemoryException">There is no memory for the table.</exception>
    public Embedding(long numEmbeddings, long embeddingDim,
        long? paddingIdx = null, double? maxNorm = null, double normType = 2.0,
        bool scaleGradByFreq = false, bool sparse = false,
        Device? device = null, ScalarType? dtype = null)
        : this(LayerParameter.New(numEmbeddings, embeddingDim, paddingIdx, device, dtype),
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

    private Embedding(LayerParameter weight, long? paddingIdx, double? maxNorm, double normType, bool scaleGradByFreq, bool sparse)
        : base(nameof(Embedding))
    {
        NumEmbeddings = weight.size(0);
        EmbeddingDim = weight.size(1);
        PaddingIdx = paddingIdx;
        MaxNorm = maxNorm;
        NormType = normType;
        ScaleGradByFreq = scaleGradByFreq;
        Sparse = sparse;
        _native = new NativeEmbedding(weight, paddingIdx, scaleGradByFreq, sparse);
        _table = new LayerTable(this, _native, paddingIdx, Register);
        _gate = _table.Gate;
        Register(weight);
    }

    /// <summary>
    /// Makes a layer over existing vectors: PyTorch's <c>Embedding.from_pretrained</c>. It copies nothing and draws no random
    /// number. <see cref="Weight"/> is a new parameter over the memory of <paramref name="embeddings"/>, strides included. A write to
    /// either shows in both; training and <paramref name="maxNorm"/> write too.
    /// </summary>
    /// <param name="embeddings">
    /// The table, <c>[rows, D]</c>. An integer or bool table must be frozen. The tensor object stays the caller's to use and to
    /// dispose, and its <c>requires_grad</c> is not changed.
    /// </param>
    /// <param name="freeze">The weight gets no gradient. Default true.</param>
    /// <param name="paddingIdx">
    /// A row that gets no gradient. Its values are kept, unlike in the constructor. From <c>-rows</c> to <c>rows - 1</c>. Default: none.
    /// </param>
    /// <param name="maxNorm">As in the constructor; it writes to the memory of <paramref name="embeddings"/>, frozen or not.</param>
    /// <param name="normType">As in the constructor. Default 2.</param>
    /// <param name="scaleGradByFreq">As in the constructor. Default false.</param>
    /// <param name="sparse">As in the constructor. Default false.</param>
    /// <returns>The layer, on the device and with the dtype of <paramref name="embeddings"/>.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="embeddings"/> is null.</exception>
    /// <exception cref="ArgumentException">
    /// <paramref name="embeddings"/> is not 2-dimensional, or it is of an integer type and <paramref name="freeze"/> is false.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="paddingIdx"/> is outside the table.</exception>
    /// <exception cref="InvalidOperationException">
    /// <paramref name="embeddings"/> was made in inference mode, the call is outside of it, and <paramref name="freeze"/> is false.
    /// </exception>
    /// <exception cref="ObjectDisposedException"><paramref name="embeddings"/> is disposed.</exception>
    public static Embedding FromPretrained(Tensor embeddings, bool freeze = true,
        long? paddingIdx = null, double? maxNorm = null, double normType = 2.0,
        bool scaleGradByFreq = false, bool sparse = false)
    {
        long? padding = LayerParameter.CheckPretrained(embeddings, paddingIdx, trained: !freeze);
        return new Embedding(LayerParameter.Over(embeddings, freeze), padding, maxNorm, normType, scaleGradByFreq, sparse);
    }

    /// <summary>
    /// <see cref="FromPretrained(Tensor, bool, long?, double?, double, bool, bool)"/> for numbers in an array. They are copied
    /// into a float32 table on TorchSharp's default device.
    /// </summary>
    /// <inheritdoc cref="FromPretrained(Tensor, bool, long?, double?, double, bool, bool)"/>
    public static Embedding FromPretrained(float[,] embeddings, bool freeze = true,
        long? paddingIdx = null, double? maxNorm = null, double normType = 2.0,
        bool scaleGradByFreq = false, bool sparse = false)
    {
        ArgumentNullException.ThrowIfNull(embeddings);
        using Tensor copy = TensorMemory.Copy(embeddings, float32), table = copy.to(get_default_device());
        return FromPretrained(table, freeze, paddingIdx, maxNorm, normType, scaleGradByFreq, sparse);
    }

    /// <summary>
    /// <see cref="FromPretrained(Tensor, bool, long?, double?, double, bool, bool)"/> for numbers in an array. They are copied
    /// into a float64 table on TorchSharp's default device.
    /// </summary>
    /// <inheritdoc cref="FromPretrained(Tensor, bool, long?, double?, double, bool, bool)"/>
    public static Embedding FromPretrained(double[,] embeddings, bool freeze = true,
        long? paddingIdx = null, double? maxNorm = null, double normType = 2.0,
        bool scaleGradByFreq = false, bool sparse = false)
    {
        ArgumentNullException.ThrowIfNull(embeddings);
        using Tensor copy = TensorMemory.Copy(embeddings, float64), table = copy.to(get_default_device());
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
    /// Whether <see cref="forward"/> checks every index before libtorch does, on every device. Default false: on the CPU libtorch
    /// reports a bad index anyway. On CUDA it does not, and the process loses its CUDA context; with this set the call throws what it
    /// throws on the CPU, and the context survives.
    /// </summary>
    /// <remarks>
    /// Use it to find a mistake, or for input that cannot be trusted. Each call then does four small operations on the indices (6 µs on the
    /// CPU, or 10 to 20% more for thousands of indices). On CUDA it also waits for the device, which then has no work queued ahead. With
    /// <see cref="MaxNorm"/> the check is always made. The setting is not saved with the weight.
    /// <para>
    /// On the CPU it also makes a bad index cheap. libtorch takes about 7 ms to report one, because it writes a stack trace, and TorchSharp
    /// never frees that text of about 4 KB. A check that fails takes a hundredth of that time and leaves nothing behind.
    /// </para>
    /// </remarks>
    public bool CheckIndices { get; set; }

    /// <summary>
    /// Looks rows up. TorchSharp's <c>call</c> does the same and also runs the hooks.
    /// </summary>
    /// <remarks>
    /// A derived class may override this method. <c>Lookup</c> that gives a tensor calls the override; <c>Lookup</c> into a span copies
    /// rows of the table and does not.
    /// </remarks>
    /// <param name="input">
    /// Indices: int64 or int32, any shape (empty and 0-d too), any strides, on the device of the weight. Not changed. Autograd keeps
    /// its memory until the backward pass.
    /// </param>
    /// <returns>
    /// A new contiguous tensor, <c>[*, D]</c> where <c>*</c> is the shape of <paramref name="input"/>, of the dtype of the weight. The
    /// caller disposes it.
    /// </returns>
    /// <exception cref="ArgumentNullException"><paramref name="input"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException">
    /// An index is negative or not below the number of rows. On CUDA libtorch does not report it: such an index ends the
    /// process's CUDA context there, unless <see cref="CheckIndices"/> is set.
    /// </exception>
    /// <exception cref="ArgumentException">
    /// The indices are neither int64 nor int32, are sparse, or are on another device than the weight.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// libtorch refused for another reason. Examples: the assigned weight is not 2-D; <see cref="MaxNorm"/> would write to a table made in
    /// inference mode, and the call is outside of it.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The layer or <paramref name="input"/> is disposed.</exception>
    /// <exception cref="OutOfMemoryException">There is no memory for the result.</exception>
    public override Tensor forward(Tensor input) => LookUpRows(input);

    private Tensor LookUpRows(Tensor input) // what a derived class cannot override
    {
        Guard.ThrowIfNullOrDisposed(input);
        _table.ThrowIfDisposed();
        using ReadGate.Reading life = _gate.Enter(), memory = _native.Gate.Enter();
        try
        {
            if (CheckIndices || MaxNorm is not null) Guard.ThrowIfIndexOutOfRange(input, _native.Weight);
            if (MaxNorm is not double maxNorm) return _native.Forward(input);
            _table.ThrowIfPaddingOutsideWeight(); // libtorch would find this after it has written rows
            lock (_native.Gate) // otherwise two threads, or two tied layers, could scale the same row twice
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

    /// <summary>PyTorch's <c>repr</c>: <c>Embedding(10, 3, padding_idx=0)</c>. Options with their default value are left out.</summary>
    /// <returns>One line.</returns>
    public override string ToString()
    {
        var text = new StringBuilder($"{GetType().Name}({NumEmbeddings}, {EmbeddingDim}");
        if (PaddingIdx is long padding) text.Append($", padding_idx={padding}");
        if (MaxNorm is double maxNorm) text.Append($", max_norm={PythonText.Of(maxNorm)}");
        if (NormType != 2) text.Append($", norm_type={PythonText.Of(NormType)}");
        if (ScaleGradByFreq) text.Append($", scale_grad_by_freq={PythonText.Of(true)}");
        if (Sparse) text.Append($", sparse={PythonText.Of(true)}");
        return text.Append(')').ToString();
    }
}
