#!/usr/bin/env python3
"""Writes normalization.bin beside this script from Python's own Unicode tables (3.11: 14.0).

Numbers are little-endian, the whole is compressed with zlib:
    count of decompositions, then for each: code point | 1 << 24 where it is a compatibility one
    | 1 << 25 where it is never composed, length, code points;
    count of combining classes, then for each: code point, class.
Hangul syllables are left out: arithmetic gives them.
"""
import pathlib
import struct
import unicodedata
import zlib

COMPATIBILITY, EXCLUDED = 1 << 24, 1 << 25
numbers = []
entries = []
classes = []
for code in range(0x110000):
    if 0xD800 <= code <= 0xDFFF or 0xAC00 <= code <= 0xD7A3:
        continue
    char = chr(code)
    mapping = unicodedata.decomposition(char).split()
    if mapping:
        flags = 0
        if mapping[0].startswith("<"):
            flags = COMPATIBILITY
            mapping = mapping[1:]
        elif unicodedata.normalize("NFC", char) != char:
            flags = EXCLUDED
        entries.append([code | flags, len(mapping), *(int(part, 16) for part in mapping)])
    if unicodedata.combining(char):
        classes.append([code, unicodedata.combining(char)])
for group in entries, classes:
    numbers.append(len(group))
    for entry in group:
        numbers.extend(entry)
data = struct.pack(f"<{len(numbers)}I", *numbers)
path = pathlib.Path(__file__).with_name("normalization.bin")
path.write_bytes(zlib.compress(data, 9))
print(f"{len(data)} bytes, {path.stat().st_size} compressed, Unicode {unicodedata.unidata_version}")
