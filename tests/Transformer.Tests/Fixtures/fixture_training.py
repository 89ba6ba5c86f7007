"""Loss, optimizers, gradient clipping and scalar functions."""
import torch
from torch.nn import functional as F

from fixture_file import FixtureFile, real


def cross_entropy():
    file = FixtureFile("cross_entropy", "Softmax cross entropy over the last axis of [N, V]. "
                       "`row_loss` is reduction none (0 for ignored rows), mean divides by the "
                       "number of rows that are not ignored; the smoothed target is "
                       "(1 − ε)·onehot + ε/V. `d_logits` is for d_loss = 1.", 51)
    targets = torch.tensor([3, 0, 10, 7, 7, 2])
    ignoring = torch.tensor([3, -100, 10, 7, -100, 2])
    for name, reduction, smoothing, labels, spread in (
            ("mean", "mean", 0.0, targets, 1), ("mean_smoothing", "mean", 0.1, targets, 1),
            ("mean_ignore", "mean", 0.0, ignoring, 1),
            ("mean_smoothing_ignore", "mean", 0.1, ignoring, 1),
            ("sum", "sum", 0.0, targets, 1),
            ("sum_smoothing_ignore", "sum", 0.1, ignoring, 1),
            ("large_logits", "mean", 0.1, targets, 300)):
        case = file.case(name)
        case.option("reduction", reduction)
        case.option("label_smoothing", smoothing)
        logits = case.leaf("logits", real(6, 11, scale=spread))
        case.input("targets", labels)
        options = {"label_smoothing": smoothing, "ignore_index": -100}
        case.result("row_loss", F.cross_entropy(logits, labels, reduction="none", **options))
        case.result("log_probabilities", F.log_softmax(logits, -1))
        loss = F.cross_entropy(logits, labels, reduction=reduction, **options)
        case.result("loss", loss)
        case.result("d_logits", torch.autograd.grad(loss, logits)[0])
    yield file


def optimizers():
    file = FixtureFile("adamw", "Five steps. `gradients` [step, n] go in, `parameters`, "
                       "`first_moment` and `second_moment` [step, n] are the state after each "
                       "step, "
                       "`start` the parameters before the first; `learning_rate` [step]. Decay is "
                       "decoupled: w ← w − lr·decay·w, then the Adam step with bias "
                       "correction.", 52)
    for name, decay, betas, epsilon, rates in (
            ("adamw", 0.01, (0.9, 0.98), 1e-8, [0.01] * 5),
            ("adamw_schedule", 0.1, (0.9, 0.999), 1e-6, [0.01, 0.02, 0.03, 0.02, 0.01]),
            ("adam", 0.0, (0.9, 0.98), 1e-9, [0.01] * 5)):
        case = file.case(name)
        for option, value in (("weight_decay", decay), ("beta1", betas[0]), ("beta2", betas[1]),
                              ("epsilon", epsilon)):
            case.option(option, value)
        weights = torch.nn.Parameter(case.input("start", real(13)).clone())
        gradients = case.input("gradients", real(5, 13))
        kind = torch.optim.Adam if name == "adam" else torch.optim.AdamW
        optimizer = kind([weights], lr=rates[0], betas=betas, eps=epsilon, weight_decay=decay)
        history = []
        for gradient, rate in zip(gradients, rates):
            optimizer.param_groups[0]["lr"] = rate
            weights.grad = gradient.clone()
            optimizer.step()
            state = optimizer.state[weights]
            history.append([t.detach().clone()
                            for t in (weights, state["exp_avg"], state["exp_avg_sq"])])
        for index, label in enumerate(("parameters", "first_moment", "second_moment")):
            case.result(label, torch.stack([step[index] for step in history]))
        case.result("learning_rate", torch.tensor(rates, dtype=torch.float64))
    yield file

    file = FixtureFile("clip_gradient_norm", "clip_grad_norm_ over three tensors: `norm` is the L2 "
                       "norm of all; each is multiplied by min(1, max_norm / (norm + 1e-6)).", 53)
    for name, limit in (("clipped", 1.0), ("untouched", 100.0)):
        case = file.case(name)
        case.input("max_norm", torch.tensor(limit))
        parameters = []
        for label, shape in (("a", (3, 4)), ("b", (7,)), ("c", (1,))):
            parameters.append(torch.nn.Parameter(torch.zeros(*shape, dtype=torch.float64)))
            parameters[-1].grad = case.input(label, real(*shape)).clone()
        case.result("norm", torch.nn.utils.clip_grad_norm_(parameters, limit))
        for label, parameter in zip("abc", parameters):
            case.result(f"clipped_{label}", parameter.grad)
    yield file


def scalars():
    file = FixtureFile("scalars", "y = f(x) on float32 points: a dense middle, both tails, the "
                       "limits of float32, ±0 and ±∞. exp of more than 709 is +∞ in float64.", 54)
    tails = [0.0, -0.0, 1e-38, -1e-38, 1e-8, -1e-8, 1e-4, -1e-4, 0.34375, 0.5, 0.84375, 0.625, 1.25,
             -0.5, 2.857142, 3.9, -3.9, 5.9, -5.9, 6.0, 9.0, -9.0, 20.0, -20.0, 22.0, 80.0, -80.0,
             87.0, -87.3, 88.0, 88.7, 89.0, -88.0, -100.0, -103.9, -104.1, 1e4, -1e4,
             torch.inf, -torch.inf]
    points = torch.cat([torch.linspace(-6, 6, 241, dtype=torch.float64),
                        torch.tensor(tails, dtype=torch.float64)]).float().double()
    for name, function in (("erf", torch.erf), ("exp", torch.exp), ("tanh", torch.tanh),
                           ("sigmoid", torch.sigmoid)):
        case = file.case(name)
        case.result("y", function(case.input("x", points)))
    positive = torch.logspace(-37, 38, 151, dtype=torch.float64).float().double()
    case = file.case("log")
    case.result("y", torch.log(case.input("x", positive)))
    yield file
