using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests;

/// <summary>Why a test is skipped.</summary>
internal static class Skipped
{
    public const string NoCuda = "no CUDA device";

    public const string NoForwardMode = "TorchSharp has no forward-mode differentiation";
}

/// <summary>The condition that <c>SkipUnless</c> reads.</summary>
public static class Cuda
{
    public static bool IsAvailable => cuda.is_available();
}
