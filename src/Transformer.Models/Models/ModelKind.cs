namespace Transformer.Models;

/// <summary>What a model's folder can be loaded as.</summary>
public enum ModelKind
{
    /// <summary>Encoder and decoder: <see cref="Transformer.Models.Translator"/>.</summary>
    Translator,

    /// <summary>Decoder alone: <see cref="Transformer.Models.TextGenerator"/>.</summary>
    TextGenerator,

    /// <summary>Encoder alone: <see cref="Transformer.Models.MaskFiller"/>.</summary>
    MaskFiller,

    /// <summary>Encoder with classes: <see cref="Transformer.Models.TextClassifier"/>.</summary>
    TextClassifier,
}

/// <summary>Tells kinds of models apart.</summary>
public static class ModelKinds
{
    /// <summary>The kind of the model in a folder, by its config.json.</summary>
    /// <exception cref="FileNotFoundException">There is no folder, or no config.json in it.
    /// </exception>
    /// <exception cref="InvalidDataException">The file is damaged, or of a kind that cannot be
    /// loaded.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static ModelKind Of(string folder)
    {
        ModelFolder.Require(folder);
        string config = Path.Combine(folder, ModelFolder.ConfigFile);
        return HuggingFace.ModelType(config) switch
        {
            Seq2SeqConfig.ModelType => ModelKind.Translator,
            GptConfig.ModelType => ModelKind.TextGenerator,
            BertConfig.ModelType => HuggingFace.IsClassifier(config)
                ? ModelKind.TextClassifier : ModelKind.MaskFiller,
            Marian.ModelType => throw new InvalidDataException(
                $"'{config}' is of a translator of another library. Import it first."),
            string type => throw new InvalidDataException($"'{config}': 'model_type' is " +
                $"\"{type}\"; supported are {Seq2SeqConfig.ModelType}, {GptConfig.ModelType}, " +
                $"{BertConfig.ModelType}. Choose such a model."),
        };
    }
}
