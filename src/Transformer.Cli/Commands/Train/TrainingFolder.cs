using Transformer.Models.Training;

namespace Transformer.Cli.Commands.Train;

/// <summary>The folder of one training: its settings, its checkpoints, and the best model so far
/// with its tokenizers.</summary>
internal sealed class TrainingFolder
{
    private const string SettingsName = "training.json", CheckpointsName = "checkpoints";

    private TrainingFolder(string path) => Path = path;

    /// <summary>The folder, as the user named it.</summary>
    public string Path { get; }

    /// <summary>Checkpoints of the training.</summary>
    public CheckpointFolder Checkpoints => new(System.IO.Path.Combine(Path, CheckpointsName));

    private string SettingsFile => System.IO.Path.Combine(Path, SettingsName);

    /// <summary>Checks that the folder is new, or has a training to go on with.</summary>
    /// <exception cref="IOException">It is neither.</exception>
    public static TrainingFolder Open(string path, bool resume)
    {
        if (File.Exists(path))
            throw new IOException($"train seq2seq: --out '{path}' is a file. Name a folder.");
        TrainingFolder folder = new(path);
        if (resume && !File.Exists(folder.SettingsFile))
        {
            throw new FileNotFoundException($"train seq2seq: '{path}' holds no training to " +
                $"resume (no {SettingsName}). Check the path, or train without --resume.");
        }

        if (!resume && Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any())
        {
            throw new IOException($"train seq2seq: --out '{path}' is not empty. Go on with " +
                "--resume, or name a new folder.");
        }

        return folder;
    }

    /// <summary>The settings that the training was started with.</summary>
    public Dictionary<string, string> ReadSettings() => TrainSettingsFile.Read(SettingsFile);

    /// <summary>Makes the folder and keeps the settings in it.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void WriteSettings(IReadOnlyDictionary<string, string> settings)
    {
        try
        {
            Directory.CreateDirectory(Path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"train seq2seq: cannot create folder '{Path}': {e.Message}", e);
        }

        TrainSettingsFile.Write(SettingsFile, settings);
    }
}
