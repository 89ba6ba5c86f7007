using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Layers;

namespace Transformer.Models;

/// <content>Models as ONNX files.</content>
public static partial class HuggingFace
{
    /// <summary>Reads a model and writes it as model.onnx, or a translator as encoder_model.onnx
    /// and decoder_model.onnx, with its tokenizer files.</summary>
    /// <param name="source">Folder of a model of this library, or of Hugging Face's.</param>
    /// <param name="target">A new or empty folder.</param>
    /// <exception cref="FileNotFoundException">As for <see cref="Import"/>, like the others.
    /// </exception>
    /// <exception cref="InvalidDataException">As there.</exception>
    /// <exception cref="NotSupportedException">The positions are neither learned nor sinusoidal.
    /// </exception>
    /// <exception cref="IOException">As there.</exception>
    public static ConvertedModel ExportOnnx(string source, string target)
    {
        ModelFolder.Require(source);
        string config = Path.Combine(source, ModelFolder.ConfigFile);
        string type = ModelType(config);
        RequireWeights(source);
        RequireEmpty(target);
        string file = Path.Combine(target, "model.onnx");
        switch (type)
        {
            case "gpt2":
                using (Gpt model = Gpt.Load(source, BackendRegistry.Cpu))
                {
                    return WriteOnnx(source, target, "GPT2LMHeadModel",
                        model.Config.PositionKind, model.Parameters,
                        () => model.SaveOnnx(file));
                }

            case BertConfig.ModelType when IsClassifier(config):
                using (BertClassifier model = BertClassifier.Load(source, BackendRegistry.Cpu))
                {
                    return WriteOnnx(source, target, BertClassifier.Kind,
                        model.Config.PositionKind, model.Parameters,
                        () => model.SaveOnnx(file));
                }

            case BertConfig.ModelType:
                using (Bert model = Bert.Load(source, BackendRegistry.Cpu))
                {
                    return WriteOnnx(source, target, "BertForPreTraining",
                        model.Config.PositionKind, model.Parameters,
                        () => model.SaveOnnx(file));
                }

            case Marian.ModelType or Seq2SeqConfig.ModelType:
                bool marian = type == Marian.ModelType;
                using (Seq2SeqTransformer model = LoadTranslator(source, marian))
                {
                    return WriteOnnx(source, target,
                        marian ? Marian.Kind : nameof(Seq2SeqTransformer), model.Config.Positions,
                        model.Parameters, () => model.SaveOnnx(target));
                }

            default:
                throw UnknownType(config, type);
        }
    }

    private static ConvertedModel WriteOnnx(
        string source, string target, string kind, PositionKind positions,
        ParameterSet parameters, Func<IReadOnlyList<string>> write)
    {
        PositionKinds.RequireTable(positions);
        ModelFolder.Create(target);
        List<string> files = [.. write()];
        int before = files.Count;
        files.AddRange(CopyTokenizer(source, target));
        return new(kind, parameters.Count, [.. files.Select(f => Path.GetFileName(f))],
            files.Count > before);
    }

    private static InvalidDataException UnknownType(string config, string type) =>
        new($"'{config}': 'model_type' is \"{type}\"; supported are " +
            $"{string.Join(", ", ModelTypes)}. Choose such a model.");
}
