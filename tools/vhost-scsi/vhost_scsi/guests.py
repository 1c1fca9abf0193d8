# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) 2026 vhost-lio developers
"""Processes that own a device, and the names that QEMU was given for its guests."""

import json
import re
from dataclasses import dataclass

from .host import Host, printable

LONGEST_NAME = 64


@dataclass(frozen=True)
class Process:
    """Who has a device. name is the guest's, or the program's where there is none."""

    pid: int
    name: str
    program: str
    alive: bool


def options(value: str) -> dict[str, str]:
    """QEMU's a=b,c=d, in which a comma of a value is doubled; a first word alone is ''."""
    found: dict[str, str] = {}
    for number, part in enumerate(_split(value)):
        key, equals, text = part.partition("=")
        if equals:
            found.setdefault(key, text)
        elif number == 0:
            found[""] = part
    return found


def _split(value: str) -> list[str]:
    parts, part, position = [], "", 0
    while position < len(value):
        if value[position] != ",":
            part += value[position]
        elif value[position:position + 2] == ",,":
            part += ","
            position += 1
        else:
            parts.append(part)
            part = ""
        position += 1
    return [*parts, part]


def arguments(host: Host, pid: int) -> list[str]:
    """The command line of a process; empty when it has ended, or is a zombie."""
    data = host.data(f"/proc/{pid}/cmdline")
    if not data:
        return []
    return data.decode("utf-8", "surrogateescape").rstrip("\0").split("\0")


def guest_name(words: list[str]) -> str | None:
    """-name of QEMU's command line, as it was written."""
    for word, value in zip(words, words[1:]):
        if word in ("-name", "--name"):
            named = options(value)
            return named.get("guest") or named.get("")
    return None


def process(host: Host, pid: int) -> Process:
    """What is known of a process. A zombie has ended: it only waits for its parent."""
    status = host.text(f"/proc/{pid}/status") or ""
    fields = dict(re.findall(r"^(\w+):[ \t]*(.*)$", status, re.M))
    alive = bool(fields) and fields.get("State", "")[:1] not in ("Z", "X")
    program = printable(fields.get("Name", ""))[:LONGEST_NAME]
    name = printable(guest_name(arguments(host, pid)) or "")[:LONGEST_NAME]
    return Process(pid, name or program, program, alive)


def locked_memory(host: Host, pid: int) -> int | None:
    """The bytes that a process may lock; None when there is no limit, or it is not known."""
    text = host.text(f"/proc/{pid}/limits") or ""
    match = re.search(r"^Max locked memory\s+(\d+)", text, re.M)
    return int(match.group(1)) if match else None


UNITS = {"": 20, "B": 0, "K": 10, "M": 20, "G": 30, "T": 40}


def memory(words: list[str]) -> int | None:
    """-m of QEMU's command line, in bytes."""
    for word, value in zip(words, words[1:]):
        if word in ("-m", "--m"):
            size = options(value)
            text = size.get("size") or size.get("") or ""
            match = re.fullmatch(r"(\d{1,12})([BKMGT]?)(?:i?B)?", text, re.I)
            return int(match.group(1)) << UNITS[match.group(2).upper()] if match else None
    return None


def port_of(word: str) -> str | None:
    """The port that an argument of QEMU's -device names."""
    if "vhost-scsi" not in word:
        return None
    if not word.startswith("{"):
        return options(word).get("wwpn")
    try:
        found = json.loads(word)
    except ValueError:
        return None
    return str(found.get("wwpn"))


def users_of(host: Host, wwpn: str) -> list[int]:
    """The processes whose command line names a port: guests that have it, or will."""
    return [int(name) for name in host.names("/proc") if name.isascii() and name.isdigit()
            and any(port_of(word) == wwpn for word in arguments(host, int(name)))]
