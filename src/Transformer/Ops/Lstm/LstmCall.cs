using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// A recurrent layer of long short-term memory: with z = input[t]·inputWeightᵀ +
/// output[t − 1]·recurrentWeightᵀ + bias cut into z_i, z_f, z_g, z_o: i, f, o = σ(z_i, z_f, z_o),
/// g = tanh z_g, cell[t] = f ⊙ cell[t − 1] + i ⊙ g, output[t] = o ⊙ tanh cell[t].
/// </summary>
/// <remarks>The rows of the weights and of the bias are the gates i, f, g, o, each of Hidden rows:
/// the order of PyTorch's nn.LSTM, whose two biases are always added and here are one, their sum.
/// ONNX's LSTM has the order i, o, f, c, where c is g. To go on with a sequence, pass the last rows
/// of Output and Cells as the initial state.</remarks>
public readonly record struct LstmForward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "Lstm";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Forward;

    /// <summary>[Batch, Length, InputFeatures].</summary>
    public BufferView Input { get; init; }

    /// <summary>[4·Hidden, InputFeatures].</summary>
    public BufferView InputWeight { get; init; }

    /// <summary>[4·Hidden, Hidden].</summary>
    public BufferView RecurrentWeight { get; init; }

    /// <summary>[4·Hidden]; optional.</summary>
    public BufferView Bias { get; init; }

    /// <summary>[Batch, Hidden], output[−1]; absent: 0.</summary>
    public BufferView InitialHidden { get; init; }

    /// <summary>[Batch, Hidden], cell[−1]; absent: 0.</summary>
    public BufferView InitialCell { get; init; }

    /// <summary>[Batch, Length, Hidden].</summary>
    public BufferView Output { get; init; }

    /// <summary>[Batch, Length, 4·Hidden], i, f, g and o; optional, kept for the backward pass.
    /// </summary>
    public BufferView Gates { get; init; }

    /// <summary>[Batch, Length, Hidden]; optional, kept for the backward pass.</summary>
    public BufferView Cells { get; init; }

    /// <summary>Sequences.</summary>
    public int Batch { get; init; }

    /// <summary>Steps of each.</summary>
    public int Length { get; init; }

    /// <summary>Width of the input.</summary>
    public int InputFeatures { get; init; }

    /// <summary>Width of the state and of the output.</summary>
    public int Hidden { get; init; }

    /// <inheritdoc/>
    public void Validate()
    {
        LstmShapes shapes = new(Batch, Length, InputFeatures, Hidden);
        shapes.Input("input", Input);
        shapes.InputWeight("inputWeight", InputWeight);
        shapes.RecurrentWeight("recurrentWeight", RecurrentWeight);
        if (Bias.IsPresent) shapes.Bias("bias", Bias);
        if (InitialHidden.IsPresent) shapes.State("initialHidden", InitialHidden);
        if (InitialCell.IsPresent) shapes.State("initialCell", InitialCell);
        shapes.Hidden("output", Output);
        if (Gates.IsPresent) shapes.Gates("gates", Gates);
        if (Cells.IsPresent) shapes.Hidden("cells", Cells);
        OpCheck.Apart(
            Op,
            [("output", Output), ("gates", Gates), ("cells", Cells)],
            [("input", Input), ("inputWeight", InputWeight), ("recurrentWeight", RecurrentWeight),
                ("bias", Bias), ("initialHidden", InitialHidden), ("initialCell", InitialCell)]);
    }
}

/// <summary>
/// Back through the steps, from the last: with dh = outputGradient[t] + dz[t + 1]·recurrentWeight
/// and dc = dh ⊙ o ⊙ (1 − tanh² cell[t]) + dc[t + 1] ⊙ f[t + 1]: dz_i = dc ⊙ g ⊙ i(1 − i),
/// dz_f = dc ⊙ cell[t − 1] ⊙ f(1 − f), dz_g = dc ⊙ i ⊙ (1 − g²), dz_o = dh ⊙ tanh cell[t] ⊙
/// o(1 − o). inputGradient = dz·inputWeight; inputWeightGradient += dzᵀ·input;
/// recurrentWeightGradient += dzᵀ·output[t − 1]; biasGradient += column sums of dz.
/// </summary>
/// <remarks>Gradients of parameters are added to what their buffers hold; clear them first. Each of
/// PyTorch's two biases has the gradient of the one.</remarks>
public readonly record struct LstmBackward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "Lstm";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Backward;

    /// <summary>[Batch, Length, InputFeatures].</summary>
    public BufferView Input { get; init; }

    /// <summary>[4·Hidden, InputFeatures].</summary>
    public BufferView InputWeight { get; init; }

    /// <summary>[4·Hidden, Hidden].</summary>
    public BufferView RecurrentWeight { get; init; }

    /// <summary>[Batch, Hidden] of the forward call; absent: 0.</summary>
    public BufferView InitialHidden { get; init; }

    /// <summary>[Batch, Hidden] of the forward call; absent: 0.</summary>
    public BufferView InitialCell { get; init; }

    /// <summary>[Batch, Length, Hidden] of the forward call.</summary>
    public BufferView Output { get; init; }

    /// <summary>[Batch, Length, 4·Hidden] of the forward call.</summary>
    public BufferView Gates { get; init; }

    /// <summary>[Batch, Length, Hidden] of the forward call.</summary>
    public BufferView Cells { get; init; }

    /// <summary>[Batch, Length, Hidden].</summary>
    public BufferView OutputGradient { get; init; }

    /// <summary>[Batch, Length, InputFeatures], overwritten; absent: not computed.</summary>
    public BufferView InputGradient { get; init; }

    /// <summary>[4·Hidden, InputFeatures], added to; absent: not computed.</summary>
    public BufferView InputWeightGradient { get; init; }

    /// <summary>[4·Hidden, Hidden], added to; absent: not computed.</summary>
    public BufferView RecurrentWeightGradient { get; init; }

    /// <summary>[4·Hidden], added to; absent: not computed.</summary>
    public BufferView BiasGradient { get; init; }

    /// <summary>[Batch, Hidden], overwritten; absent: not computed.</summary>
    public BufferView InitialHiddenGradient { get; init; }

    /// <summary>[Batch, Hidden], overwritten; absent: not computed.</summary>
    public BufferView InitialCellGradient { get; init; }

    /// <summary>Sequences.</summary>
    public int Batch { get; init; }

    /// <summary>Steps of each.</summary>
    public int Length { get; init; }

    /// <summary>Width of the input.</summary>
    public int InputFeatures { get; init; }

    /// <summary>Width of the state and of the output.</summary>
    public int Hidden { get; init; }

    /// <inheritdoc/>
    public void Validate()
    {
        LstmShapes shapes = new(Batch, Length, InputFeatures, Hidden);
        shapes.Input("input", Input);
        shapes.InputWeight("inputWeight", InputWeight);
        shapes.RecurrentWeight("recurrentWeight", RecurrentWeight);
        if (InitialHidden.IsPresent) shapes.State("initialHidden", InitialHidden);
        if (InitialCell.IsPresent) shapes.State("initialCell", InitialCell);
        shapes.Hidden("output", Output);
        shapes.Gates("gates", Gates);
        shapes.Hidden("cells", Cells);
        shapes.Hidden("outputGradient", OutputGradient);
        if (InputGradient.IsPresent) shapes.Input("inputGradient", InputGradient);
        if (InputWeightGradient.IsPresent)
            shapes.InputWeight("inputWeightGradient", InputWeightGradient);
        if (RecurrentWeightGradient.IsPresent)
            shapes.RecurrentWeight("recurrentWeightGradient", RecurrentWeightGradient);
        if (BiasGradient.IsPresent) shapes.Bias("biasGradient", BiasGradient);
        if (InitialHiddenGradient.IsPresent)
            shapes.State("initialHiddenGradient", InitialHiddenGradient);
        if (InitialCellGradient.IsPresent)
            shapes.State("initialCellGradient", InitialCellGradient);
        OpCheck.Apart(
            Op,
            [("inputGradient", InputGradient), ("inputWeightGradient", InputWeightGradient),
                ("recurrentWeightGradient", RecurrentWeightGradient),
                ("biasGradient", BiasGradient), ("initialHiddenGradient", InitialHiddenGradient),
                ("initialCellGradient", InitialCellGradient)],
            [("input", Input), ("inputWeight", InputWeight), ("recurrentWeight", RecurrentWeight),
                ("initialHidden", InitialHidden), ("initialCell", InitialCell),
                ("output", Output), ("gates", Gates), ("cells", Cells),
                ("outputGradient", OutputGradient)]);
    }
}

/// <summary>The shapes that both directions check.</summary>
internal readonly struct LstmShapes
{
    private readonly int batch, length, inputs, hidden;

    /// <summary>Checks the sizes.</summary>
    public LstmShapes(int batch, int length, int inputFeatures, int hidden)
    {
        string op = LstmForward.Op;
        OpCheck.NotNegative(op, nameof(LstmForward.Batch), batch);
        OpCheck.NotNegative(op, nameof(LstmForward.Length), length);
        OpCheck.Positive(op, nameof(LstmForward.InputFeatures), inputFeatures);
        OpCheck.Positive(op, nameof(LstmForward.Hidden), hidden);
        (this.batch, this.length, inputs, this.hidden) = (batch, length, inputFeatures, hidden);
    }

    private long Rows => 4L * hidden;

    public void Input(string name, BufferView view) => OpCheck.Floats(LstmForward.Op, name, view,
        OpCheck.Count(batch, length, inputs), $"[{batch}, {length}, {inputs}]");

    public void Hidden(string name, BufferView view) => OpCheck.Floats(LstmForward.Op, name, view,
        OpCheck.Count(batch, length, hidden), $"[{batch}, {length}, {hidden}]");

    public void Gates(string name, BufferView view) => OpCheck.Floats(LstmForward.Op, name, view,
        OpCheck.Count(batch, length, Rows), $"[{batch}, {length}, {Rows}]");

    public void State(string name, BufferView view) => OpCheck.Floats(
        LstmForward.Op, name, view, (long)batch * hidden, $"[{batch}, {hidden}]");

    public void InputWeight(string name, BufferView view) => OpCheck.Floats(
        LstmForward.Op, name, view, OpCheck.Count(Rows, inputs), $"[{Rows}, {inputs}]");

    public void RecurrentWeight(string name, BufferView view) => OpCheck.Floats(
        LstmForward.Op, name, view, OpCheck.Count(Rows, hidden), $"[{Rows}, {hidden}]");

    public void Bias(string name, BufferView view) =>
        OpCheck.Floats(LstmForward.Op, name, view, Rows, $"[{Rows}]");
}
