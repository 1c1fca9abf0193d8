# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) 2026 vhost-lio developers
"""Numbers and tables as text."""

import time
from collections.abc import Sequence

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
BLOCKS = " ▏▎▍▌▋▊▉█"


def size(number: int | None) -> str:
    """Bytes as 64 MiB."""
    if number is None:
        return "-"
    value, unit = float(number), 0
    while value >= 1000 and unit < len(UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.3g} {UNITS[unit]}"


def duration(nanoseconds: float | None) -> str:
    """A time as 1.5 ms."""
    if nanoseconds is None:
        return "-"
    for unit, length in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if nanoseconds >= length:
            value = nanoseconds / length
            return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
    return f"{nanoseconds:.0f} ns"


def date(seconds: int) -> str:
    """Seconds since 1970, here."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def bar(part: float, width: int, blocks: bool) -> str:
    """A part of 1 as a bar of at most width columns."""
    if not blocks:
        return "#" * max(round(part * width), 1 if part else 0)
    eighths = max(round(part * width * 8), 1 if part else 0)
    return "█" * (eighths // 8) + (BLOCKS[eighths % 8] if eighths % 8 else "")


def table(head: Sequence[str], lines: Sequence[Sequence[str]], right: str = "") -> str:
    """Lines of columns; right has an r for each column that is set to its right side."""
    every = [head, *lines]
    widths = [max(len(line[i]) for line in every) for i in range(len(head))]
    done = []
    for line in every:
        cells = [cell.rjust(width) if right[i:i + 1] == "r" else cell.ljust(width)
                 for i, (cell, width) in enumerate(zip(line, widths))]
        done.append("  ".join(cells).rstrip())
    return "\n".join(done)
