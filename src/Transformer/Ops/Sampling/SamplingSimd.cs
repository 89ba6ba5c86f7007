using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>One draw a row from softmax(logits / temperature), cut by top-k and top-p.</summary>
/// <remarks>
/// Shapes: logits [Rows, Vocabulary]; tokens [Rows].
/// Work: a batch is one row. Passes over it: maximum; with top-k, selection by a heap; exponentials
/// and their sum; with top-p, a sort of the tokens that are likely enough to be in the set; the
/// draw, which ends at the token. Greedy: one pass.
/// Memory: 16 bytes a logit: widened, its exponential, and what is sorted.
/// Bytes: logits read from memory once while a row fits L2.
/// Numerics: exponentials in binary32, sums in double, by falling logit for top-p and by rising
/// token for the draw; they do not depend on the number of threads.
/// Preconditions: a validated call on Float32, Float16 or BFloat16 logits.
/// Source: Fan, Lewis, Dauphin 2018 (top-k); Holtzman et al. 2020 (top-p).
/// </remarks>
internal sealed unsafe class SamplingSimd : IKernel<SamplingForward>
{
    public bool Supports(in SamplingForward call, out string? reason)
    {
        reason = SimdSupport.Storage("logits", call.Logits);
        return reason is null;
    }

    public void Run(in SamplingForward call)
    {
        long bytes = call.EffectiveTemperature == 0 ? 0 : call.Rows * Row.Bytes(call.Vocabulary);
        using HostBlock scratch = HostMemory.Rent(bytes);
        Work work = new(call, scratch.Pointer<byte>());
        CpuParallel.For(call.Rows, ref work);
    }

    private readonly struct Work(SamplingForward call, byte* scratch) : IBatchWork
    {
        public void Run(int row)
        {
            DType type = call.Logits.DType;
            byte* logits =
                (byte*)call.Logits.Address + ((long)row * call.Vocabulary * type.Size());
            ulong best;
            LargestElements.Select(type, logits, call.Vocabulary, &best, 1);
            int token = LargestElements.Index(best);
            float maximum = 0;
            FloatStorage.Widen(type, logits + ((long)token * type.Size()), &maximum, 1);
            if (!float.IsFinite(maximum)) token = -1;
            else if (call.EffectiveTemperature != 0)
            {
                Row drawn = new(scratch + (row * Row.Bytes(call.Vocabulary)), call.Vocabulary);
                token = drawn.Draw(call, logits, maximum, call.Unit(row));
            }

            call.Tokens.Pointer<int>()[row] = token;
        }
    }

    /// <summary>Logits, weights and ranks of one row's tokens.</summary>
    private readonly struct Row(byte* scratch, int length)
    {
        // A smaller one would round to 0 in binary32; differences of logits are larger.
        private const double LeastTemperature = 1e-30;

        private readonly ulong* ranks = (ulong*)scratch;
        private readonly float* logits = (float*)(scratch + ((long)length * sizeof(ulong)));
        private readonly float* weights = (float*)scratch + (3L * length);

        public static long Bytes(int length) =>
            (long)length * (sizeof(ulong) + (2 * sizeof(float)));

        public int Draw(in SamplingForward call, byte* stored, float maximum, double unit)
        {
            FloatStorage.Widen(call.Logits.DType, stored, logits, length);
            Span<float> w = new(weights, length);
            TensorPrimitives.Subtract(new ReadOnlySpan<float>(logits, length), maximum, w);
            double temperature = Math.Max(call.EffectiveTemperature, LeastTemperature);
            TensorPrimitives.Divide(w, (float)temperature, w);
            TensorPrimitives.Exp(w, w);
            int kept = call.EffectiveTopK;
            if (kept < length)
            {
                LargestElements.Select(DType.Float32, (byte*)logits, length, ranks, kept);
                DropBelow(ranks[0]);
            }

            if (call.EffectiveTopP < 1) DropBelow(LeastOf(call.EffectiveTopP, kept));
            return Find(unit * Sum());
        }

        /// <summary>The rank of the least likely token of the smallest set with probability p.
        /// </summary>
        private ulong LeastOf(double p, int kept)
        {
            double total = Sum(), enough = p * total, sum = 0;
            // All tokens below this weight together have less than 1 − p: they are not needed.
            float least = (float)((1 - p) * total / kept);
            int count = 0;
            for (int token = 0; token < length; token++)
            {
                if (weights[token] >= least && weights[token] > 0)
                    ranks[count++] = LargestElements.Rank(logits[token], token);
            }

            new Span<ulong>(ranks, count).Sort();
            do sum += weights[LargestElements.Index(ranks[--count])];
            while (count > 0 && sum < enough);
            return ranks[count];
        }

        /// <summary>Takes the weight of tokens that are less likely than the one of that rank.
        /// </summary>
        private void DropBelow(ulong rank)
        {
            int last = LargestElements.Index(rank);
            float least = logits[last];
            for (int token = 0; token < length; token++)
            {
                bool kept = logits[token] > least || (logits[token] == least && token <= last);
                weights[token] = kept ? weights[token] : 0;
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private double Sum()
        {
            double sum = 0;
            for (int token = 0; token < length; token++) sum += weights[token];
            return sum;
        }

        private int Find(double target)
        {
            int last = 0;
            for (int token = 0; token < length; token++)
            {
                if (weights[token] == 0) continue;
                last = token;
                target -= weights[token];
                if (target < 0) break;
            }

            return last;
        }
    }
}
