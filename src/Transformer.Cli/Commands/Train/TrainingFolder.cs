using Transformer.Models.Training;

namespace Transformer.Cli.Commands.Train;

/// <summary>The folder of one training: its settings, its checkpoints, and the best model so far
/// with its tokenizers.</summary>
internal sealed class TrainingFolder : IDisposable
{
    private const string SettingsName = "training.json", CheckpointsName = "checkpoints",
        LockName = "training.lock";

    private FileStream? claim;

    private readonly string command;

    private TrainingFolder(string command, string path)
    {
        this.command = command;
        Path = path;
    }

    /// <summary>The folder, as the user named it.</summary>
    public string Path { get; }

    /// <summary>Checkpoints of the training.</summary>
    public CheckpointFolder Checkpoints => new(System.IO.Path.Combine(Path, CheckpointsName));

    private string SettingsFile => System.IO.Path.Combine(Path, SettingsName);

    /// <summary>Checks that the folder is new, or has a training to go on with.</summary>
    /// <param name="command">The command in full, for messages.</param>
    /// <param name="path">The folder.</param>
    /// <param name="resume">Whether a training is there to go on with.</param>
    /// <exception cref="IOException">It is neither, or another process trains there.</exception>
    public static TrainingFolder Open(string command, string path, bool resume)
    {
        if (File.Exists(path))
            throw new IOException($"{command}: --out '{path}' is a file. Name a folder.");
        TrainingFolder folder = new(command, path);
        if (resume && !File.Exists(folder.SettingsFile))
        {
            throw new FileNotFoundException($"{command}: '{path}' holds no training to " +
                $"resume (no {SettingsName}). Check the path, or train without --resume.");
        }

        if (!resume && Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any())
        {
            throw new IOException($"{command}: --out '{path}' is not empty. Go on with " +
                "--resume, or name a new folder.");
        }

        if (resume) folder.Claim();
        return folder;
    }

    /// <summary>Lets other processes train here.</summary>
    public void Dispose() => claim?.Dispose();

    /// <summary>The settings that the training was started with.</summary>
    public Dictionary<string, string> ReadSettings(IEnumerable<string> names) =>
        TrainSettingsFile.Read(SettingsFile, names);

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
            throw new IOException($"{command}: cannot create folder '{Path}': {e.Message}", e);
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
            throw new IOException($"{command}: cannot lock '{file}': {e.Message} If another " +
                "process trains there, wait for it or name another folder.", e);
        }
    }
}
