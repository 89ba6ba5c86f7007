using Transformer.Models.Text;

namespace Transformer.Models;

/// <summary>A folder with a model in it.</summary>
internal static class ModelFolder
{
    /// <summary>Name of the configuration.</summary>
    public const string ConfigFile = "config.json";

    /// <summary>Name of the weights.</summary>
    public const string WeightsFile = "model.safetensors";

    /// <summary>Name of the tokenizer of a model that has one.</summary>
    public const string TokenizerFile = "tokenizer.json";

    /// <summary>Makes the folder, if it is missing.</summary>
    /// <exception cref="IOException">It cannot be made.</exception>
    public static void Create(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"Cannot create model folder '{folder}': {e.Message}", e);
        }
    }

    /// <summary>Fills a model; one that cannot be filled is disposed.</summary>
    public static TModel Filled<TModel>(TModel model, Action<TModel> load)
        where TModel : IDisposable
    {
        try
        {
            load(model);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Puts a model and its folder's tokenizer together; a model that has none is
    /// disposed.</summary>
    /// <exception cref="FileNotFoundException">There is no tokenizer.</exception>
    /// <exception cref="InvalidDataException">It is damaged, or does not fit the model.
    /// </exception>
    public static TResult WithTokenizer<TModel, TResult>(
        string folder, TModel model, Func<TModel, Tokenizer, TResult> join)
        where TModel : IDisposable
    {
        try
        {
            return join(model, Tokenizer.Load(folder));
        }
        catch (ArgumentException e)
        {
            model.Dispose();
            throw new InvalidDataException($"'{folder}': {e.Message}", e);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Says so where a tokenizer is of another model.</summary>
    /// <exception cref="ArgumentException">It is.</exception>
    public static void RequireVocabulary(string owner, ITokenizer tokenizer, int vocabulary)
    {
        if (tokenizer.VocabularySize == vocabulary) return;
        throw new ArgumentException($"{owner}: the tokenizer has {tokenizer.VocabularySize} " +
            $"tokens; the model has {vocabulary}. Use the tokenizer that it was trained with.");
    }

    /// <summary>Says so where the folder is missing.</summary>
    /// <exception cref="FileNotFoundException">It is.</exception>
    public static void Require(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (Directory.Exists(folder)) return;
        throw new FileNotFoundException(
            $"Cannot find model folder '{folder}'. Train a model, or check the path.", folder);
    }
}
