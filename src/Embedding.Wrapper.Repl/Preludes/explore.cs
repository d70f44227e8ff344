#!/usr/bin/env -S dotnet run --file
// A program of one file: dotnet run --file src/Embedding.Wrapper.Repl/Preludes/explore.cs
// In a folder of your own take these lines in place of the two below:
//     #:package Embedding.Wrapper.Pretrained@*
//     #:package libtorch-cpu@2.10.0
#:project ../../Embedding.Wrapper.Pretrained/Embedding.Wrapper.Pretrained.csproj
#:property UsesLibTorch=true

using EmbeddingWrapper;
using TorchSharp;
using static TorchSharp.torch;
using Embedding = EmbeddingWrapper.Embedding;

torch.manual_seed(0);
using var embedding = new Embedding(10, 3);
Print(embedding);
Print(embedding.call(tensor(new long[,] { { 1, 2, 4, 5 }, { 4, 3, 2, 9 } })));

static void Print(object? value) => Console.WriteLine(value is Tensor tensor ? tensor.Repr() : value);
