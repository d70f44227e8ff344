using System;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Build.Framework;
using Microsoft.Build.Utilities;

/// <summary>
/// Copies libLibTorchSharp.so, marking its need of GLIBCXX_3.4.32 as weak where the system's libstdc++ is older.
/// Compiled by the build that imports it, so only netstandard2.0 API and C# 7.
/// </summary>
public class EmbeddingWrapperNativeFix : Task
{
    [Required] public string Source { get; set; }
    [Required] public string Destination { get; set; }

    /// <summary>"auto" looks at this system's libstdc++; "always" marks in any case.</summary>
    [Required] public string Mode { get; set; }

    private const string Library = "libstdc++.so.6";
    private const string Version = "GLIBCXX_3.4.32";
    private const string OnlySymbolOfThatVersion = "_ZSt21ios_base_library_initv";

    [DllImport("libc.so.6")] private static extern IntPtr dlopen(string path, int flags);
    [DllImport("libc.so.6")] private static extern IntPtr dlsym(IntPtr handle, string name);

    public override bool Execute()
    {
        byte[] image = File.ReadAllBytes(Source);
        if (Mode == "always" || !SystemHasTheSymbol())
        {
            if (MarkWeak(image) == 0)
                Log.LogMessage(MessageImportance.Normal, "{0} does not need {1}: copied as it is.", Source, Version);
        }
        Directory.CreateDirectory(Path.GetDirectoryName(Destination));
        File.WriteAllBytes(Destination, image);
        return true;
    }

    private static bool SystemHasTheSymbol()
    {
        const int lazily = 1;
        try
        {
            IntPtr library = dlopen(Library, lazily);
            return library != IntPtr.Zero && dlsym(library, OnlySymbolOfThatVersion) != IntPtr.Zero;
        }
        catch (Exception e) when (e is DllNotFoundException || e is EntryPointNotFoundException)
        {
            return false; // a C library before glibc 2.34, or musl: older than the need
        }
    }

    // The layout is that of /usr/include/elf.h, 64-bit little-endian: section headers, then Verneed and its chain of Vernaux.
    private static int MarkWeak(byte[] image)
    {
        const uint sectionIsVerneed = 0x6ffffffe;
        const byte weak = 2; // VER_FLG_WEAK
        long sections = BitConverter.ToInt64(image, 0x28);
        int entry = BitConverter.ToUInt16(image, 0x3A);
        long end = sections + (long)entry * BitConverter.ToUInt16(image, 0x3C);
        int marked = 0;

        for (long header = sections; header < end; header += entry)
        {
            if (U32(image, header + 4) != sectionIsVerneed) continue;
            long strings = (long)U64(image, sections + (long)U32(image, header + 0x28) * entry + 0x18);
            long need = (long)U64(image, header + 0x18);
            for (long n = U32(image, header + 0x2C); n > 0; n--, need += U32(image, need + 12))
            {
                bool ours = Text(image, strings + U32(image, need + 4)) == Library;
                long version = need + U32(image, need + 8);
                for (int v = BitConverter.ToUInt16(image, (int)need + 2); v > 0; v--, version += U32(image, version + 12))
                {
                    if (!ours || Text(image, strings + U32(image, version + 8)) != Version) continue;
                    image[version + 4] |= weak;
                    marked++;
                }
            }
        }
        return marked;
    }

    private static uint U32(byte[] image, long at) => BitConverter.ToUInt32(image, (int)at);

    private static ulong U64(byte[] image, long at) => BitConverter.ToUInt64(image, (int)at);

    private static string Text(byte[] image, long at)
    {
        int end = Array.IndexOf(image, (byte)0, (int)at);
        return Encoding.ASCII.GetString(image, (int)at, end - (int)at);
    }
}
