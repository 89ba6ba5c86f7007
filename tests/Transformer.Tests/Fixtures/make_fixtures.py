#!/usr/bin/env python3
"""Records what PyTorch computes in float64 on the CPU, as small safetensors files beside it.

Run: python3 make_fixtures.py        (Debian 12: apt install python3-torch python3-numpy)
Writes every *.safetensors here and the list of them in README.md, from its marker on. The numbers
do not depend on the machine beyond float64 rounding; versions are recorded in each file's metadata.
"""
import itertools
import pathlib

import numpy
import torch

import fixture_attention
import fixture_layers
import fixture_models
import fixture_training

MARKER = "<!-- from here on written by make_fixtures.py -->"


def main():
    torch.set_num_threads(1)
    folder = pathlib.Path(__file__).parent
    metadata = {"generator": "make_fixtures.py", "torch": torch.__version__,
                "numpy": numpy.__version__}
    files = itertools.chain(
        fixture_attention.scaled_dot_product(), fixture_attention.position_and_sinks(),
        fixture_attention.multihead_attention(), fixture_attention.attention_layer(),
        fixture_layers.normalisation(), fixture_layers.activations(), fixture_layers.linear(),
        fixture_layers.embedding(), fixture_layers.layers(), fixture_layers.recurrent(),
        fixture_models.gpt(),
        fixture_training.cross_entropy(), fixture_training.optimizers(), fixture_training.scalars())
    lines, total = [MARKER, ""], 0
    for file in files:
        size = file.write(folder, metadata)
        total += size
        print(f"{file.name}: {len(file.cases)} cases, {size} bytes")
        lines += file.describe()
    print(f"total {total} bytes")
    page = folder / "README.md"
    head = page.read_text(encoding="utf-8").split(MARKER)[0]
    page.write_text(head + "\n".join(lines).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
