using Transformer.Backends;

namespace Transformer.Ops;

/// <summary>Long short-term memory, and its gradients.</summary>
/// <remarks>
/// Formula: see <see cref="LstmForward"/> and <see cref="LstmBackward"/>.
/// Shapes: input [Batch, Length, InputFeatures]; inputWeight [4·Hidden, InputFeatures];
/// recurrentWeight [4·Hidden, Hidden]; bias [4·Hidden]; states [Batch, Hidden]; output and cells
/// [Batch, Length, Hidden]; gates [Batch, Length, 4·Hidden]; contiguous.
/// Work: one thread, sequence by sequence and step by step.
/// Bytes: every operand is copied to double once; 8·Hidden·(InputFeatures + Hidden) operations a
/// step.
/// Numerics: double; every result is rounded once.
/// Preconditions: a validated call.
/// Source: Hochreiter and Schmidhuber 1997; the forget gate, Gers et al. 2000.
/// </remarks>
internal sealed class LstmReference : IKernel<LstmForward>, IKernel<LstmBackward>
{
    public void Run(in LstmForward call)
    {
        (int width, int rows) = (call.Hidden, 4 * call.Hidden);
        double[] gates = ReferenceMatrix.Product(
            ReferenceBuffers.Read(call.Input), ReferenceBuffers.Read(call.InputWeight),
            ReferenceBuffers.Read(call.Bias), call.Batch * call.Length, call.InputFeatures, rows);
        double[] weight = ReferenceBuffers.Read(call.RecurrentWeight);
        double[] initialHidden = ReferenceBuffers.Read(call.InitialHidden);
        double[] initialCell = ReferenceBuffers.Read(call.InitialCell);
        double[] output = ReferenceBuffers.Make((long)call.Batch * call.Length * width);
        double[] cells = ReferenceBuffers.Make(output.Length);
        for (int row = 0; row < call.Batch * call.Length; row++)
        {
            ReadOnlySpan<double> hidden = Before(output, initialHidden, row, call.Length, width);
            ReadOnlySpan<double> cell = Before(cells, initialCell, row, call.Length, width);
            Span<double> z = gates.AsSpan(row * rows, rows);
            for (int gate = 0; gate < rows; gate++)
            {
                for (int j = 0; j < hidden.Length; j++)
                    z[gate] += hidden[j] * weight[(gate * width) + j];
                z[gate] = gate / width == 2 ? Math.Tanh(z[gate]) : Sigmoid(z[gate]);
            }

            for (int j = 0; j < width; j++)
            {
                double kept = cell.IsEmpty ? 0 : z[width + j] * cell[j];
                double next = kept + (z[j] * z[(2 * width) + j]);
                cells[(row * width) + j] = next;
                output[(row * width) + j] = z[(3 * width) + j] * Math.Tanh(next);
            }
        }

        ReferenceBuffers.Write(call.Output, output);
        ReferenceBuffers.Write(call.Gates, gates);
        ReferenceBuffers.Write(call.Cells, cells);
    }

    public void Run(in LstmBackward call)
    {
        (int width, int rows, int steps) =
            (call.Hidden, 4 * call.Hidden, call.Batch * call.Length);
        double[] weight = ReferenceBuffers.Read(call.RecurrentWeight);
        double[] output = ReferenceBuffers.Read(call.Output);
        double[] initialHidden = ReferenceBuffers.Read(call.InitialHidden);
        double[] gradient = ReferenceBuffers.Make((long)steps * rows);
        double[] previous = ReferenceBuffers.Make((long)steps * width);
        double[] hiddenGradient = ReferenceBuffers.Make((long)call.Batch * width);
        double[] cellGradient = ReferenceBuffers.Make((long)call.Batch * width);
        Steps(in call, weight, gradient, hiddenGradient, cellGradient);
        for (int row = 0; row < steps; row++)
        {
            Before(output, initialHidden, row, call.Length, width)
                .CopyTo(previous.AsSpan(row * width, width));
        }

        if (call.InputGradient.IsPresent)
        {
            ReferenceBuffers.Write(call.InputGradient, ReferenceMatrix.InputGradient(gradient,
                ReferenceBuffers.Read(call.InputWeight), steps, call.InputFeatures, rows));
        }

        if (call.InputWeightGradient.IsPresent)
        {
            ReferenceBuffers.Add(call.InputWeightGradient, ReferenceMatrix.WeightGradient(gradient,
                ReferenceBuffers.Read(call.Input), steps, call.InputFeatures, rows));
        }

        ReferenceBuffers.Add(call.RecurrentWeightGradient,
            ReferenceMatrix.WeightGradient(gradient, previous, steps, width, rows));
        ReferenceBuffers.Add(
            call.BiasGradient, ReferenceMatrix.BiasGradient(gradient, steps, rows));
        ReferenceBuffers.Write(call.InitialHiddenGradient, hiddenGradient);
        ReferenceBuffers.Write(call.InitialCellGradient, cellGradient);
    }

    /// <summary>gradient = dz of every step; the states' gradients end as the initial ones'.
    /// </summary>
    private static void Steps(
        in LstmBackward call, double[] weight, double[] gradient, double[] hiddenGradient,
        double[] cellGradient)
    {
        (int width, int rows) = (call.Hidden, 4 * call.Hidden);
        double[] gates = ReferenceBuffers.Read(call.Gates);
        double[] cells = ReferenceBuffers.Read(call.Cells);
        double[] initialCell = ReferenceBuffers.Read(call.InitialCell);
        double[] outputGradient = ReferenceBuffers.Read(call.OutputGradient);
        for (int row = (call.Batch * call.Length) - 1; row >= 0; row--)
        {
            ReadOnlySpan<double> cell = Before(cells, initialCell, row, call.Length, width);
            ReadOnlySpan<double> z = gates.AsSpan(row * rows, rows);
            Span<double> dz = gradient.AsSpan(row * rows, rows);
            int state = row / call.Length * width;
            for (int j = 0; j < width; j++)
            {
                double dh = outputGradient[(row * width) + j] + hiddenGradient[state + j];
                (double i, double f) = (z[j], z[width + j]);
                (double g, double o) = (z[(2 * width) + j], z[(3 * width) + j]);
                double squashed = Math.Tanh(cells[(row * width) + j]);
                double dc = (dh * o * (1 - (squashed * squashed))) + cellGradient[state + j];
                dz[j] = dc * g * i * (1 - i);
                dz[width + j] = cell.IsEmpty ? 0 : dc * cell[j] * f * (1 - f);
                dz[(2 * width) + j] = dc * i * (1 - (g * g));
                dz[(3 * width) + j] = dh * squashed * o * (1 - o);
                cellGradient[state + j] = dc * f;
            }

            for (int j = 0; j < width; j++)
            {
                double sum = 0;
                for (int gate = 0; gate < rows; gate++)
                    sum += dz[gate] * weight[(gate * width) + j];
                hiddenGradient[state + j] = sum;
            }
        }
    }

    /// <summary>The state before a step: empty where it is 0.</summary>
    private static ReadOnlySpan<double> Before(
        double[] states, double[] initial, int row, int length, int width)
    {
        if (row % length != 0) return states.AsSpan((row - 1) * width, width);
        return initial.Length == 0 ? [] : initial.AsSpan(row / length * width, width);
    }

    private static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));
}
