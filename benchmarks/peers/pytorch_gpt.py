"""GPT-2's shape in plain PyTorch: next token's logits, and a training step."""

import math

import torch
import torch.nn.functional as functional

EPSILON = 1e-5


class Gpt:
    """The model on weights by Hugging Face's names; matrices are [in, out], or turned to
    [out, in]."""

    def __init__(self, sizes, weights, turned=False):
        self.turned = turned
        self.layers, self.heads, self.width = sizes["layers"], sizes["heads"], sizes["width"]
        self.weights = weights
        self.mask = torch.full((sizes["positions"],) * 2, -math.inf).triu(1)

    def norm(self, x, name):
        return functional.layer_norm(x, (self.width,), self.weights[name + ".weight"],
                                     self.weights[name + ".bias"], EPSILON)

    def linear(self, x, name):
        weight = self.weights[name + ".weight"]
        if self.turned:
            return functional.linear(x, weight, self.weights[name + ".bias"])
        rows = torch.addmm(self.weights[name + ".bias"], x.reshape(-1, weight.shape[0]), weight)
        return rows.view(*x.shape[:-1], -1)

    def attention(self, x, name, past):
        batch, length, _ = x.shape
        shape = (batch, length, self.heads, self.width // self.heads)
        query, key, value = (
            part.view(shape).transpose(1, 2)
            for part in self.linear(x, name + ".c_attn").split(self.width, -1))
        if past is not None:
            key, value = torch.cat((past[0], key), 2), torch.cat((past[1], value), 2)
        attend = getattr(functional, "scaled_dot_product_attention", None)
        if attend is not None:
            mixed = attend(query, key, value, is_causal=past is None)
        else:
            scores = query @ key.transpose(2, 3) * (1 / math.sqrt(shape[3]))
            if past is None:
                scores = scores + self.mask[:length, :length]
            mixed = torch.softmax(scores, -1) @ value
        joined = mixed.transpose(1, 2).reshape(batch, length, self.width)
        return self.linear(joined, name + ".c_proj"), (key, value)

    def hidden(self, ids, pasts=None):
        """Token ids [B, S] to the last norm's output [B, S, W] and the layers' caches."""
        start = 0 if pasts is None else pasts[0][0].shape[2]
        places = self.weights["wpe.weight"][start:start + ids.shape[1]]
        x = functional.embedding(ids, self.weights["wte.weight"]) + places
        caches = []
        for i in range(self.layers):
            name = "h.%d" % i
            mixed, cache = self.attention(
                self.norm(x, name + ".ln_1"), name + ".attn", pasts and pasts[i])
            caches.append(cache)
            x = x + mixed
            up = functional.gelu(
                self.linear(self.norm(x, name + ".ln_2"), name + ".mlp.c_fc"),
                approximate="tanh")
            x = x + self.linear(up, name + ".mlp.c_proj")
        return self.norm(x, "ln_f"), caches

    def next_logits(self, ids, pasts=None):
        hidden, caches = self.hidden(ids, pasts)
        return hidden[:, -1] @ self.weights["wte.weight"].t(), caches

    def loss(self, ids, labels):
        hidden, _ = self.hidden(ids)
        logits = hidden @ self.weights["wte.weight"].t()
        return functional.cross_entropy(logits.view(-1, logits.shape[-1]), labels.view(-1))


def split(inputs):
    """Token ids and the weights."""
    ids = {name: inputs[name].long() for name in ("ids", "labels") if name in inputs}
    return ids, {name: x for name, x in inputs.items() if name not in ids}


def models(sizes, weights):
    """The model with both layouts of its matrices, by name."""
    turned = {
        name: x.t().contiguous() if name.startswith("h.") and x.dim() == 2 else x
        for name, x in weights.items()}
    return {"addmm": Gpt(sizes, weights), "linear": Gpt(sizes, turned, turned=True)}


def prompt(sizes, inputs):
    ids, weights = split(inputs)
    return {
        name: lambda model=model: {"logits": model.next_logits(ids["ids"])[0]}
        for name, model in models(sizes, weights).items()}


def decode(sizes, inputs):
    ids, weights = split(inputs)
    past = sizes["past"]

    def of(model):
        _, caches = model.next_logits(ids["ids"][:, :past])
        return lambda: {"logits": model.next_logits(ids["ids"][:, past:], caches)[0]}

    return {name: of(model) for name, model in models(sizes, weights).items()}


def train(sizes, inputs):
    """A step: gradients, clipped to norm 1, and AdamW. The output is the first step's loss."""
    ids, weights = split(inputs)
    with torch.no_grad():
        first = Gpt(sizes, weights).loss(ids["ids"], ids["labels"]).view(1)
    parameters = {name: x.clone().requires_grad_() for name, x in weights.items()}
    model = Gpt(sizes, parameters)
    options = {"foreach": True} if "foreach" in torch.optim.AdamW.__init__.__code__.co_varnames \
        else {}
    optimizer = torch.optim.AdamW(
        parameters.values(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1, **options)

    def run():
        with torch.enable_grad():
            loss = model.loss(ids["ids"], ids["labels"])
            loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return {"loss": first}

    return {"addmm + AdamW": run}
