using Transformer.Backends;
using Transformer.Numerics;

namespace Transformer.Tests.Linear;

/// <summary>The matrix product at every vector width, whatever the machine accelerates.</summary>
public unsafe class MatMulTests
{
    // Around tiles (6 rows; 2 or 4 vectors), depth blocks (64, 512; 1,024 of few rows) and the ways
    // chosen by the rows: in place to 16 or 64, packed by each batch to 264, packed once.
    public static TheoryData<int, int, int> Shapes => new()
    {
        { 1, 1, 1 }, { 1, 65, 300 }, { 2, 63, 17 }, { 5, 7, 9 }, { 16, 130, 64 }, { 17, 64, 256 },
        { 18, 66, 257 }, { 23, 33, 63 }, { 37, 16, 520 }, { 100, 200, 31 }, { 64, 129, 1 },
        { 33, 48, 513 }, { 49, 96, 70 }, { 8, 37, 1027 }, { 64, 35, 1100 }, { 65, 70, 530 },
        { 133, 131, 40 }, { 264, 65, 33 }, { 265, 200, 70 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Product_MatchesDouble_AtEveryWidth(int rows, int columns, int depth)
    {
        foreach (bool transposeA in new[] { false, true })
        {
            foreach (bool transposeB in new[] { false, true })
            {
                foreach (bool accumulate in new[] { false, true })
                {
                    Case problem = new(rows, columns, depth, transposeA, transposeB, accumulate);
                    problem.Check<Simd512>(4);
                    problem.Check<Simd256>(2);
                    problem.Check<Simd256>(4);
                    problem.Check<Simd128>(2);
                    problem.Check<Simd128>(4);
                }
            }
        }
    }

    [Theory]
    [InlineData(301, 515, 130, false)]
    [InlineData(130, 301, 515, true)]
    [InlineData(7, 515, 300, false)]
    public void Product_IsBitEqual_ForAnyThreadCount(int rows, int columns, int depth, bool a)
    {
        Case problem = new(rows, columns, depth, a, !a, accumulate: true);
        int before = CpuParallel.ThreadCount;
        try
        {
            CpuParallel.ThreadCount = 1;
            float[] one = problem.Run<Simd512>(4);
            foreach (int threads in new[] { 2, 3 })
            {
                CpuParallel.ThreadCount = threads;
                Assert.Equal(one, problem.Run<Simd512>(4));
            }
        }
        finally
        {
            CpuParallel.ThreadCount = before;
        }
    }

    /// <summary>Shapes of GPT-2 and smaller ones have blocks enough for eight threads, and none so
    /// small that handing it out would cost more than it does.</summary>
    [Theory]
    [InlineData(512, 768, 768)]
    [InlineData(512, 768, 2304)]
    [InlineData(512, 3072, 768)]
    [InlineData(512, 768, 3072)]
    [InlineData(1024, 768, 50257)]
    [InlineData(512, 512, 512)]
    [InlineData(4096, 768, 64)]
    public void Plan_HasBlocksForEightThreads(int rows, int depth, int columns)
    {
        foreach (int panelWidth in new[] { 64, 32, 16, 8 })
        {
            PackedMatrix b = new(depth, columns, panelWidth);
            foreach (bool packsLeft in new[] { false, true })
            {
                MatMulPlan plan = new(rows, in b, packsLeft, packsRight: false);
                // Two rounds of eight; rounding rows up to whole tiles may take one away.
                Assert.InRange(plan.Batches, 15, int.MaxValue);
                long work = (long)plan.RowBlock * plan.PanelBlock * panelWidth * depth;
                Assert.InRange(work, 1 << 18, long.MaxValue);
            }
        }
    }

    [Theory]
    [InlineData(1, 7, 5, false)]
    [InlineData(265, 700, 333, false)]
    [InlineData(265, 700, 333, true)]
    [InlineData(100, 1000, 40, false)]
    [InlineData(5000, 3, 900, true)]
    public void Plan_CoversTheProduct(int rows, int columns, int depth, bool packsLeft)
    {
        foreach (bool packsRight in new[] { false, true })
        {
            PackedMatrix b = new(depth, columns, 16);
            MatMulPlan plan = new(rows, in b, packsLeft, packsRight);
            int panelBlocks = plan.Batches / plan.RowBlocks;
            Assert.Equal(plan.Batches, plan.RowBlocks * panelBlocks);
            Assert.InRange(rows, (plan.RowBlocks - 1) * plan.RowBlock + 1,
                plan.RowBlocks * plan.RowBlock);
            Assert.InRange(b.Panels, (panelBlocks - 1) * plan.PanelBlock + 1,
                panelBlocks * plan.PanelBlock);
            if (packsRight) Assert.Equal(1, plan.RowBlocks);
        }
    }

    private sealed class Case
    {
        private const int Gap = 3;
        private const float Guard = -7.25f;

        private readonly int rows, columns, depth;
        private readonly bool transposeA, transposeB, accumulate;
        private readonly float[] a, b, initial, bias;

        public Case(
            int rows, int columns, int depth, bool transposeA, bool transposeB, bool accumulate)
        {
            (this.rows, this.columns, this.depth) = (rows, columns, depth);
            (this.transposeA, this.transposeB) = (transposeA, transposeB);
            this.accumulate = accumulate;
            Random random = new(rows * 7919 + columns * 31 + depth);
            a = Matrix(random, transposeA ? depth : rows, transposeA ? rows : depth);
            b = Matrix(random, transposeB ? columns : depth, transposeB ? depth : columns);
            initial = Matrix(random, rows, columns);
            bias = Matrix(random, 1, columns);
        }

        private int AStride => (transposeA ? rows : depth) + Gap;

        private int BStride => (transposeB ? depth : columns) + Gap;

        private int CStride => columns + Gap;

        public float[] Run<T>(int panelVectors) where T : struct, ISimdFloat<T>
        {
            float[] c = [.. initial];
            fixed (float* ap = a, bp = b, cp = c, biasp = bias)
            {
                BiasActivationEpilogue<IdentityActivation> epilogue = new(biasp, default);
                MatMul.Run<T, BiasActivationEpilogue<IdentityActivation>>(
                    new MatMulProblem
                    {
                        A = new(ap, AStride, transposeA),
                        B = new(bp, BStride, transposeB),
                        C = (nint)cp,
                        CStride = CStride,
                        Rows = rows,
                        Columns = columns,
                        Depth = depth,
                        Accumulate = accumulate,
                    },
                    panelVectors, in epilogue);
            }

            return c;
        }

        public void Check<T>(int panelVectors) where T : struct, ISimdFloat<T>
        {
            float[] c = Run<T>(panelVectors);
            for (int row = 0; row < rows; row++)
            {
                for (int column = 0; column < CStride; column++)
                {
                    float actual = c[row * CStride + column];
                    if (column >= columns)
                    {
                        Assert.Equal(initial[row * CStride + column], actual);
                        continue;
                    }

                    (double expected, double magnitude) = Expected(row, column);
                    // Each of depth + 2 additions rounds a partial sum that is no larger than the
                    // sum of magnitudes.
                    double tolerance = (depth + 3) * magnitude * Math.Pow(2, -24);
                    if (Math.Abs(actual - expected) <= tolerance) continue;
                    Assert.Fail(
                        $"{typeof(T).Name} × {panelVectors}, [{rows}, {depth}]·[{depth}, " +
                        $"{columns}], a {transposeA}, b {transposeB}, add {accumulate}: " +
                        $"({row}, {column}) is {actual}; expected {expected}");
                }
            }
        }

        private (double Value, double Magnitude) Expected(int row, int column)
        {
            double sum = bias[column], magnitude = Math.Abs(bias[column]);
            if (accumulate)
            {
                sum += initial[row * CStride + column];
                magnitude += Math.Abs(initial[row * CStride + column]);
            }

            for (int k = 0; k < depth; k++)
            {
                double x = transposeA ? a[k * AStride + row] : a[row * AStride + k];
                double y = transposeB ? b[column * BStride + k] : b[k * BStride + column];
                sum += x * y;
                magnitude += Math.Abs(x * y);
            }

            return (sum, magnitude);
        }

        private static float[] Matrix(Random random, int rows, int columns)
        {
            float[] matrix = new float[rows * (columns + Gap)];
            for (int i = 0; i < matrix.Length; i++)
            {
                matrix[i] = i % (columns + Gap) < columns
                    ? (float)(2 * random.NextDouble() - 1) : Guard;
            }

            return matrix;
        }
    }
}
