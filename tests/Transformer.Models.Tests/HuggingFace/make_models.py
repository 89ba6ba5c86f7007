"""Writes small random models as Hugging Face's library lays them out, with what they compute.

Plain PyTorch in float64: functions of a dictionary of weights, written after the published
descriptions of the models and sharing no code with this library. `expected.safetensors` of each
folder holds inputs (I64) and logits (F64).

    python3 make_models.py        (Debian 12: apt install python3-torch)
"""
import json
import math
import struct
from pathlib import Path

import torch
import torch.nn.functional as F

HERE = Path(__file__).parent
CODES = {torch.float64: "F64", torch.int64: "I64", torch.float32: "F32", torch.float16: "F16",
         torch.bool: "BOOL"}


def write_tensors(path, tensors):
    header, blocks, offset = {"__metadata__": {"format": "pt"}}, [], 0
    for name, value in sorted(tensors.items(), key=lambda item: -item[1].element_size()):
        block = value.contiguous().numpy().tobytes()
        header[name] = {"dtype": CODES[value.dtype], "shape": list(value.shape),
                        "data_offsets": [offset, offset + len(block)]}
        offset += len(block)
        blocks.append(block)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blocks))


def write_folder(name, config, weights, expected, shards=1):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    if shards == 1:
        write_tensors(folder / "model.safetensors", weights)
    else:
        names, weight_map = list(weights), {}
        for i in range(shards):
            file = f"model-{i + 1:05d}-of-{shards:05d}.safetensors"
            part = names[i * len(names) // shards:(i + 1) * len(names) // shards]
            write_tensors(folder / file, {n: weights[n] for n in part})
            weight_map.update({n: file for n in part})
        size = sum(w.numel() * w.element_size() for w in weights.values())
        (folder / "model.safetensors.index.json").write_text(json.dumps(
            {"metadata": {"total_size": size}, "weight_map": weight_map}, indent=2) + "\n")
    write_tensors(folder / "expected.safetensors", expected)


def weight(*shape, centre=0.0, scale=None, dtype=torch.float32):
    scale = scale or (0.3 if len(shape) == 1 else 1.5 / math.sqrt(shape[-1]))
    return (centre + scale * torch.randn(*shape, dtype=torch.float64)).to(dtype)


def attention(q, k, v, heads, hidden=None):
    """softmax(q·kᵀ/√d)·v by heads; `hidden` is true where a key is not seen."""
    def split(x):
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)
    q, k, v = split(q), split(k), split(v)
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if hidden is not None:
        scores = scores.masked_fill(hidden, -math.inf)
    return (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)


def norm(x, w, name, epsilon, spelling=("weight", "bias")):
    return F.layer_norm(x, x.shape[-1:], w[f"{name}.{spelling[0]}"], w[f"{name}.{spelling[1]}"],
                        epsilon)


# --- GPT-2: matrices of Conv1D are [in, out]; query, key and value are one.

def gpt2_weights(config, dtype):
    width, weights = config["n_embd"], {}
    weights["wte.weight"] = weight(config["vocab_size"], width, scale=0.5, dtype=dtype)
    weights["wpe.weight"] = weight(config["n_positions"], width, scale=0.5, dtype=dtype)
    for layer in range(config["n_layer"]):
        for name, shape in [("ln_1", None), ("attn.c_attn", (width, 3 * width)),
                            ("attn.c_proj", (width, width)), ("ln_2", None),
                            ("mlp.c_fc", (width, 4 * width)), ("mlp.c_proj", (4 * width, width))]:
            key = f"h.{layer}.{name}"
            weights[f"{key}.weight"] = weight(width, centre=1.0, dtype=dtype) if shape is None \
                else weight(*shape, scale=1.2 / math.sqrt(shape[0]), dtype=dtype)
            weights[f"{key}.bias"] = weight(width if shape is None else shape[1], dtype=dtype)
    weights["ln_f.weight"] = weight(width, centre=1.0, dtype=dtype)
    weights["ln_f.bias"] = weight(width, dtype=dtype)
    return weights


def gpt2(config, weights, ids):
    w = {name: value.double() for name, value in weights.items()}
    length, epsilon = ids.shape[1], config["layer_norm_epsilon"]

    def conv(x, name):
        return x @ w[f"{name}.weight"] + w[f"{name}.bias"]

    x = w["wte.weight"][ids] + w["wpe.weight"][:length]
    later = torch.ones(length, length, dtype=torch.bool).triu(1)
    for layer in range(config["n_layer"]):
        h = f"h.{layer}"
        q, k, v = conv(norm(x, w, f"{h}.ln_1", epsilon), f"{h}.attn.c_attn").chunk(3, -1)
        x = x + conv(attention(q, k, v, config["n_head"], later), f"{h}.attn.c_proj")
        inner = conv(norm(x, w, f"{h}.ln_2", epsilon), f"{h}.mlp.c_fc")
        inner = 0.5 * inner * (1 + torch.tanh(
            math.sqrt(2 / math.pi) * (inner + 0.044715 * inner ** 3)))
        x = x + conv(inner, f"{h}.mlp.c_proj")
    return norm(x, w, "ln_f", epsilon) @ w["wte.weight"].T


def write_gpt2():
    torch.manual_seed(7)
    config = {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": 37,
              "n_positions": 16, "n_ctx": 16, "n_embd": 12, "n_layer": 2, "n_head": 3,
              "n_inner": None, "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5,
              "resid_pdrop": 0.1, "embd_pdrop": 0.1, "attn_pdrop": 0.1, "bos_token_id": 36,
              "eos_token_id": 36, "summary_type": "cls_index"}
    ids = torch.randint(37, (2, 11))

    # Without the prefix, in three files, with the masks that old files hold.
    weights = gpt2_weights(config, torch.float32)
    expected = {"ids": ids, "logits": gpt2(config, weights, ids)}
    for layer in range(2):
        weights[f"h.{layer}.attn.bias"] = torch.ones(16, 16).tril().view(1, 1, 16, 16)
        weights[f"h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
    write_folder("gpt2_shards", config, weights, expected, shards=3)

    # With the prefix and the tied head spelled out, in half precision.
    weights = gpt2_weights(config, torch.float16)
    expected = {"ids": ids, "logits": gpt2(config, weights, ids)}
    full = {f"transformer.{name}": value for name, value in weights.items()}
    full["lm_head.weight"] = weights["wte.weight"].clone()
    write_folder("gpt2_half", config, full, expected)


# --- BERT: matrices are [out, in], as nn.Linear has them.

def bert_weights(config, spelling):
    width, inner, weights = config["hidden_size"], config["intermediate_size"], {}

    def dense(name, inputs, outputs):
        weights[f"{name}.weight"] = weight(outputs, inputs, scale=1.2 / math.sqrt(inputs))
        weights[f"{name}.bias"] = weight(outputs)

    def layer_norm(name):
        weights[f"{name}.{spelling[0]}"] = weight(width, centre=1.0)
        weights[f"{name}.{spelling[1]}"] = weight(width)

    for name, rows in [("word", config["vocab_size"]),
                       ("position", config["max_position_embeddings"]),
                       ("token_type", config["type_vocab_size"])]:
        weights[f"bert.embeddings.{name}_embeddings.weight"] = weight(rows, width, scale=0.7)
    layer_norm("bert.embeddings.LayerNorm")
    for layer in range(config["num_hidden_layers"]):
        key = f"bert.encoder.layer.{layer}"
        for part in ["query", "key", "value"]:
            dense(f"{key}.attention.self.{part}", width, width)
        dense(f"{key}.attention.output.dense", width, width)
        layer_norm(f"{key}.attention.output.LayerNorm")
        dense(f"{key}.intermediate.dense", width, inner)
        dense(f"{key}.output.dense", inner, width)
        layer_norm(f"{key}.output.LayerNorm")
    dense("bert.pooler.dense", width, width)
    return weights, dense, layer_norm


def bert(config, w, ids, types, lengths, spelling):
    """Last hidden states and the pooled first one."""
    epsilon, length = config["layer_norm_eps"], ids.shape[1]

    def dense(x, name):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    x = w["bert.embeddings.word_embeddings.weight"][ids] \
        + w["bert.embeddings.position_embeddings.weight"][:length] \
        + w["bert.embeddings.token_type_embeddings.weight"][types]
    x = norm(x, w, "bert.embeddings.LayerNorm", epsilon, spelling)
    hidden = (torch.arange(length) >= lengths[:, None])[:, None, None]
    for layer in range(config["num_hidden_layers"]):
        key = f"bert.encoder.layer.{layer}"
        q, k, v = (dense(x, f"{key}.attention.self.{p}") for p in ["query", "key", "value"])
        context = attention(q, k, v, config["num_attention_heads"], hidden)
        x = norm(x + dense(context, f"{key}.attention.output.dense"), w,
                 f"{key}.attention.output.LayerNorm", epsilon, spelling)
        inner = F.gelu(dense(x, f"{key}.intermediate.dense"))
        x = norm(x + dense(inner, f"{key}.output.dense"), w, f"{key}.output.LayerNorm", epsilon,
                 spelling)
    return x, torch.tanh(dense(x[:, 0], "bert.pooler.dense"))


def bert_config(architecture, **more):
    return {"architectures": [architecture], "model_type": "bert", "vocab_size": 31,
            "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3,
            "intermediate_size": 20, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
            "attention_probs_dropout_prob": 0.1, "max_position_embeddings": 14,
            "type_vocab_size": 2, "initializer_range": 0.02, "layer_norm_eps": 1e-12,
            "pad_token_id": 0, "position_embedding_type": "absolute", "use_cache": True, **more}


def bert_inputs():
    lengths = torch.tensor([10, 7])
    ids = torch.randint(5, 31, (2, 10))
    types = torch.zeros(2, 10, dtype=torch.int64)
    types[0, 6:], types[1, 3:] = 1, 1
    ids[1, 7:], types[1, 7:] = 0, 0
    return ids, types, lengths


def write_bert():
    torch.manual_seed(8)
    config, spelling = bert_config("BertForPreTraining"), ("gamma", "beta")
    weights, dense, layer_norm = bert_weights(config, spelling)
    weights["cls.predictions.bias"] = weight(31)
    dense("cls.predictions.transform.dense", 12, 12)
    layer_norm("cls.predictions.transform.LayerNorm")
    dense("cls.seq_relationship", 12, 2)
    ids, types, lengths = bert_inputs()
    w = {name: value.double().requires_grad_() for name, value in weights.items()}
    hidden, pooled = bert(config, w, ids, types, lengths, spelling)
    x = F.gelu(hidden @ w["cls.predictions.transform.dense.weight"].T
               + w["cls.predictions.transform.dense.bias"])
    x = norm(x, w, "cls.predictions.transform.LayerNorm", 1e-12, spelling)
    tokens = x @ w["bert.embeddings.word_embeddings.weight"].T + w["cls.predictions.bias"]
    related = pooled @ w["cls.seq_relationship.weight"].T + w["cls.seq_relationship.bias"]

    # Both losses of pre-training and every gradient.
    labels = torch.full((2, 10), -1)
    labels[0, 2], labels[0, 8], labels[1, 4] = 7, 30, 12
    next_labels = torch.tensor([0, 1])
    loss = F.cross_entropy(tokens.flatten(0, 1), labels.flatten(), ignore_index=-1) \
        + F.cross_entropy(related, next_labels)
    loss.backward()
    expected = {"ids": ids, "token_type_ids": types, "lengths": lengths, "labels": labels,
                "next_labels": next_labels, "prediction_logits": tokens.detach(),
                "seq_relationship_logits": related.detach(), "loss": loss.detach()}
    expected.update({f"d_{name}": value.grad for name, value in w.items()})
    weights["cls.predictions.decoder.weight"] = \
        weights["bert.embeddings.word_embeddings.weight"].clone()
    weights["cls.predictions.decoder.bias"] = weights["cls.predictions.bias"].clone()
    weights["bert.embeddings.position_ids"] = torch.arange(14)[None]
    write_folder("bert", config, weights, expected)


def write_bert_classifier():
    torch.manual_seed(9)
    labels = {"0": "bad", "1": "middling", "2": "good"}
    config = bert_config("BertForSequenceClassification", id2label=labels,
                         label2id={text: int(number) for number, text in labels.items()})
    spelling = ("weight", "bias")
    weights, dense, _ = bert_weights(config, spelling)
    dense("classifier", 12, 3)
    ids, types, lengths = bert_inputs()
    w = {name: value.double() for name, value in weights.items()}
    _, pooled = bert(config, w, ids, types, lengths, spelling)
    logits = pooled @ w["classifier.weight"].T + w["classifier.bias"]
    write_folder("bert_classifier", config, weights, {
        "ids": ids, "token_type_ids": types, "lengths": lengths, "logits": logits})


if __name__ == "__main__":
    write_gpt2()
    write_bert()
    write_bert_classifier()
