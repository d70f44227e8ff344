namespace EmbeddingWrapper.ParityTests;

/// <summary>Why a test is skipped.</summary>
internal static class Skipped
{
    public const string NoCuda = "no CUDA device";
}
