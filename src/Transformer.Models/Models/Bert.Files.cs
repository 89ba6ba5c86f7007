using Transformer.Backends;

namespace Transformer.Models;

/// <content>Folders with a model in them.</content>
public sealed partial class Bert
{
    /// <summary>Name of the configuration in a model's folder.</summary>
    public const string ConfigFile = ModelFolder.ConfigFile;

    /// <summary>Name of the weights in a model's folder.</summary>
    public const string WeightsFile = ModelFolder.WeightsFile;

    private const string HeadPrefix = "cls.predictions.", Decoder = $"{HeadPrefix}decoder.";

    /// <summary>How the weights lie in files: as Hugging Face's BertForPreTraining names them.
    /// </summary>
    internal StoredWeights Stored => new([.. encoder.Stored(), .. Heads()])
    {
        Rename = BertEncoder.Rename,
        IsPassedOver = BertEncoder.IsCounter,
        Copies = new Dictionary<string, string>
        {
            [$"{Decoder}weight"] = "bert.embeddings.word_embeddings.weight",
            [$"{Decoder}bias"] = $"{HeadPrefix}bias",
        },
    };

    /// <summary>Writes config.json and model.safetensors, each beside its place first, in the form
    /// of Hugging Face's BertForPreTraining.</summary>
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
    /// configuration, such as those of a model without the two heads; the message names file and
    /// tensor.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static Bert Load(string folder, Backend backend)
    {
        ModelFolder.Require(folder);
        BertConfig config = BertConfig.Load(Path.Combine(folder, ConfigFile));
        return ModelFolder.Filled(new Bert(config, backend), model =>
        {
            model.Parameters.AllocateToLoad();
            model.LoadWeights(Path.Combine(folder, WeightsFile));
        });
    }

    /// <summary>Writes the model as a graph of ai.onnx's operators (opset 20) with its weights in
    /// binary32: input_ids, attention_mask (0 for padding) and token_type_ids, each [batch,
    /// sequence] Int64 → prediction_logits [batch, sequence, V] and
    /// seq_relationship_logits [batch, 2].</summary>
    /// <param name="path">The file to create or replace; weights that pass the 2 GiB of an ONNX
    /// file lie beside it, in a file of the same name with <c>.data</c> after it.</param>
    /// <returns>The files written.</returns>
    /// <exception cref="NotSupportedException">The positions are neither learned nor sinusoidal.
    /// </exception>
    /// <exception cref="IOException">A file cannot be written; what was there stays.</exception>
    public IReadOnlyList<string> SaveOnnx(string path) => OnnxModels.Write(path, this);

    /// <summary>Replaces all weights by those of a file.</summary>
    /// <param name="path">A safetensors file, or the name that several and their index go by, with
    /// exactly this model's tensors under the names of BertForPreTraining, of any real type.
    /// </param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is damaged, or a tensor is missing, too many or
    /// of another shape; no weight is changed.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public void LoadWeights(string path) => Stored.Load(path);

    private IEnumerable<StoredTensor> Heads()
    {
        yield return Same($"{HeadPrefix}bias", "masked.output.bias");
        foreach (string kind in (string[])["weight", "bias"])
        {
            yield return Same($"{HeadPrefix}transform.dense.{kind}", $"masked.transform.{kind}");
            yield return Same($"{HeadPrefix}transform.LayerNorm.{kind}", $"masked.norm.{kind}");
            yield return Same($"cls.seq_relationship.{kind}", $"next.{kind}");
        }
    }

    private StoredTensor Same(string file, string name) =>
        StoredTensor.Of(Parameters[name]) with { Name = file };
}
