using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Verification;

namespace Transformer.Cuda.Tests;

/// <summary>The products of linear layers on 9.0: which kernel each took, and what it wrote.
/// </summary>
public sealed partial class LinearHopperTests
{
    // Rows, inputs, outputs. More tiles than multiprocessors, so that blocks go on to a second and
    // the ring wraps; edges in every direction; k split; rows that are not whole 16 bytes.
    [SkippableTheory]
    [InlineData(150, 200, 304, "forward_", "input_gradient_", "weight_gradient_")]
    [InlineData(130, 72, 136, "forward_", "input_gradient_", "weight_gradient_")]
    [InlineData(72, 712, 72, "forward_", "input_gradient_", "weight_gradient_")]
    [InlineData(1300, 72, 72, "forward_", "input_gradient_", "weight_gradient_")]
    [InlineData(72, 128, 71, "forward_")]
    [InlineData(131, 197, 67)]
    [InlineData(64, 128, 128, "weight_gradient_")]
    public void Products_TakeTheirKernels(
        int rows, int inputs, int outputs, params string[] expected)
    {
        CudaBackend hopper = EmulatedDevice.Require();
        string[] products = ["forward_", "input_gradient_", "weight_gradient_"];
        foreach (ParityCase parity in Cases(rows, inputs, outputs)
            .Where(c => c.DType != DType.Float32))
        {
            long[] before = [.. products.Select(Launches)];
            ParityResult result = parity.Run(hopper);
            Assert.True(result.Passed, result.ToString());
            for (int i = 0; i < products.Length; i++)
            {
                bool forward = parity.Direction == OpDirection.Forward;
                bool takes = forward == (i == 0) && expected.Contains(products[i]);
                Assert.True(Launches(products[i]) - before[i] == (takes ? 1 : 0),
                    $"{parity.Name} {parity.DType}: {products[i]}");
            }
        }
    }

    [SkippableFact]
    public void OlderDevices_TakeThePortableKernels()
    {
        CudaBackend older = EmulatedDevice.Require(EmulatedDevice.Ampere);
        long before = Launches("");
        foreach (ParityCase parity in Cases(150, 200, 304).Where(c => c.DType != DType.Float32))
        {
            ParityResult result = parity.Run(older);
            Assert.True(result.Passed, result.ToString());
        }

        Assert.Equal(before, Launches(""));
    }

    private static List<ParityCase> Cases(int rows, int inputs, int outputs)
    {
        string name = $"[{rows}, {inputs}] to {outputs} on Hopper";
        ParityCase[] own =
        [
            new ParityCase<LinearForward>(name, Tolerance.Sum(inputs),
                m => LinearTests.Forward(m, rows, inputs, outputs, Activation.Gelu))
            { SixteenBit = true },
            new ParityCase<LinearBackward>(name, Tolerance.Sum(Math.Max(rows, outputs)),
                m => LinearTests.Backward(m, rows, inputs, outputs, Activation.GeluTanh))
            { SixteenBit = true },
        ];
        // One at a time: every second of a list would not start on 16 bytes.
        List<ParityCase> all = [.. own.SelectMany(one =>
            ParityCases.Select([one.Op], quick: false, [one])
                .Where(c => c.Name == name && c.Direction == one.Direction))];
        Assert.Equal(6, all.Count);
        return all;
    }

    private static long Launches(string product) =>
        transformer_emulation_launches("linear_hopper_" + product);

    [LibraryImport("libcuda_emulated.so", StringMarshalling = StringMarshalling.Utf8)]
    private static partial long transformer_emulation_launches(string beginning);
}
