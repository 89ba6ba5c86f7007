using System.Globalization;
using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Interchange;
using Transformer.Tensors;

namespace Transformer.Models.Training;

/// <summary>
/// A training at one step, as one safetensors file: weights under their own names, AdamW's two
/// moments of each, and in the metadata everything else that resuming needs.
/// </summary>
/// <remarks>
/// <see cref="Open"/> checks the whole file, with a checksum of the data, and nothing of a damaged
/// file is used. The file is mapped until <see cref="Dispose"/>.
/// </remarks>
public sealed class Checkpoint : IDisposable
{
    private const string FormatKey = "format", Format = "transformer-training-1";
    private const string ConfigKey = "config", OptionsKey = "options", DataKey = "data";
    private const string ChecksumKey = "checksum";

    private readonly SafeTensorsFile file;

    private Checkpoint(SafeTensorsFile file)
    {
        this.file = file;
        string format = Note(FormatKey);
        if (format != Format)
        {
            throw new InvalidDataException($"Checkpoint '{Path}': the format is '{format}'; " +
                $"expected '{Format}'. Train anew, or use the version that wrote it.");
        }

        State = TrainingState.Read(Note, (key, value) => new InvalidDataException(
            $"Checkpoint '{Path}': '{key}' is '{value}'; expected a number. The file is damaged."));
        ConfigJson = Note(ConfigKey);
        DataFingerprint = Note(DataKey);
        try
        {
            Options = TrainingOptions.FromJson(Note(OptionsKey));
        }
        catch (Exception e) when (e is ArgumentException or InvalidDataException)
        {
            throw new InvalidDataException($"Checkpoint '{Path}': {e.Message}", e);
        }
    }

    /// <summary>The file.</summary>
    public string Path => file.Path;

    /// <summary>Where the training stood.</summary>
    public TrainingState State { get; }

    /// <summary>How it was trained.</summary>
    public TrainingOptions Options { get; }

    /// <summary>The model's configuration.</summary>
    public string ConfigJson { get; }

    /// <summary><see cref="ParallelDataset.Fingerprint"/> of the training data.</summary>
    public string DataFingerprint { get; }

    /// <summary>Writes a checkpoint beside its place and renames it.</summary>
    /// <param name="path">The file to create or replace.</param>
    /// <param name="parameters">Weights and moments.</param>
    /// <param name="state">Where the training stands.</param>
    /// <param name="options">How it is trained.</param>
    /// <param name="configJson">The model's configuration, a JSON object.</param>
    /// <param name="dataFingerprint">Of the training data.</param>
    /// <exception cref="IOException">The file could not be written; an old one is untouched.
    /// </exception>
    public static void Save(
        string path, ParameterSet parameters, TrainingState state, TrainingOptions options,
        string configJson, string dataFingerprint)
    {
        BackendMemory memory = parameters.Backend.Memory;
        Dictionary<string, string> notes = new()
        {
            [FormatKey] = Format,
            [ConfigKey] = configJson,
            [OptionsKey] = options.ToJson(),
            [DataKey] = dataFingerprint,
        };
        state.Write(notes.Add);
        notes[ChecksumKey] = CheckpointTensors
            .Checksum(notes, ChecksumKey, CheckpointTensors.Of(parameters), memory)
            .ToString("x8", CultureInfo.InvariantCulture);
        SafeTensorsWriter writer = new();
        foreach ((string key, string value) in notes) writer.SetMetadata(key, value);
        foreach (CheckpointTensor tensor in CheckpointTensors.Of(parameters))
        {
            long[] shape = tensor.Shape.ToArray();
            if (memory.IsHostAccessible)
                writer.Add(tensor.Name, DType.Float32, shape, tensor.View.Address);
            else
                writer.Add(tensor.Name, DType.Float32, shape,
                    () => CheckpointTensors.ToHost(tensor.View, memory));
        }

        writer.Write(path);
    }

    /// <summary>Opens a checkpoint and checks the whole of it.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is truncated or damaged, or no checkpoint
    /// of a training.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static Checkpoint Open(string path)
    {
        SafeTensorsFile file = SafeTensorsFile.Open(path);
        try
        {
            Checkpoint checkpoint = new(file);
            checkpoint.RequireChecksum();
            return checkpoint;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Requires that it belongs to a model of the same configuration.</summary>
    /// <param name="configJson">The configuration of the model to load into.</param>
    /// <exception cref="InvalidDataException">A field differs: the message names the first one
    /// and both values.</exception>
    public void RequireConfig(string configJson)
    {
        if (ConfigComparison.FirstDifference(ConfigJson, configJson) is not { } difference) return;
        throw new InvalidDataException(
            $"Checkpoint '{Path}': configuration field '{difference.Field}' is " +
            $"{difference.First} in the checkpoint and {difference.Second} in the model. Use the " +
            "configuration it was trained with, or train anew in another folder.");
    }

    /// <summary>Copies weights and moments into a model's parameters.</summary>
    /// <exception cref="InvalidDataException">A tensor is missing, left over, or has another
    /// shape; nothing is copied.</exception>
    public void Restore(ParameterSet parameters)
    {
        CheckpointTensor[] expected = [.. CheckpointTensors.Of(parameters)];
        RequireTensors(expected);
        foreach (CheckpointTensor tensor in expected)
        {
            (nint address, long length) = file.Map(tensor.Name);
            parameters.Backend.Memory.CopyFromHost(address, tensor.View.Address, length);
        }
    }

    /// <summary>Copies the weights alone into a model's parameters.</summary>
    /// <exception cref="InvalidDataException">As for <see cref="Restore"/>.</exception>
    public void RestoreWeights(ParameterSet parameters)
    {
        RequireTensors([.. CheckpointTensors.Of(parameters)]);
        foreach (Parameter parameter in parameters.All)
            parameter.CopyFrom(file.As<float>(parameter.Name));
    }

    /// <summary>Unmaps the file.</summary>
    public void Dispose() => file.Dispose();

    /// <summary>One weight, row-major, in the mapping.</summary>
    internal ReadOnlySpan<float> Weight(string name) => file.As<float>(name);

    internal void RequireTensors(IReadOnlyCollection<CheckpointTensor> expected)
    {
        foreach (CheckpointTensor tensor in expected)
        {
            if (!file.Tensors.TryGetValue(tensor.Name, out SafeTensorInfo? info))
                throw Mismatch($"tensor '{tensor.Name}' {tensor.Shape} of the model is missing");
            TensorShape shape = new([.. info.Shape]);
            if (shape != tensor.Shape || info.DType != DType.Float32)
            {
                throw Mismatch($"tensor '{tensor.Name}' is {info.TypeName} {shape}; the model's " +
                    $"is F32 {tensor.Shape}");
            }
        }

        if (file.Tensors.Count == expected.Count) return;
        HashSet<string> names = [.. expected.Select(t => t.Name)];
        string extra = file.Tensors.Keys.Where(n => !names.Contains(n)).Order().First();
        throw Mismatch($"the model has no tensor '{extra}'");
    }

    private InvalidDataException Mismatch(string what) => new(
        $"Checkpoint '{Path}': {what}. Use the model that it was trained with.");

    private string Note(string key) => file.Metadata.TryGetValue(key, out string? value)
        ? value
        : throw new InvalidDataException($"Checkpoint '{Path}': the metadata lack '{key}'. It is " +
            "no checkpoint of a training, or it is damaged.");

    private void RequireChecksum()
    {
        if (file.Tensors.Values.FirstOrDefault(t => t.DType != DType.Float32) is { } wrong)
        {
            throw new InvalidDataException($"Checkpoint '{Path}': tensor '{wrong.Name}' is " +
                $"{wrong.TypeName}; expected F32. It is damaged.");
        }

        // The file holds the tensors in the order in which they were added.
        IEnumerable<CheckpointTensor> tensors = file.Tensors.Values.OrderBy(t => t.Offset)
            .Select(t => new CheckpointTensor(t.Name, default,
                new(file.Map(t.Name).Address, t.ByteLength / sizeof(float), DType.Float32)));
        string actual = CheckpointTensors
            .Checksum(file.Metadata, ChecksumKey, tensors, BackendMemory.Host)
            .ToString("x8", CultureInfo.InvariantCulture);
        if (actual == Note(ChecksumKey)) return;
        throw new InvalidDataException($"Checkpoint '{Path}': the content has checksum {actual}; " +
            $"the file says {Note(ChecksumKey)}. It is damaged.");
    }
}
