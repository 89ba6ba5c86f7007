namespace Transformer.Cuda;

/// <summary>Blocks, threads of a block, and shared memory of a launch.</summary>
/// <param name="Blocks">Blocks along x; 0 launches nothing.</param>
/// <param name="Threads">Threads of a block, along x.</param>
/// <param name="SharedBytes">Dynamic shared memory of a block.</param>
/// <param name="BlocksY">Blocks along y.</param>
/// <param name="BlocksZ">Blocks along z.</param>
public readonly record struct LaunchShape(
    uint Blocks, uint Threads, int SharedBytes = 0, uint BlocksY = 1, uint BlocksZ = 1);
