"""Writes a small random translator as Hugging Face's library lays out MarianMTModel, with what it
computes, and two SentencePiece models with how their own library cuts text.

The network is plain PyTorch in float64, written after the published descriptions and sharing no
code with this library. `expected.safetensors` holds inputs (I64) and logits (F64);
`expected_pieces.json` holds texts, ids and decoded texts.

    python3 make_marian.py        (Debian 12: apt install python3-torch python3-sentencepiece)
"""
import io
import json
import math

import sentencepiece
import torch

from make_models import HERE, attention, norm, weight, write_folder

ENGLISH = """the student reads a book . a robot must obey orders . I am a student . you are a teacher .
the robot writes a letter to the teacher . we read letters and books in the library . she is reading
a long letter . he obeyed the order . the teachers are in the library . I must write a book .
the long road leads to the old library . they must not read the orders aloud .""".split("\n")
RUSSIAN = """студент читает книгу . робот должен выполнять приказы . я студент . ты учитель .
робот пишет письмо учителю . мы читаем письма и книги в библиотеке . она читает длинное письмо .
он выполнил приказ . учителя в библиотеке . я должен написать книгу . длинная дорога ведёт к старой
библиотеке . они не должны читать приказы вслух .""".split("\n")
TEXTS = {
    "source": ["I am a student", "The robots must obey!", "  a\u00a0long   letter ", "ﬁne books №5",
               "zebra §", "", "reading 漢字"],
    "target": ["я студент", "Роботы должны", " длинное  письмо ", "ёж", "книга…"],
}


def train(lines, size):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines * 8), model_writer=model, vocab_size=size,
        model_type="unigram", character_coverage=1.0, unk_id=1, eos_id=0, bos_id=-1, pad_id=-1,
        num_threads=1, minloglevel=2)
    return model.getvalue()


def varint(data, at):
    value, shift = 0, 0
    while True:
        byte = data[at]
        value, at, shift = value | (byte & 127) << shift, at + 1, shift + 7
        if byte < 128:
            return value, at


def encoded(value):
    data = bytearray()
    while value > 127:
        data.append(value & 127 | 128)
        value >>= 7
    return bytes(data + bytes([value]))


def without_table(data, inside=False):
    """The model without its compiled normalization (normalizer_spec 3, precompiled_charsmap 2),
    230 KB that follow from the normalization's name."""
    result, at = b"", 0
    while at < len(data):
        start = at
        key, at = varint(data, at)
        if key & 7 == 0:
            _, at = varint(data, at)
        elif key & 7 == 5:
            at += 4
        if key & 7 != 2:
            result += data[start:at]
            continue
        size, at = varint(data, at)
        body, at = data[at:at + size], at + size
        if not inside and key >> 3 == 3:
            body = without_table(body, inside=True)
        if not (inside and key >> 3 == 2):
            result += encoded(key) + encoded(len(body)) + body
    return result


def pieces_of(models):
    """Tokens of both, the end first, the padding last."""
    tokens = ["</s>", "<unk>"]
    for model in models.values():
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        tokens += [processor.id_to_piece(i) for i in range(2, processor.get_piece_size())]
    return list(dict.fromkeys(tokens)) + ["<pad>"]


def cut(model, vocabulary, texts):
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    rows = []
    for text in texts:
        ids = [vocabulary.get(piece, vocabulary["<unk>"])
               for piece in processor.encode(text, out_type=str)]
        known = [piece for piece in processor.encode(text, out_type=str) if piece in vocabulary]
        rows.append({"text": text, "ids": ids, "decoded": processor.decode(known)})
    return rows


def sinusoids(positions, width):
    """All sines, then all cosines."""
    angles = torch.arange(positions, dtype=torch.float64)[:, None] / torch.pow(
        torch.tensor(10000.0, dtype=torch.float64),
        torch.arange(0, width, 2, dtype=torch.float64) / width)
    return torch.cat([angles.sin(), angles.cos()], 1)


def weights_of(config):
    width, hidden, w = config["d_model"], config["encoder_ffn_dim"], {}

    def dense(name, outputs, inputs):
        w[f"{name}.weight"], w[f"{name}.bias"] = weight(outputs, inputs), weight(outputs)

    def layer_norm(name):
        w[f"{name}.weight"], w[f"{name}.bias"] = weight(width, centre=1.0), weight(width)

    w["model.shared.weight"] = weight(config["vocab_size"], width, scale=0.3)
    for stack in ("encoder", "decoder"):
        for i in range(config[f"{stack}_layers"]):
            layer = f"model.{stack}.layers.{i}"
            for part in ("self_attn", "encoder_attn")[:1 if stack == "encoder" else 2]:
                for projection in ("q_proj", "k_proj", "v_proj", "out_proj"):
                    dense(f"{layer}.{part}.{projection}", width, width)
                layer_norm(f"{layer}.{part}_layer_norm")
            dense(f"{layer}.fc1", hidden, width)
            dense(f"{layer}.fc2", width, hidden)
            layer_norm(f"{layer}.final_layer_norm")
    w["final_logits_bias"] = weight(1, config["vocab_size"], scale=0.5)
    return w


def marian(config, w, source, lengths, target):
    heads, width = config["encoder_attention_heads"], config["d_model"]
    table = sinusoids(config["max_position_embeddings"], width)

    def dense(x, name):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def embed(ids):
        return w["model.shared.weight"][ids] * math.sqrt(width) + table[:ids.shape[1]]

    def attend(x, memory, name, hidden):
        q, k, v = dense(x, f"{name}.q_proj"), dense(memory, f"{name}.k_proj"), \
            dense(memory, f"{name}.v_proj")
        y = dense(attention(q, k, v, heads, hidden), f"{name}.out_proj")
        return norm(x + y, w, f"{name}_layer_norm", 1e-5)

    def feed_forward(x, layer):
        h = dense(x, f"{layer}.fc1")
        h = h * torch.sigmoid(h)
        return norm(x + dense(h, f"{layer}.fc2"), w, f"{layer}.final_layer_norm", 1e-5)

    padding = (torch.arange(source.shape[1])[None] >= lengths[:, None])[:, None, None]
    later = torch.ones(target.shape[1], target.shape[1], dtype=torch.bool).triu(1)
    memory = embed(source)
    for i in range(config["encoder_layers"]):
        layer = f"model.encoder.layers.{i}"
        memory = feed_forward(attend(memory, memory, f"{layer}.self_attn", padding), layer)
    x = embed(target)
    for i in range(config["decoder_layers"]):
        layer = f"model.decoder.layers.{i}"
        x = attend(x, x, f"{layer}.self_attn", later)
        x = feed_forward(attend(x, memory, f"{layer}.encoder_attn", padding), layer)
    return x @ w["model.shared.weight"].T + w["final_logits_bias"]


def greedy(config, w, source, steps):
    """Ids after the padding token, which is never chosen, up to the end."""
    pad, ids = config["pad_token_id"], [config["decoder_start_token_id"]]
    for _ in range(steps):
        logits = marian(config, w, source[None], torch.tensor([len(source)]),
                        torch.tensor([ids]))[0, -1].clone()
        logits[pad] = -math.inf
        ids.append(int(logits.argmax()))
        if ids[-1] == config["eos_token_id"]:
            break
    return ids[1:]


def main():
    torch.manual_seed(10)
    models = {"source": train(ENGLISH, 50), "target": train(RUSSIAN, 50)}
    tokens = pieces_of(models)
    vocabulary = {token: i for i, token in enumerate(tokens)}
    config = {"architectures": ["MarianMTModel"], "model_type": "marian",
              "is_encoder_decoder": True, "vocab_size": len(tokens), "d_model": 12,
              "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 3,
              "decoder_attention_heads": 3, "encoder_ffn_dim": 20, "decoder_ffn_dim": 20,
              "max_position_embeddings": 24, "activation_function": "swish",
              "scale_embedding": True, "static_position_embeddings": True, "dropout": 0.1,
              "attention_dropout": 0.0, "activation_dropout": 0.0, "normalize_before": False,
              "normalize_embedding": False, "add_final_layer_norm": False,
              "pad_token_id": len(tokens) - 1, "eos_token_id": 0, "forced_eos_token_id": 0,
              "decoder_start_token_id": len(tokens) - 1, "num_beams": 4,
              "bad_words_ids": [[len(tokens) - 1]]}
    weights = weights_of(config)
    w = {name: value.double() for name, value in weights.items()}
    lengths = torch.tensor([9, 5])
    source = torch.randint(2, len(tokens) - 1, (2, 9))
    source[1, 5:] = config["pad_token_id"]
    target = torch.randint(2, len(tokens) - 1, (2, 6))
    target[:, 0] = config["decoder_start_token_id"]
    expected = {"source": source, "lengths": lengths, "target": target,
                "logits": marian(config, w, source, lengths, target)}
    for row in range(2):
        expected[f"greedy.{row}"] = torch.tensor(
            greedy(config, w, source[row, :lengths[row]], 12))
    weights["model.encoder.embed_positions.weight"] = sinusoids(24, 12).float()
    weights["model.decoder.embed_positions.weight"] = sinusoids(24, 12).float()
    weights["lm_head.weight"] = weights["model.shared.weight"].clone()
    write_folder("marian", config, weights, expected)
    folder = HERE / "marian"
    for name, model in models.items():
        (folder / f"{name}.spm").write_bytes(without_table(model))
    (folder / "vocab.json").write_text(
        json.dumps(vocabulary, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    rows = {name: cut(model, vocabulary, TEXTS[name]) for name, model in models.items()}
    (folder / "expected_pieces.json").write_text(
        json.dumps(rows, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
