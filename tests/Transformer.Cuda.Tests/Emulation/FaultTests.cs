using System.Runtime.InteropServices;
using Transformer.Cuda.Driver;
using Transformer.Tensors;

namespace Transformer.Cuda.Tests.Emulation;

/// <summary>What is wrong in a kernel or around it shows on the emulated device; the kernels are
/// those of native/Testing.</summary>
[Collection(nameof(EmulatedDevice.Breakable))]
public sealed partial class FaultTests : IDisposable
{
    private const int Count = 128;
    private const int IllegalAddress = 700, LaunchFailed = 719;

    private readonly CudaBackend backend = EmulatedDevice.Require(EmulatedDevice.Breakable);
    private readonly Tensor input, output;

    public FaultTests()
    {
        input = new(new(Count), DType.Float32, backend.Memory);
        output = new(new(Count), DType.Float32, backend.Memory);
        input.CopyFrom<float>([.. Enumerable.Range(0, Count).Select(i => (float)i)]);
    }

    public void Dispose()
    {
        backend.Queue.Device.Enter();
        transformer_emulation_reset();
        input.Dispose();
        output.Dispose();
    }

    [SkippableFact]
    public void BarriersInPlace_GiveTheRightValues() => Assert.Equal(
        Enumerable.Range(0, Count).Select(i => Count - 1f - i), Run("testing_reverse"));

    // Of two threads that read each other's value one runs first, whatever the order.
    [SkippableFact]
    public void MissingBarrier_GivesWrongValues() =>
        Assert.Contains(float.NaN, Run("testing_reverse_without_barrier"));

    [SkippableFact]
    public void MissingBarriersOfASum_GiveWrongValues() =>
        Assert.Contains(float.NaN, Run("testing_sum_without_barriers"));

    // Only a warp that runs ahead of another shows it: a matter of chance, launch by launch.
    [SkippableFact]
    public void MissingBarrierBeforeASecondWrite_GivesWrongValues()
    {
        // Warps hold 0, 32, 64, 96, then one more each.
        int wrong = Enumerable.Range(0, 40).Count(
            _ => Run("testing_rewrite_without_barrier").Any(total => total != 388));
        Assert.InRange(wrong, 1, 40);
    }

    [SkippableTheory]
    [InlineData("testing_barrier_in_a_branch", "not reached by all")]
    [InlineData("testing_two_barriers", "not reached by all")]
    [InlineData("testing_shuffle_without_a_lane", "waits for a thread that has ended")]
    public void ThreadsThatWaitForNobody_AreReported(string kernel, string told) =>
        Fails(LaunchFailed, kernel, 0, kernel, told);

    [SkippableFact]
    public void OffByOne_IsReported() => Fails(
        IllegalAddress, "testing_copy_off_by_one", 0, "thread (0, 0, 0) of block (0, 0, 0)",
        "byte 512 of an allocation of 512 bytes");

    [SkippableTheory]
    [InlineData("testing_read_at", Count, "byte 512 of an allocation of 512 bytes")]
    [InlineData("testing_write_at", Count, "byte 512 of an allocation of 512 bytes")]
    [InlineData("testing_write_at", -1, "the bytes before an allocation of 512 bytes")]
    [InlineData("testing_write_at", 1 << 28, "where no memory is")]
    public void AccessOutOfBounds_IsReported(string kernel, int offset, string told) =>
        Fails(IllegalAddress, kernel, offset, kernel, told);

    [SkippableFact]
    public void WriteBetweenTheEndAndTheNextPage_IsReported()
    {
        using Tensor odd = new(new(Count + 1), DType.Float32, backend.Memory);
        Argument argument = new() { Output = odd.View.Address, Offset = Count + 1 };
        Launch("testing_write_at", argument);

        CudaException fault = Assert.Throws<CudaException>(backend.Synchronize);
        Assert.Contains("after an allocation of 516 bytes", fault.Message,
            StringComparison.Ordinal);
    }

    [SkippableTheory]
    [InlineData(Count)]
    [InlineData(Count + 3)]
    public void SharedOverrun_IsReported(int offset) => Fails(
        IllegalAddress, "testing_write_shared_at", offset, "512 bytes of shared memory");

    [SkippableFact]
    public void SharedOverrunOfAFewBytes_IsReported() => Fails(
        IllegalAddress, "testing_write_shared_at", 3, 12, "12 bytes of shared memory");

    [SkippableFact]
    public void MisalignedWords_AreReported() => Fails(
        LaunchFailed, "testing_load_words_at", 1, "a 16-byte load is not aligned");

    [SkippableFact]
    public void AfterAFault_EveryCallFails()
    {
        Fails(IllegalAddress, "testing_write_at", Count, "testing_write_at");

        Assert.Equal(IllegalAddress, Assert.Throws<CudaException>(backend.Synchronize).Status);
        Assert.Equal(IllegalAddress, Assert.Throws<CudaException>(
            () => output.CopyTo<float>(new float[Count])).Status);
        Assert.Contains("start it anew", Assert.Throws<CudaException>(
            () => Launch("testing_add_one", default)).Message, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void ResultReadWithoutWaiting_IsNotThere()
    {
        float[] host = new float[Count];
        Run("testing_add_one");
        GCHandle pin = GCHandle.Alloc(host, GCHandleType.Pinned);
        Assert.Equal(0, DriverApi.cuMemcpyDtoHAsync_v2(
            pin.AddrOfPinnedObject(), output.View.Address, Count * sizeof(float), backend.Stream));
        Assert.Equal(new float[Count], host);

        backend.Synchronize();
        Assert.Equal(Enumerable.Range(1, Count).Select(i => (float)i), host);
        pin.Free();
    }

    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void OtherStream_SeesResultsOnlyIfItWaits(bool waits)
    {
        using CudaStream other = new(backend.Queue.Device);
        CudaBackend second = CudaBackend.OnStream(other.Handle, EmulatedDevice.Breakable);
        using Tensor copied = new(new(Count), DType.Float32, second.Memory);
        using CudaEvent done = new(backend.Queue.Device);
        second.Synchronize();
        backend.Synchronize();
        Launch("testing_add_one", Of(0));
        done.Record(backend.Queue.Stream);
        if (waits) done.Hold(other);
        second.Memory.Copy(output.View.Address, copied.View.Address, Count * sizeof(float));
        float[] host = new float[Count];
        copied.CopyTo<float>(host);

        Assert.Equal(waits ? Count : 0, host[^1]);
    }

    private float[] Run(string kernel)
    {
        Launch(kernel, Of(0));
        float[] host = new float[Count];
        output.CopyTo<float>(host);
        return host;
    }

    private void Fails(int status, string kernel, int offset, params string[] told) =>
        Fails(status, kernel, offset, Count * sizeof(float), told);

    private void Fails(
        int status, string kernel, int offset, int sharedBytes, params string[] told)
    {
        Launch(kernel, Of(offset), sharedBytes);
        CudaException fault = Assert.Throws<CudaException>(backend.Synchronize);
        Assert.Equal(status, fault.Status);
        Assert.All(told, part => Assert.Contains(part, fault.Message, StringComparison.Ordinal));
    }

    private Argument Of(int offset) => new()
    {
        Input = input.View.Address,
        Output = output.View.Address,
        Count = Count,
        Offset = offset,
    };

    private void Launch(
        string kernel, in Argument argument, int sharedBytes = Count * sizeof(float)) =>
        backend.Queue.Kernel("faults", kernel).Launch(new(1, Count, sharedBytes), argument);

    [LibraryImport("libcuda_emulated.so")]
    private static partial void transformer_emulation_reset();

    [StructLayout(LayoutKind.Sequential)]
    private struct Argument
    {
        public nint Input, Output;
        public int Count, Offset;
    }
}
