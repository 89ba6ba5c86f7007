#!/usr/bin/env python3
"""Writes tokenizers.json beside this script: what plain Python makes of the tokenizers' rules.

TokenizerFixtureTests builds the same tokenizers and expects the same tokens and places. Nothing
but the standard library (Python 3.11, Unicode 14) is used: rules are written out plainly, the
most probable cuts of short words are found by trying all.
"""
import itertools
import json
import math
import pathlib
import unicodedata

TEXTS = [
    "Hello, world! It's 10:30 o'clock -- isn't it?",
    "  several   spaces\tand\r\nlines \n\n end  ",
    "Ünïcödé naïveté ÀÉÎ e\u0301a\u0308 İstanbul ﬁn ①②③ Ⅷ",
    "Москва — столица; ёлка, ЙОД й и\u0306 1941–1945",
    "中文字符 mixed 漢字と仮名 かな カナ ｶﾞ 한국어 각",
    "C++ $5 #tag a_b @you ^_^ ~x` |pipe| <s> [MASK] ##ing",
    "zero\u200bwidth soft\u00adhyphen nul\u0000l bom\ufeff repl\ufffd tab\u00a0nbsp\u3000wide",
    "😀 emoji 👩‍👩‍👧 flags 🇷🇺 𝒜𝒷 x²",
    "we'll they'd I'VE 'tis rock'n'roll 's ''s",
    "a" * 101 + " " + "b" * 100 + " low lower lowest newest widest",
    "",
    " ",
    "▁mark ▁▁ two",
]


# BERT


def is_chinese(code):
    return any(a <= code <= b for a, b in [
        (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
        (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)])


def is_mark(char):
    code = ord(char)
    ascii_mark = 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126
    return ascii_mark or unicodedata.category(char).startswith("P")


def bert_words(text, lowercase):
    """Words as lists of (character, place in the text)."""
    words, word = [], []

    def flush():
        nonlocal word
        if word:
            words.append(word)
        word = []

    for place, char in enumerate(text):
        if char in "\t\n\r" or unicodedata.category(char) in ("Zs", "Zl", "Zp"):
            flush()
            continue
        if char in "\0\ufffd" or unicodedata.category(char) in ("Cc", "Cf", "Co"):
            continue
        if is_chinese(ord(char)):
            flush()
            words.append([(char, place)])
            continue
        folded = char
        if lowercase:
            folded = unicodedata.normalize("NFD", char)
            folded = "".join(c for c in folded if unicodedata.category(c) != "Mn").lower()
        for c in folded:
            if is_mark(c):
                flush()
                words.append([(c, place)])
            else:
                word.append((c, place))
    flush()
    return words


def word_pieces(text, vocabulary, lowercase):
    result = []
    for word in bert_words(text, lowercase):
        chars = "".join(c for c, _ in word)
        places = [p for _, p in word]
        pieces, start = [], 0
        while start < len(chars) and len(chars) <= 100:
            for end in range(len(chars), start, -1):
                piece = ("##" if start else "") + chars[start:end]
                if piece in vocabulary:
                    pieces.append([piece, places[start], places[end - 1] + 1])
                    start = end
                    break
            else:
                break
        if start < len(chars):
            pieces = [["[UNK]", places[0], places[-1] + 1]]
        result += pieces
    return result


# GPT-2


def kind(char):
    if unicodedata.category(char)[0] == "L":
        return "L"
    if unicodedata.category(char)[0] == "N":
        return "N"
    white = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000"
    return "S" if char in white or "\u2000" <= char <= "\u200a" else "O"


def gpt2_words(text):
    """'s|'t|'re|'ve|'m|'ll|'d| ?L+| ?N+| ?[^SLN]+|S+(?!not S)|S+, tried in this order."""
    words, start = [], 0
    while start < len(text):
        end = start
        for contraction in "'s", "'t", "'re", "'ve", "'m", "'ll", "'d":
            if text.startswith(contraction, start):
                end = start + len(contraction)
                break
        if end == start:
            for wanted in "L", "N", "O":
                begin = start + (text[start] == " ")
                end = begin
                while end < len(text) and kind(text[end]) == wanted:
                    end += 1
                if end > begin:
                    break
                end = start
        if end == start:
            while end < len(text) and kind(text[end]) == "S":
                end += 1
            if end < len(text) and end - start > 1:
                end -= 1
        words.append((start, text[start:end]))
        start = end
    return words


def byte_alphabet():
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in printable]
    return {**{b: chr(b) for b in printable}, **{b: chr(256 + i) for i, b in enumerate(others)}}


ALPHABET = byte_alphabet()


def byte_pairs(text, ranks):
    result = []
    for start, word in gpt2_words(text):
        owners = [start + i for i, char in enumerate(word) for _ in char.encode()]
        parts = [ALPHABET[b] for b in word.encode()]
        while True:
            known = [(ranks[pair], i) for i, pair in enumerate(zip(parts, parts[1:]))
                     if pair in ranks]
            if not known:
                break
            _, i = min(known)
            parts[i:i + 2] = [parts[i] + parts[i + 1]]
        first = 0
        for part in parts:
            last = first + len(part) - 1
            result.append([part, owners[first], owners[last] + 1])
            first = last + 1
    return result


# SentencePiece


def unigram_text(text):
    """Characters with their places: separators cleaned, NFKC, spaces joined and marked."""
    controls = [*range(0x01, 0x09), 0x0B, *range(0x0E, 0x20), 0x7F, 0x8F, 0x9F]
    spaces = [0x09, 0x0A, 0x0C, 0x0D, 0x1680, *range(0x200B, 0x2010), 0x2028, 0x2029, 0x2581,
              0xFEFF, 0xFFFD]
    cleaned = [(" " if ord(c) in spaces else c, i) for i, c in enumerate(text)
               if ord(c) not in controls]
    # Normalised alone where that changes nothing about the whole.
    groups = []
    for char, place in cleaned:
        whole = "".join(c for group in groups for c, _ in group)
        apart = unicodedata.normalize("NFKC", whole) + unicodedata.normalize("NFKC", char)
        if groups and (apart != unicodedata.normalize("NFKC", whole + char)
                       or unicodedata.combining(char)):
            groups[-1].append((char, place))
        else:
            groups.append([(char, place)])
    result = []
    for group in groups:
        normal = unicodedata.normalize("NFKC", "".join(c for c, _ in group))
        for char in normal:
            if char == " " and (not result or result[-1][0] == " "):
                continue
            result.append((char, group[0][1], group[-1][1] + 1))
    while result and result[-1][0] == " ":
        result.pop()
    marked = [("▁" if c == " " else c, a, b) for c, a, b in result]
    return [("▁", marked[0][1], marked[0][1])] + marked if marked else []


def all_cuts(word, scores):
    """Every way to cut a word: characters that are no piece cost 10 more than the rarest."""
    if not word:
        yield 0.0, []
        return
    for end in range(1, len(word) + 1):
        piece = word[:end]
        if piece in scores:
            score = scores[piece]
        elif end == 1:
            score = min(scores.values()) - 10
        else:
            continue
        for rest, pieces in all_cuts(word[end:], scores):
            yield score + rest, [piece, *pieces]


def best_cut(word, scores):
    """The best of all cuts, by the best cuts of all beginnings."""
    unknown = min(scores.values()) - 10
    best = [(0.0, [])]
    for end in range(1, len(word) + 1):
        ways = []
        for start in range(end):
            piece = word[start:end]
            if piece in scores or end == start + 1:
                score, pieces = best[start]
                ways.append((score + scores.get(piece, unknown), [*pieces, piece]))
        best.append(max(ways, key=lambda way: way[0]))
    return best[-1][1]


def unigram_words(chars):
    starts = [i for i, (c, _, _) in enumerate(chars) if c == "▁" or i == 0] + [len(chars)]
    return [chars[a:b] for a, b in zip(starts, starts[1:])]


def unigram(text, scores):
    result = []
    for word in unigram_words(unigram_text(text)):
        spelled = "".join(c for c, _, _ in word)
        pieces = best_cut(spelled, scores)
        if len(spelled) <= 12:
            assert pieces == max(all_cuts(spelled, scores), key=lambda cut: cut[0])[1]
        first = 0
        for known, group in itertools.groupby(pieces, key=lambda piece: piece in scores):
            parts = list(group) if known else ["".join(group)]
            for part in parts:
                last = first + len(part) - 1
                name = part if known else "<unk>"
                result.append([name, word[first][1], word[last][2]])
                first = last + 1
    return result


def utf16(text, tokens):
    """Places in UTF-16 units."""
    at = [0]
    for char in text:
        at.append(at[-1] + (2 if ord(char) > 0xFFFF else 1))
    return [[token, at[start], at[end]] for token, start, end in tokens]


WORD_PIECES = """a b c d e f g h i l n o p r s t u w x y z 1 0 m k ##a ##b ##c ##d ##e ##f ##g ##h
##i ##k ##l ##m ##n ##o ##p ##r ##s ##t ##u ##v ##w ##y ##0 ##1 ##4 ##5 ##9 , . ! ? ' - : ; + $ #
@ _ ^ ~ ` | < > [ ] — – ② hello Hello world it is spaces several ##eral low ##er ##est naive ##te
unicode москва столица елка ёлка Москва ##од й и ##и 中 文 漢 字 と か ##な 한 국 ##² [unused1] mask
##ask 😀 ##ing will the rock roll""".split()

MERGES = """h e|l l|he ll|hell o|w o|r l|wo rl|worl d|Ġ worl|Ġ w|Ġw orl|Ġ a|i n|e r|e s|es t|l o|lo w|
Ġ low|Ġ lo|Ð ¾|Ð °|Ġ Ð|Ð ¸|Ñ ģ|Ñ ģÑĤ|' s|' '|Ġ '|1 0|Ġ 1|Ġ Ġ|ĠĠ Ġ|Ċ Ċ|ä ¸|ä¸ Ń|ð Ł|ðŁ ĺ|ðŁĺ Ģ|Ġ ðŁ""".replace(
    "\n", "").split("|")

UNIGRAM = {"▁": -2.5, "a": -3.5, "b": -4.0, "e": -3.1, "l": -3.9, "o": -3.4, "w": -4.4, "r": -4.1,
           "s": -3.6, "t": -3.3, "n": -3.7, "i": -3.8, "h": -4.2, "d": -4.3, "▁low": -5.0,
           "low": -6.0, "est": -5.5, "er": -4.6, "▁new": -6.5, "▁n": -6.0, "ew": -6.1,
           "▁wid": -7.5, "▁w": -5.9, "▁He": -7.0, "llo": -7.2, "hello": -9.0, ",": -4.5,
           "▁it": -6.2, "is": -5.8, "n't": -7.1, "fi": -6.6, "1": -5.2, "2": -5.3, "12": -7.3,
           "é": -6.4, "▁М": -7.7, "оск": -8.0, "ва": -8.1, "й": -8.2, "中文": -9.5, "中": -8.8,
           "ガ": -9.1, "각": -9.2, "😀": -9.3, "▁sp": -6.3, "ace": -7.4, "and": -6.7}


def main():
    ranks = {tuple(merge.split(" ")): i for i, merge in enumerate(MERGES)}
    known = set(ALPHABET.values())
    for left, right in list(ranks):
        if left in known and right in known:
            known.add(left + right)
        else:
            del ranks[left, right]
    merges = [" ".join(pair) for pair in ranks]
    ranks = {tuple(merge.split(" ")): i for i, merge in enumerate(merges)}
    sample = "▁lowest"
    cuts = sorted(all_cuts(sample, UNIGRAM), key=lambda cut: -cut[0])
    whole = math.log(sum(math.exp(score) for score, _ in cuts))
    expected = {}
    for score, pieces in cuts:
        for piece in pieces:
            expected[piece] = expected.get(piece, 0) + math.exp(score - whole)
    fixture = {
        "wordPieces": WORD_PIECES,
        "merges": merges,
        "unigram": UNIGRAM,
        "cases": [{
            "text": text,
            "uncased": utf16(text, word_pieces(text, set(WORD_PIECES), True)),
            "cased": utf16(text, word_pieces(text, set(WORD_PIECES), False)),
            "bytePairs": utf16(text, byte_pairs(text, ranks)),
            "unigram": utf16(text, unigram(text, UNIGRAM)),
            **{form: unicodedata.normalize(form.upper(), text)
               for form in ("nfc", "nfd", "nfkc", "nfkd")},
        } for text in TEXTS],
        "cuts": {"text": "lowest", "logProbability": whole, "expected": expected,
                 "best": [{"score": score, "pieces": pieces} for score, pieces in cuts[:6]],
                 "count": len(cuts)},
    }
    path = pathlib.Path(__file__).with_name("tokenizers.json")
    # A line for each case.
    lines = json.dumps(fixture, separators=(",", ":")).replace('{"text"', '\n{"text"')
    path.write_text(lines + "\n", encoding="utf-8")


main()
