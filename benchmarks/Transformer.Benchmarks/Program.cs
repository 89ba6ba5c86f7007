using BenchmarkDotNet.Running;
using Transformer.Benchmarks;

if (args.Contains("--smoke")) return Smoke.Run();
BenchmarkSwitcher.FromAssembly(typeof(Smoke).Assembly).Run(args);
return 0;
