using Transformer.Backends;

namespace Transformer.Models;

/// <content>Folders with a model in them.</content>
public sealed partial class Gpt
{
    /// <summary>Name of the configuration in a model's folder.</summary>
    public const string ConfigFile = ModelFolder.ConfigFile;

    /// <summary>Name of the weights in a model's folder.</summary>
    public const string WeightsFile = ModelFolder.WeightsFile;

    /// <summary>Writes config.json and model.safetensors, each beside its place first, in the form
    /// of Hugging Face's GPT2LMHeadModel.</summary>
    /// <param name="folder">Created where it is missing.</param>
    /// <exception cref="IOException">A file cannot be written; what was there stays.</exception>
    public void Save(string folder)
    {
        ModelFolder.Create(folder);
        Stored.Save(Path.Combine(folder, WeightsFile), "pt");
        Config.Save(Path.Combine(folder, ConfigFile));
    }

    /// <summary>Reads a model that <see cref="Save"/> or Hugging Face's library wrote.</summary>
    /// <param name="folder">With config.json and model.safetensors, or several files and their
    /// index model.safetensors.index.json.</param>
    /// <param name="backend">What the model runs on.</param>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or the weights do not fit the
    /// configuration; the message names file and tensor.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static Gpt Load(string folder, Backend backend)
    {
        ModelFolder.Require(folder);
        GptConfig config = GptConfig.Load(Path.Combine(folder, ConfigFile));
        return ModelFolder.Filled(new Gpt(config, backend), model =>
        {
            model.Parameters.AllocateToLoad();
            model.LoadWeights(Path.Combine(folder, WeightsFile));
        });
    }

    /// <summary>Writes the model as a graph of ai.onnx's operators (opset 20) with its weights in
    /// binary32: input_ids [batch, sequence] Int64 → logits [batch, sequence, V].</summary>
    /// <param name="path">The file to create or replace; weights that pass the 2 GiB of an ONNX
    /// file lie beside it, in a file of the same name with <c>.data</c> after it.</param>
    /// <returns>The files written.</returns>
    /// <exception cref="NotSupportedException">The positions are neither learned nor sinusoidal.
    /// </exception>
    /// <exception cref="IOException">A file cannot be written; what was there stays.</exception>
    public IReadOnlyList<string> SaveOnnx(string path) => OnnxModels.Write(path, this);

    /// <summary>Replaces all weights by those of a file.</summary>
    /// <param name="path">A safetensors file, or the name that several and their index go by, with
    /// exactly this model's tensors under the names of GPT2LMHeadModel, with or without their
    /// prefix, of any real type.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is damaged, or a tensor is missing, too many or
    /// of another shape; no weight is changed.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public void LoadWeights(string path) => Stored.Load(path);

    /// <summary>How the weights lie in files.</summary>
    internal StoredWeights Stored => network.Stored();
}
