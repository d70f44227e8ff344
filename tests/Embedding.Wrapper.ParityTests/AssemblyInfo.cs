using Xunit.Sdk;
using Xunit.v3;

// torch.manual_seed and set_default_dtype change the whole process, and nearly every test here uses one of them.
[assembly: Parallelization(Mode = ParallelMode.None)]
