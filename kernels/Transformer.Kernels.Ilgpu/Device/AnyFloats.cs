using ILGPU;

namespace Transformer.Kernels.Ilgpu.Device;

/// <summary>A tensor whose element type only the launch knows: small ones beside the operands.
/// </summary>
internal struct AnyFloats
{
    public ArrayView<float> Single;
    public ArrayView<ushort> Half, Brain;

    /// <summary>True where there is none.</summary>
    public readonly bool IsAbsent => Single.Length + Half.Length + Brain.Length == 0;

    public readonly float Load(long index)
    {
        if (Single.Length > 0) return Single[index];
        if (Half.Length > 0)
        {
            HalfStorage half = default;
            return half.Load(Half, index);
        }

        BrainStorage brain = default;
        return brain.Load(Brain, index);
    }

    public readonly void Store(long index, float value)
    {
        if (Single.Length > 0) Single[index] = value;
        else if (Half.Length > 0)
        {
            HalfStorage half = default;
            half.Store(Half, index, value);
        }
        else
        {
            BrainStorage brain = default;
            brain.Store(Brain, index, value);
        }
    }
}
