using BenchmarkDotNet.Running;
using Transformer.Benchmarks;
using Transformer.Benchmarks.FusedAttention;
using Transformer.Benchmarks.Peers;

if (args.Contains("--smoke")) return Smoke.Run();
if (args is ["--peer"]) return PeerProcess.Run(Console.In, Console.Out);
if (args is ["--attention-costs", string file]) return AttentionCosts.Run(file);
if (args is ["--work-split", string split]) return WorkSplit.Run(split);
if (args is ["--position-kinds", string kinds, string text])
    return PositionKindsMeasure.Run(kinds, text);
if (args is ["--tokenizers", string tokenizers, .. { Length: > 0 } texts])
    return TokenizersMeasure.Run(tokenizers, texts);
if (args is ["--classifiers", string classifiers]) return ClassifiersMeasure.Run(classifiers);
BenchmarkSwitcher.FromAssembly(typeof(Smoke).Assembly).Run(args);
return 0;
