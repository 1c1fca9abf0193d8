# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) 2026 vhost-lio developers
"""What is under way and how long it takes: Documentation/ABI/testing/debugfs-vhost-scsi."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from . import cdb
from .host import Host, Trouble, printable

DEBUG = "/sys/kernel/debug/vhost_scsi"
SWITCH = DEBUG + "/latency"
BUCKETS = 28
STAGES = ("submit", "backend", "answer", "total")
DIRECTIONS = {"r": "read", "w": "write", "n": "other"}
HOLDERS = {
    ("taken", "worker"): "the worker of its queue prepares it, or submits another one",
    ("waiting", "order"): "waits behind an ORDERED or HEAD OF QUEUE command",
    ("waiting", "slot"): "waits for one of the work items that submit to its LUN",
    ("waiting", "turn"): "waits for another reservation command",
    ("backend", "backend"): "the backstore has it",
    ("backend", "function"): "the backstore has it, and a task management function waits for it",
    ("fence", "function"): "PREEMPT AND ABORT waits for the commands of the preempted",
    ("answer", "worker"): "completed; the worker of its queue is to answer",
    ("fetch", "worker"): "the workers take the requests before it",
    ("issue", "backend"): "LIO carries it out",
    ("settle", "backend"): "commands that it ends are not answered yet",
}
RESPONSES = ("OK", "OVERRUN", "ABORTED", "BAD_TARGET", "RESET", "BUSY", "TRANSPORT_FAILURE", "TARGET_FAILURE",
             "NEXUS_FAILURE", "FAILURE")
STATUSES = {0: "GOOD", 2: "CHECK CONDITION", 4: "CONDITION MET", 8: "BUSY", 0x18: "RESERVATION CONFLICT",
            0x28: "TASK SET FULL", 0x30: "ACA ACTIVE", 0x40: "TASK ABORTED"}


def bucket_end(bucket: int) -> int | None:
    """The nanoseconds that a bucket's commands took less than; None for the last."""
    return 1 << bucket + 10 if bucket < BUCKETS - 1 else None


@dataclass(frozen=True)
class Histogram:
    """How many commands took how long; seconds are of all of them together."""

    count: int = 0
    nanoseconds: int = 0
    buckets: tuple[int, ...] = (0,) * BUCKETS

    def __add__(self, other: "Histogram") -> "Histogram":
        return Histogram(self.count + other.count, self.nanoseconds + other.nanoseconds,
                         tuple(a + b for a, b in zip(self.buckets, other.buckets)))

    def since(self, before: "Histogram") -> "Histogram":
        """What was added. After a restart of the measurement that is all that there is."""
        if before.count > self.count or any(a < b for a, b in zip(self.buckets, before.buckets)):
            return self
        return Histogram(self.count - before.count, self.nanoseconds - before.nanoseconds,
                         tuple(a - b for a, b in zip(self.buckets, before.buckets)))

    def percentile(self, percent: float) -> float | None:
        """Nanoseconds that this part of the commands did not take, to the bucket.

        Within the bucket the commands are taken to be spread evenly.
        """
        total = sum(self.buckets)
        wanted, below = total * percent / 100, 0
        for bucket, number in enumerate(self.buckets):
            if number and below + number >= wanted:
                start = bucket_end(bucket - 1) if bucket else 0
                end = bucket_end(bucket)
                if start is None or end is None:
                    return float(1 << BUCKETS + 8)
                return start + (end - start) * (wanted - below) / number
            below += number
        return None


@dataclass(frozen=True)
class Latency:
    """A line of the file latency; target and lun are None for LUNs that do not exist."""

    device: int
    queue: int
    target: int | None
    lun: int | None
    stage: str
    direction: str
    histogram: Histogram


@dataclass(frozen=True)
class Pending:
    """A command or a function that is under way, or one that was slow."""

    device: int
    microseconds: int
    queue: int
    tag: str
    target: int
    lun: int
    direction: str
    bytes: int
    attribute: str
    stage: str
    holder: str
    cdb: str
    what: str

    def says(self) -> str:
        """Who has it, in words."""
        return HOLDERS.get((self.stage, self.holder), f"{self.stage}, {self.holder}")


@dataclass(frozen=True)
class Slow:
    """A command that took long, and its answer."""

    command: Pending
    response: str
    status: str


def required(host: Host) -> None:
    """End with a sentence when debugfs cannot be read."""
    if host.is_there(SWITCH):
        return
    if host.denied:
        raise Trouble("this is in debugfs, which is for root only: run it as root")
    if not host.is_there("/sys/kernel/debug") or not host.names("/sys/kernel/debug"):
        raise Trouble("debugfs is not there: mount -t debugfs none /sys/kernel/debug")
    raise Trouble("the vhost-lio that is loaded has nothing in debugfs: is the kernel locked down?")


def _lines(host: Host, device: int, name: str, columns: int) -> Iterator[list[str]]:
    for line in (host.text(f"{DEBUG}/{device}/{name}") or "").split("\n"):
        words = line.split(" ")
        if len(words) >= columns:
            yield words


def latencies(host: Host, device: int) -> list[Latency]:
    """The histograms of a device."""
    found = []
    for words in _lines(host, device, "latency", 7 + BUCKETS):
        try:
            numbers = [int(word) for word in words[5:7 + BUCKETS]]
            target, lun = (None if word == "-" else int(word) for word in words[1:3])
            found.append(Latency(device, int(words[0]), target, lun, printable(words[3]),
                                 DIRECTIONS.get(words[4], "other"),
                                 Histogram(numbers[0], numbers[1], tuple(numbers[2:]))))
        except ValueError:
            continue
    return found


def _command(device: int, words: list[str], stage: str, holder: str) -> Pending:
    return Pending(device, int(words[0]), int(words[1]), printable(words[2]), int(words[3]), int(words[4]),
                   DIRECTIONS.get(words[5], "other"), int(words[6]), printable(words[7]), printable(stage),
                   printable(holder), printable(words[10]), cdb.decode(words[10]))


def pending(host: Host, device: int) -> list[Pending]:
    """What is under way, the oldest first."""
    found = []
    for words in _lines(host, device, "inflight", 11):
        try:
            found.append(_command(device, words, words[8], words[9]))
        except ValueError:
            continue
    return sorted(found, key=lambda command: -command.microseconds)


def slowest(host: Host, device: int) -> list[Slow]:
    """The slowest since they were read last; reading takes them."""
    found = []
    for words in _lines(host, device, "slow", 11):
        try:
            response, status = int(words[8]), int(words[9])
            found.append(Slow(_command(device, words, "ended", "-"),
                              RESPONSES[response] if 0 <= response < len(RESPONSES) else str(response),
                              STATUSES.get(status, hex(status))))
        except ValueError:
            continue
    return found


def measuring(host: Host) -> bool:
    """Whether latencies are measured."""
    return host.text(SWITCH) == "1"


def measure(host: Host, on: bool) -> None:
    """Begin to measure latencies, from 0, or stop it."""
    try:
        handle = os.open(host.path(SWITCH), os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(handle, b"1\n" if on else b"0\n")
        finally:
            os.close(handle)
    except OSError as fault:
        raise Trouble(f"{SWITCH} cannot be written: {fault.strerror}") from fault


@contextmanager
def measured(host: Host) -> Iterator[None]:
    """Measure latencies for so long, and leave the switch as it was."""
    was = measuring(host)
    if not was:
        measure(host, True)
    try:
        yield
    finally:
        if not was:
            measure(host, False)
