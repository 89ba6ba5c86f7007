using Transformer.Models.Graph;

namespace Transformer.Models.Training;

/// <summary>The mean of the weights of several checkpoints of one training.</summary>
/// <remarks>Vaswani et al., "Attention Is All You Need", 2017, §6.1: the last 5 checkpoints of
/// the base models, the last 20 of the big ones.</remarks>
public static class CheckpointAverage
{
    /// <summary>Puts the mean of the newest checkpoints of a folder into a model.</summary>
    /// <param name="folder">The checkpoints.</param>
    /// <param name="count">How many of the newest ones; fewer where there are fewer.</param>
    /// <param name="parameters">Receives the weights; moments stay as they are.</param>
    /// <returns>The files averaged, newest first.</returns>
    /// <exception cref="InvalidDataException">There is none, one is damaged, or one does not fit
    /// the model.</exception>
    public static IReadOnlyList<string> LoadNewest(
        CheckpointFolder folder, int count, ParameterSet parameters)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        string[] files = [.. folder.Steps.Reverse().Take(count).Select(folder.FileOf)];
        if (files.Length == 0)
        {
            throw new InvalidDataException(
                $"CheckpointAverage: '{folder.Path}' has no checkpoint. Train first.");
        }

        Load(files, parameters);
        return files;
    }

    /// <summary>Puts the mean of checkpoints into a model.</summary>
    /// <param name="files">One or more checkpoints.</param>
    /// <param name="parameters">Receives the weights; moments stay as they are.</param>
    /// <exception cref="ArgumentException">No file is given.</exception>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged or does not fit the model; the
    /// weights are untouched.</exception>
    public static void Load(IReadOnlyList<string> files, ParameterSet parameters)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentNullException.ThrowIfNull(parameters);
        if (files.Count == 0)
            throw new ArgumentException("CheckpointAverage: no file is given; expected 1 or more.");
        List<Checkpoint> checkpoints = [];
        try
        {
            CheckpointTensor[] expected = [.. CheckpointTensors.Of(parameters)];
            foreach (string file in files)
            {
                checkpoints.Add(Checkpoint.Open(file));
                checkpoints[^1].RequireTensors(expected);
            }

            foreach (Parameter parameter in parameters.All)
                parameter.CopyFrom(Mean(checkpoints, parameter));
        }
        finally
        {
            foreach (Checkpoint checkpoint in checkpoints) checkpoint.Dispose();
        }
    }

    private static float[] Mean(List<Checkpoint> checkpoints, Parameter parameter)
    {
        double[] sum = new double[parameter.Shape.ElementCount];
        foreach (Checkpoint checkpoint in checkpoints)
        {
            ReadOnlySpan<float> weights = checkpoint.Weight(parameter.Name);
            for (int i = 0; i < sum.Length; i++) sum[i] += weights[i];
        }

        return Array.ConvertAll(sum, s => (float)(s / checkpoints.Count));
    }
}
