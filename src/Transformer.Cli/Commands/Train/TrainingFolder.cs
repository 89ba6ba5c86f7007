using Transformer.Models.Training;

namespace Transformer.Cli.Commands.Train;

/// <summary>The folder of one training: its settings, its checkpoints, and the best model so far
/// with its tokenizers.</summary>
internal sealed class TrainingFolder : IDisposable
{
    private const string SettingsName = "training.json", CheckpointsName = "checkpoints",
        LockName = "training.lock";

    private FileStream? claim;

    private TrainingFolder(string path) => Path = path;

    /// <summary>The folder, as the user named it.</summary>
    public string Path { get; }

    /// <summary>Checkpoints of the training.</summary>
    public CheckpointFolder Checkpoints => new(System.IO.Path.Combine(Path, CheckpointsName));

    private string SettingsFile => System.IO.Path.Combine(Path, SettingsName);

    /// <summary>Checks that the folder is new, or has a training to go on with.</summary>
    /// <exception cref="IOException">It is neither, or another process trains there.</exception>
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

        if (resume) folder.Claim();
        return folder;
    }

    /// <summary>Lets other processes train here.</summary>
    public void Dispose() => claim?.Dispose();

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

        if (claim is null) Claim();
        TrainSettingsFile.Write(SettingsFile, settings);
    }

    /// <summary>Holds a lock file while this process trains, so that no other does here.</summary>
    private void Claim()
    {
        string file = System.IO.Path.Combine(Path, LockName);
        try
        {
            claim = new(file, new FileStreamOptions
            {
                Mode = FileMode.OpenOrCreate,
                Access = FileAccess.Write,
                Share = FileShare.None,
                Options = FileOptions.DeleteOnClose,
            });
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"train seq2seq: cannot lock '{file}': {e.Message} If another " +
                "process trains there, wait for it or name another folder.", e);
        }
    }
}
