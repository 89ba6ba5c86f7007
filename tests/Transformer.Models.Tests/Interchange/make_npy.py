#!/usr/bin/env python3
"""Writes the *.npy files beside this script with NumPy itself (1.24; Debian 12: python3-numpy).

NpyFileTests reads them and writes the same bytes.
"""
import pathlib

import numpy as np

FOLDER = pathlib.Path(__file__).parent


def save(name, array, version=(1, 0)):
    with open(FOLDER / f"{name}.npy", "wb") as file:
        np.lib.format.write_array(file, array, version=version)


counting = np.arange(12).reshape(2, 3, 2)
save("f4_matrix", np.array([[1.5, -2, 0.25], [3, 1e30, -0.0]], "<f4"))
save("f8_fortran", np.asfortranarray(counting.astype("<f8")))
save("f2_vector", np.array([1.5, -65504, 6e-8], "<f2"))
save("i4_vector", np.array([7], "<i4"))
save("i8_scalar", np.array(-5_000_000_000, "<i8"))
save("u1_version2", np.array([0, 128, 255], "|u1"), (2, 0))
save("b1_version3", np.array([[True, False]]), (3, 0))
save("u2_bfloat16", np.array([0x3F80, 0xC040], "<u2"))
save("f4_empty", np.zeros((0, 3), "<f4"))
save("f4_big_endian", np.ones(2, ">f4"))
