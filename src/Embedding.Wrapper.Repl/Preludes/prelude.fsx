// For dotnet fsi, from the root of the repository, after a build:
//     dotnet fsi --use:src/Embedding.Wrapper.Repl/Preludes/prelude.fsx
// Scripts: #load this file. Their native library lies beside TorchSharp.dll in the build output.
#r "../bin/Debug/net10.0/TorchSharp.dll"
#r "../bin/Debug/net10.0/Embedding.Wrapper.dll"
#r "../bin/Debug/net10.0/Embedding.Wrapper.Pretrained.dll"

open System
open TorchSharp
open EmbeddingWrapper
open EmbeddingWrapper.Optim
open EmbeddingWrapper.Pretrained

// At the prompt a tensor is shown as PyTorch prints it, and a layer by its own line.
fsi.AddPrinter(fun (tensor: torch.Tensor) -> tensor.Repr())
fsi.AddPrinter(fun (layer: torch.nn.Module) -> layer.ToString())
