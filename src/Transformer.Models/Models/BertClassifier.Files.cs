using System.Globalization;
using System.Text.Json;
using Transformer.Backends;

namespace Transformer.Models;

/// <content>Folders with a model in them.</content>
public sealed partial class BertClassifier
{
    /// <summary>Name of the configuration in a model's folder.</summary>
    public const string ConfigFile = ModelFolder.ConfigFile;

    /// <summary>Name of the weights in a model's folder.</summary>
    public const string WeightsFile = ModelFolder.WeightsFile;

    internal const string Kind = "BertForSequenceClassification";

    /// <summary>How the weights lie in files: as Hugging Face's BertForSequenceClassification
    /// names them.</summary>
    internal StoredWeights Stored => new(
        [.. encoder.Stored(), Same("classifier.weight"), Same("classifier.bias")])
    {
        Rename = BertEncoder.Rename,
        IsPassedOver = BertEncoder.IsCounter,
    };

    /// <summary>Makes a classifier of a model that was pre-trained: its encoder and pooler, and
    /// random weights in the last layer.</summary>
    /// <param name="folder">Of a BERT of any kind; its heads are passed over.</param>
    /// <param name="labels">Names of the classes, two or more, all different.</param>
    /// <param name="backend">What it runs on.</param>
    /// <param name="seed">Of the last layer.</param>
    /// <exception cref="ArgumentException">The names are not valid.</exception>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or the weights do not fit the
    /// configuration; the message names file and tensor.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static BertClassifier FromPretrained(
        string folder, IReadOnlyList<string> labels, Backend backend, ulong seed)
    {
        ModelFolder.Require(folder);
        BertConfig config = BertConfig.Load(Path.Combine(folder, ConfigFile));
        return ModelFolder.Filled(new BertClassifier(config, labels, backend, seed), model =>
            new StoredWeights([.. model.encoder.Stored()])
            {
                Rename = BertEncoder.Rename,
                IsPassedOver = name => BertEncoder.IsCounter(name)
                    || name.StartsWith("cls.", StringComparison.Ordinal)
                    || name.StartsWith("classifier.", StringComparison.Ordinal),
            }.Load(Path.Combine(folder, WeightsFile)));
    }

    /// <summary>Reads a model that <see cref="Save"/> or Hugging Face's library wrote.</summary>
    /// <param name="folder">With config.json and model.safetensors, or several files and their
    /// index model.safetensors.index.json.</param>
    /// <param name="backend">What the model runs on.</param>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or the weights do not fit the
    /// configuration, such as those of a model without a classifier; the message names file and
    /// tensor.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static BertClassifier Load(string folder, Backend backend)
    {
        ModelFolder.Require(folder);
        BertClassifier made = BertConfig.Read(Path.Combine(folder, ConfigFile),
            root => new BertClassifier(BertConfig.FromJson(root), ReadLabels(root), backend));
        return ModelFolder.Filled(made, model =>
        {
            model.Parameters.AllocateToLoad();
            model.LoadWeights(Path.Combine(folder, WeightsFile));
        });
    }

    /// <summary>Writes config.json and model.safetensors, each beside its place first, in the form
    /// of Hugging Face's BertForSequenceClassification.</summary>
    /// <param name="folder">Created where it is missing.</param>
    /// <exception cref="IOException">A file cannot be written; what was there stays.</exception>
    public void Save(string folder)
    {
        ModelFolder.Create(folder);
        Stored.Save(Path.Combine(folder, WeightsFile), "pt");
        SaveConfig(Path.Combine(folder, ConfigFile));
    }

    /// <summary>Writes the model as a graph of ai.onnx's operators (opset 20) with its weights in
    /// binary32: input_ids, attention_mask (0 for padding) and token_type_ids, each [batch,
    /// sequence] Int64 → logits [batch, classes].</summary>
    /// <param name="path">The file to create or replace; weights that pass the 2 GiB of an ONNX
    /// file lie beside it, in a file of the same name with <c>.data</c> after it.</param>
    /// <returns>The files written.</returns>
    /// <exception cref="NotSupportedException">The positions are neither learned nor sinusoidal.
    /// </exception>
    /// <exception cref="IOException">A file cannot be written; what was there stays.</exception>
    public IReadOnlyList<string> SaveOnnx(string path) => OnnxModels.Write(path, this);

    /// <summary>Replaces all weights by those of a file.</summary>
    /// <param name="path">A safetensors file, or the name that several and their index go by, with
    /// exactly this model's tensors under the names of BertForSequenceClassification.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is damaged, or a tensor is missing, too many or
    /// of another shape; no weight is changed.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public void LoadWeights(string path) => Stored.Load(path);

    internal void SaveConfig(string path) => BertConfig.Write(path, ConfigJson);

    /// <summary>id2label is an object of the numbers from 0 on; without it there are two classes
    /// by number, as in Hugging Face's library.</summary>
    private static string[] ReadLabels(JsonElement root)
    {
        if (!root.TryGetProperty("id2label", out JsonElement map)) return ["LABEL_0", "LABEL_1"];
        List<string> labels = [];
        while (map.ValueKind == JsonValueKind.Object && map.TryGetProperty(
            labels.Count.ToString(CultureInfo.InvariantCulture), out JsonElement label)
            && label.ValueKind == JsonValueKind.String)
        {
            labels.Add(label.GetString()!);
        }

        if (labels.Count >= 2 && labels.Count == map.EnumerateObject().Count()) return [.. labels];
        throw new InvalidDataException("BertConfig: 'id2label' is no object of names by the " +
            "numbers 0, 1, …. Choose the folder of a classifier.");
    }

    private void WriteLabels(Utf8JsonWriter json)
    {
        json.WriteStartObject("id2label");
        for (int i = 0; i < Labels.Count; i++)
            json.WriteString(i.ToString(CultureInfo.InvariantCulture), Labels[i]);
        json.WriteEndObject();
        json.WriteStartObject("label2id");
        for (int i = 0; i < Labels.Count; i++) json.WriteNumber(Labels[i], i);
        json.WriteEndObject();
    }

    private StoredTensor Same(string name) => StoredTensor.Of(Parameters[name]);
}
