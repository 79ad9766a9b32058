"""Changes to an input that know what it is made of: words, numbers, brackets, and repetition.

Takes bytes and a seed, gives bytes. Guarantees: the same seed gives the same bytes, and none longer than is asked for.
"""

from __future__ import annotations

import re
from random import Random

from fuzzing.targets import LARGEST

TOKEN = re.compile(rb'"[^"\n]*"|[\w.%+-]+|\s+|[^\w\s]')
NUMBERS = (
    b"0", b"1", b"2", b"-1", b"3", b"16", b"100", b"1e9", b"1e17", b"1e18", b"9999999999999999999", b"0.1", b"50%",
    b"1e-17", b"0e999999999", b"18M", b"1G", b"-0", b"1e400", b"1" * 400, b"-9223372036854775808", b"NaN", b"null",
    b"true", b"yes", b"no", b"[]", b"{}", b'""', b"[[]]", b'"\\ud800"', b'"\\u0000"', b"\xff", b"\x00", b"\xe2\x80\xa8",
)  # fmt: skip


def mutated(data: bytes, most: int, seed: int, words: tuple[bytes, ...]) -> bytes:
    """The input with one to four changes."""
    random = Random(seed)
    tokens = TOKEN.findall(data) or [b" "]
    for _ in range(random.randint(1, 4)):
        _change(tokens, random, words)
    return b"".join(tokens)[: min(most, LARGEST)]


def _change(tokens: list[bytes], random: Random, words: tuple[bytes, ...]) -> None:
    place = random.randrange(len(tokens))
    stop = min(len(tokens), place + random.choice((1, 1, 1, 2, 5, 20, 100)))
    match random.randrange(9):
        case 0:
            del tokens[place:stop]
            tokens or tokens.append(b" ")
        case 1:
            tokens[place:place] = tokens[place:stop]
        case 2:
            tokens[place] = random.choice(words)
        case 3:
            tokens[place] = random.choice(NUMBERS)
        case 4:
            tokens.insert(place, random.choice(words) + b" ")
        case 5:
            other = random.randrange(len(tokens))
            tokens[place], tokens[other] = tokens[other], tokens[place]
        case 6:
            part = tokens[place:stop]
            size = max(1, sum(map(len, part)))
            tokens[place:stop] = part * random.randint(1, max(1, random.choice((200, 5_000, LARGEST)) // size))
        case 7:
            numbers = [n for n, token in enumerate(tokens) if token[:1].isdigit()]
            tokens[random.choice(numbers or [place])] = random.choice(NUMBERS)
        case _:
            source = random.randrange(len(tokens))
            tokens[place:place] = tokens[source : source + random.randint(1, 30)]
