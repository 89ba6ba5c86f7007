using Transformer.Backends;

namespace Transformer.Models;

/// <content>Folders with a model in them.</content>
public sealed partial class Seq2SeqTransformer
{
    /// <summary>Name of the configuration in a model's folder.</summary>
    public const string ConfigFile = ModelFolder.ConfigFile;

    /// <summary>Name of the weights in a model's folder.</summary>
    public const string WeightsFile = ModelFolder.WeightsFile;

    /// <summary>Writes config.json and model.safetensors, each beside its place first.</summary>
    /// <param name="folder">Created where it is missing.</param>
    /// <exception cref="IOException">A file cannot be written; what was there stays.</exception>
    public void Save(string folder)
    {
        ModelFolder.Create(folder);
        Stored().Save(Path.Combine(folder, WeightsFile), "transformer.seq2seq");
        Config.Save(Path.Combine(folder, ConfigFile));
    }

    /// <summary>Reads a model that <see cref="Save"/> wrote.</summary>
    /// <param name="folder">With config.json and model.safetensors.</param>
    /// <param name="backend">What the model runs on.</param>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or the weights do not fit the
    /// configuration; the message names file and tensor.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static Seq2SeqTransformer Load(string folder, Backend backend)
    {
        ModelFolder.Require(folder);
        Seq2SeqConfig config = Seq2SeqConfig.Load(Path.Combine(folder, ConfigFile));
        return ModelFolder.Filled(new Seq2SeqTransformer(config, backend, seed: 0),
            model => model.LoadWeights(Path.Combine(folder, WeightsFile)));
    }

    /// <summary>Writes encoder_model.onnx and decoder_model.onnx, graphs of ai.onnx's operators
    /// (opset 20) with their weights in binary32. The encoder: input_ids and attention_mask (0 for
    /// padding), both [batch, sequence] Int64 → last_hidden_state [batch, sequence, D]. The
    /// decoder: input_ids [batch, target], begin token first, encoder_hidden_states and
    /// encoder_attention_mask → logits [batch, target, V].</summary>
    /// <param name="folder">Created where it is missing; weights that pass the 2 GiB of an ONNX
    /// file lie in a file of the same name with <c>.data</c> after it.</param>
    /// <returns>The files written.</returns>
    /// <exception cref="NotSupportedException">The positions are neither learned nor sinusoidal.
    /// </exception>
    /// <exception cref="IOException">A file cannot be written; what was there stays.</exception>
    public IReadOnlyList<string> SaveOnnx(string folder)
    {
        PositionKinds.RequireTable(Config.Positions);
        ModelFolder.Create(folder);
        return
        [
            .. OnnxModels.WriteEncoder(Path.Combine(folder, "encoder_model.onnx"), this),
            .. OnnxModels.WriteDecoder(Path.Combine(folder, "decoder_model.onnx"), this),
        ];
    }

    /// <summary>Replaces all weights by those of a file.</summary>
    /// <param name="path">A safetensors file with exactly this model's tensors, of any real type.
    /// </param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is damaged, or a tensor is missing, too many or
    /// of another shape; no weight is changed.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public void LoadWeights(string path) => Stored().Load(path);

    /// <summary>What training changes; constant position tables follow from the configuration.
    /// </summary>
    private StoredWeights Stored() =>
        new([.. Parameters.All.Where(p => p.Trainable).Select(StoredTensor.Of)]);
}
