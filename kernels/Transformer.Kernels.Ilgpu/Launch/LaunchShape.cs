namespace Transformer.Kernels.Ilgpu.Launch;

/// <summary>Groups, threads of a group, and shared memory of a launch.</summary>
/// <param name="Groups">Groups along x; 0 launches nothing.</param>
/// <param name="Threads">Threads of a group, along x.</param>
/// <param name="SharedFloats">Dynamic shared memory of a group, in floats.</param>
/// <param name="GroupsY">Groups along y.</param>
internal readonly record struct LaunchShape(
    long Groups, int Threads, int SharedFloats = 0, int GroupsY = 1);
