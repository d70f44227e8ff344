// For C# Interactive and csharprepl: see docs/PROMPTS.md. Paths are from this file to the build output.
#r "../bin/Debug/net10.0/TorchSharp.dll"
#r "../bin/Debug/net10.0/Embedding.Wrapper.dll"
#r "../bin/Debug/net10.0/Embedding.Wrapper.Pretrained.dll"

using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using EmbeddingWrapper;
using EmbeddingWrapper.Optim;
using EmbeddingWrapper.Pretrained;
using TorchSharp;
using static TorchSharp.torch;
using Embedding = EmbeddingWrapper.Embedding;

void Print(object value) => Console.WriteLine(value is Tensor tensor ? tensor.Repr() : value);

// csharprepl copies TorchSharp.dll away from its native library. It names no file to scripts: there, start it in this folder.
string Folder([CallerFilePath] string path = null) => Path.GetDirectoryName(path) ?? "";
string native = OperatingSystem.IsWindows() ? "LibTorchSharp.dll"
    : OperatingSystem.IsMacOS() ? "libLibTorchSharp.dylib"
    : "libLibTorchSharp.so";
NativeLibrary.Load(Path.GetFullPath(Path.Combine(Folder(), "../bin/Debug/net10.0", native)));
