using BenchmarkDotNet.Running;
using Transformer.Benchmarks;
using Transformer.Benchmarks.FusedAttention;

if (args.Contains("--smoke")) return Smoke.Run();
if (args is ["--attention-costs", string file]) return AttentionCosts.Run(file);
BenchmarkSwitcher.FromAssembly(typeof(Smoke).Assembly).Run(args);
return 0;
