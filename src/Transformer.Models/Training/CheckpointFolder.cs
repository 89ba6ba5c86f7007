using System.Globalization;

namespace Transformer.Models.Training;

/// <summary>A checkpoint that was passed over.</summary>
/// <param name="Path">The file.</param>
/// <param name="Reason">What is wrong with it, one line.</param>
public sealed record DamagedCheckpoint(string Path, string Reason);

/// <summary>The checkpoints of one training: <c>checkpoint-00000500.safetensors</c> and so on.
/// </summary>
/// <param name="path">The folder; made when the first checkpoint is saved.</param>
public sealed class CheckpointFolder(string path)
{
    private const string Prefix = "checkpoint-", Suffix = ".safetensors";

    /// <summary>The folder.</summary>
    public string Path { get; } = path;

    /// <summary>Steps of the checkpoints there, rising; whether they are whole is not checked.
    /// </summary>
    /// <exception cref="IOException">The folder cannot be read.</exception>
    public IReadOnlyList<long> Steps => Directory.Exists(Path)
        ? [.. Directory.EnumerateFiles(Path, Prefix + "*" + Suffix).Select(StepOf)
            .Where(step => step >= 0).Order()]
        : [];

    /// <summary>The file of a step.</summary>
    public string FileOf(long step) => System.IO.Path.Combine(
        Path, string.Create(CultureInfo.InvariantCulture, $"{Prefix}{step:D8}{Suffix}"));

    /// <summary>Opens the newest checkpoint that is whole.</summary>
    /// <param name="damaged">Newer ones that are not, newest first.</param>
    /// <returns>The checkpoint, to be disposed; null where there is none.</returns>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public Checkpoint? OpenNewest(out IReadOnlyList<DamagedCheckpoint> damaged)
    {
        List<DamagedCheckpoint> passedOver = [];
        damaged = passedOver;
        foreach (long step in Steps.Reverse())
        {
            try
            {
                return Checkpoint.Open(FileOf(step));
            }
            catch (InvalidDataException e)
            {
                passedOver.Add(new(FileOf(step), e.Message));
            }
        }

        return null;
    }

    /// <summary>Deletes all but the newest checkpoints up to a step, and the best one.</summary>
    /// <param name="step">Files of later steps are left alone: they were passed over.</param>
    /// <param name="keep">How many of the newest stay.</param>
    /// <param name="bestStep">Stays besides.</param>
    /// <exception cref="IOException">A file cannot be deleted.</exception>
    internal void Rotate(long step, int keep, long bestStep)
    {
        foreach (long old in Steps.Where(s => s <= step).Reverse().Skip(keep))
        {
            if (old != bestStep) File.Delete(FileOf(old));
        }

        // What a killed process left unfinished.
        foreach (string left in Directory.EnumerateFiles(Path, Prefix + "*" + Suffix + ".tmp"))
            File.Delete(left);
    }

    private static long StepOf(string file)
    {
        string name = System.IO.Path.GetFileName(file);
        return name.Length >= Prefix.Length + Suffix.Length + 8
            && long.TryParse(name.AsSpan(Prefix.Length..^Suffix.Length), NumberStyles.None,
                CultureInfo.InvariantCulture, out long step)
            ? step : -1;
    }
}
