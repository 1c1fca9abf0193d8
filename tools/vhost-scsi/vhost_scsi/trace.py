# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) 2026 vhost-lio developers
"""The tracepoints of the module, in a trace instance of their own."""

import argparse
import json
import os
import re
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from . import cdb
from .host import Host, Trouble, printable
from .show import out_json

PLACES = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
SYSTEM = "vhost_scsi"
LINE = re.compile(r"\s*(?P<task>.*)-(?P<pid>\d+)\s+\[(?P<cpu>\d+)\]\s+(?:\S+\s+)?(?P<at>\d+\.\d+): (?P<event>\w+): ?"
                  r"(?P<text>.*)")
# A value ends at a space, or is in brackets.
FIELD = re.compile(r"(\w+)=(\([^)]*\)|\[[^\]]*\]|\S*)")


@dataclass(frozen=True)
class Event:
    """A step, as the kernel printed it."""

    at: float
    cpu: int
    pid: int
    task: str
    event: str
    text: str
    fields: dict[str, str]
    cdb: str | None


def decode(line: str) -> Event | None:
    """A line of trace_pipe; None for what is no event."""
    match = LINE.fullmatch(line)
    if not match:
        return None
    fields = {key: printable(value) for key, value in FIELD.findall(match["text"])}
    raw = re.search(r"\braw=((?:[0-9a-f]{2} ?)+)\)?$", fields.get("cmnd", ""))
    return Event(float(match["at"]), int(match["cpu"]), int(match["pid"]), printable(match["task"].strip()),
                 match["event"].removeprefix(SYSTEM + "_"), printable(match["text"]), fields,
                 cdb.decode(raw[1]) if raw else None)


def tracefs(host: Host) -> str:
    """Where tracefs is, with the events of this module."""
    for place in PLACES:
        if host.is_there(f"{place}/events/{SYSTEM}"):
            return place
    if host.denied:
        raise Trouble("tracefs is for root only: run it as root")
    if not any(host.is_there(place + "/events") for place in PLACES):
        raise Trouble("tracefs is not there: mount -t tracefs none /sys/kernel/tracing")
    raise Trouble("the module that is loaded has no tracepoints")


def known(host: Host) -> list[str]:
    """The names of the events."""
    place = f"{tracefs(host)}/events/{SYSTEM}"
    return [name for name in host.names(place) if host.path(f"{place}/{name}").is_dir()]


def fields_of(host: Host, event: str) -> list[str]:
    """The fields of an event, which a filter may name."""
    text = host.text(f"{tracefs(host)}/events/{SYSTEM}/{event}/format") or ""
    return [name for name in re.findall(r"^\tfield:[^;]*?(\w+)(?:\[\w*\])?;", text, re.M)
            if not name.startswith("common_")]


def _write(host: Host, name: str, value: str) -> None:
    try:
        handle = os.open(host.path(name), os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        try:
            os.write(handle, value.encode())
        finally:
            os.close(handle)
    except OSError as fault:
        raise Trouble(f"'{printable(value)}' cannot be written to {name}: {fault.strerror}") from fault


@contextmanager
def instance(host: Host, events: list[str], expression: str | None) -> Iterator[str]:
    """A trace buffer of our own, in which these events are on."""
    place = f"{tracefs(host)}/instances/vhost-scsi.{os.getpid()}"
    try:
        os.mkdir(host.path(place))
    except OSError as fault:
        raise Trouble(f"{place} cannot be made: {fault.strerror}") from fault
    try:
        # All begin at the same moment.
        _write(host, place + "/tracing_on", "0")
        for event in events:
            mine = f"{place}/events/{SYSTEM}/{event}"
            if expression:
                _write(host, mine + "/filter", expression)
            _write(host, mine + "/enable", "1")
        _write(host, place + "/tracing_on", "1")
        yield place
    finally:
        for event in events:
            _write(host, f"{place}/events/{SYSTEM}/{event}/enable", "0")
        os.rmdir(host.path(place))


def lines(host: Host, place: str, seconds: float | None) -> Iterator[str]:
    """What is traced for so long."""
    end = None if seconds is None else time.monotonic() + seconds
    handle = os.open(host.path(place + "/trace_pipe"), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        rest = b""
        while True:
            try:
                data = os.read(handle, 1 << 16)
            except BlockingIOError:
                data = b""
            if not data:
                if end is not None and time.monotonic() >= end:
                    return
                # The kernel wakes a reader of a buffer that is half full only.
                select.select([handle], [], [], 0.1)
                time.sleep(0.05)
                continue
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                yield line.decode("utf-8", "surrogateescape")
    finally:
        os.close(handle)


def show_trace(host: Host, options: argparse.Namespace) -> int:
    """trace"""
    names = known(host)
    if options.list:
        found = {name: fields_of(host, name) for name in names}
        if options.json:
            out_json(found)
        else:
            print("\n".join(f"{name.removeprefix(SYSTEM + '_')}: {' '.join(words)}" for name, words in found.items()))
        return 0
    chosen = []
    for event in options.event:
        matching = [name for name in names if event in (name, name.removeprefix(SYSTEM + "_"))]
        if not matching:
            raise Trouble(f"there is no event {printable(event)}; 'vhost-scsi trace --list' names them")
        chosen += matching
    with instance(host, chosen or names, options.filter) as place:
        for line in lines(host, place, options.time):
            event = decode(line)
            if event is None:
                if "LOST" in line and not options.json:
                    print(printable(line.strip()), flush=True)
            elif options.json:
                print(json.dumps(asdict(event)), flush=True)
            else:
                text = re.sub(r"cmnd=\(.*", event.cdb, event.text) if event.cdb else event.text
                print(f"{event.at:.6f} {event.task:16} {event.event:10} {text}", flush=True)
    return 0
