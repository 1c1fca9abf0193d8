# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) 2026 vhost-lio developers
"""What the module counts: Documentation/ABI/testing/sysfs-class-misc-vhost-scsi."""

import re
from dataclasses import dataclass, field, fields
from typing import TypeVar

from .host import Host, Trouble, printable

MODULE = "/sys/module/vhost_scsi"
DEVICES = "/sys/class/misc/vhost-scsi/devices"

# virtio 1.2, clauses 5.6.3 and 6; and vhost's own bit.
FEATURES = {0: "INOUT", 1: "HOTPLUG", 2: "CHANGE", 3: "T10_PI", 24: "NOTIFY_ON_EMPTY", 26: "LOG_ALL",
            27: "ANY_LAYOUT", 28: "INDIRECT_DESC", 29: "EVENT_IDX", 32: "VERSION_1", 33: "ACCESS_PLATFORM",
            34: "RING_PACKED", 35: "IN_ORDER", 36: "ORDER_PLATFORM", 40: "RING_RESET"}

RESPONSES = ("overrun", "aborted", "bad_target", "reset", "busy", "transport_failure", "target_failure",
             "nexus_failure", "failure")
STATUSES = ("check_condition", "busy", "reservation_conflict", "task_set_full", "aca_active", "task_aborted",
            "other")
ERRORS = tuple(("response", name) for name in RESPONSES) + tuple(("status", name) for name in STATUSES)


T = TypeVar("T", bound="Columns")


def columns(text: str | None) -> list[int] | None:
    """The numbers of a line; None when it is not such a line."""
    words = (text or "").split()
    if not words or not all(word.isascii() and word.isdigit() for word in words):
        return None
    return [int(word) for word in words]


@dataclass(frozen=True)
class Columns:
    """A file of one line, whose numbers are the fields."""

    @classmethod
    def read(cls: type[T], host: Host, path: str) -> T | None:
        """None when it is not there; columns that are new are not known here."""
        found, width = columns(host.text(path)), len(fields(cls))
        return cls(*found[:width]) if found and len(found) >= width else None


@dataclass(frozen=True)
class Stat(Columns):
    """The file stat of a device, a queue or a LUN."""

    reads: int = 0
    read_bytes: int = 0
    writes: int = 0
    write_bytes: int = 0
    others: int = 0
    in_flight: int = 0
    highest: int = 0
    taken: int = 0
    dropped: int = 0
    errors: int = 0
    residuals: int = 0
    deferred: int = 0
    bounced: int = 0

    def since(self, before: "Stat") -> "Stat":
        """What was added; of what goes up and down, what it is now."""
        return Stat(**{f.name: getattr(self, f.name) if f.name in ("in_flight", "highest") else
                       max(getattr(self, f.name) - getattr(before, f.name), 0) for f in fields(self)})


FUNCTIONS = ("abort_task", "abort_task_set", "clear_aca", "clear_task_set", "nexus_reset", "lun_reset",
             "query_task", "query_task_set", "other")


@dataclass(frozen=True)
class Functions(Columns):
    """A file of task management functions."""

    begun: int = 0
    complete: int = 0
    succeeded: int = 0
    rejected: int = 0
    incorrect_lun: int = 0
    busy: int = 0
    failed: int = 0
    dropped: int = 0
    pending: int = 0


@dataclass(frozen=True)
class Ring(Columns):
    """The file ring of a queue."""

    size: int = 0
    chains: int = 0
    kicks: int = 0
    signals: int = 0
    spared: int = 0
    polls_paid: int = 0
    polls_unpaid: int = 0
    slow: int = 0
    broken: int = 0


@dataclass(frozen=True)
class Events(Columns):
    """The file events of a device."""

    sent: int = 0
    missed: int = 0
    waiting: int = 0


@dataclass(frozen=True)
class Memory(Columns):
    """The file memory of a device."""

    regions: int = 0
    bytes: int = 0
    pinned_pages: int = 0
    remembered_pages: int = 0


@dataclass(frozen=True)
class Worker(Columns):
    """The thread that serves a queue."""

    number: int
    tid: int
    nanoseconds: int


@dataclass(frozen=True)
class Queue:
    """A queue; control and event queue have no stat."""

    index: int
    ring: Ring
    worker: Worker | None
    stat: Stat | None
    errors: dict[str, int]

    @property
    def kind(self) -> str:
        """What virtio-scsi has it for."""
        return {0: "control", 1: "event"}.get(self.index, "request")


@dataclass(frozen=True)
class LunStat:
    """A LUN that had a command, by the numbers that the guest uses."""

    target: int
    lun: int
    stat: Stat
    errors: dict[str, int]


@dataclass(frozen=True)
class Device:
    """A device that is bound to a port."""

    number: int
    wwpn: str
    targets: list[int]
    pid: int
    comm: str
    bound: int
    closed: int
    features: int
    stat: Stat
    errors: dict[str, int]
    functions: dict[str, Functions]
    events: Events
    memory: Memory
    queues: list[Queue] = field(default_factory=list)
    luns: list[LunStat] = field(default_factory=list)

    def feature_names(self) -> list[str]:
        """The features that were negotiated."""
        return [FEATURES.get(bit, f"BIT_{bit}") for bit in range(64) if self.features >> bit & 1]


def error_name(kind: tuple[str, str]) -> str:
    """A name of an error that is its own."""
    return "_".join(kind)


def _errors(host: Host, path: str) -> dict[str, int]:
    numbers = columns(host.text(path + "/errors")) or []
    return dict(zip(map(error_name, ERRORS), numbers)) if len(numbers) >= len(ERRORS) else {}


def _queue(host: Host, path: str, index: int) -> Queue | None:
    ring = Ring.read(host, path + "/ring")
    if ring is None:
        return None
    return Queue(index, ring, Worker.read(host, path + "/worker"), Stat.read(host, path + "/stat"),
                 _errors(host, path))


def _device(host: Host, number: int) -> Device | None:
    """None when it went away while it was read."""
    path = f"{DEVICES}/{number}"
    wwpn, stat = host.text(path + "/wwpn"), Stat.read(host, path + "/stat")
    pid, bound, closed = (host.number(f"{path}/{name}") for name in ("pid", "bound", "closed"))
    if wwpn is None or stat is None or pid is None or bound is None or closed is None:
        return None
    functions = {name: Functions.read(host, f"{path}/tmf_{name}") or Functions() for name in FUNCTIONS}
    features = host.text(path + "/features") or ""
    device = Device(
        number, printable(wwpn), columns(host.text(path + "/targets")) or [], pid,
        printable(host.text(path + "/comm") or ""), bound, closed,
        int(features, 16) if re.fullmatch("0x[0-9a-f]{1,16}", features) else 0, stat, _errors(host, path),
        functions, Events.read(host, path + "/events") or Events(), Memory.read(host, path + "/memory") or Memory())
    for name in host.names(path + "/queues"):
        queue = _queue(host, f"{path}/queues/{name}", int(name)) if name.isdigit() else None
        if queue:
            device.queues.append(queue)
    for name in host.names(path + "/luns"):
        match = re.fullmatch(r"(\d{1,3}):(\d{1,5})", name, re.A)
        lun = Stat.read(host, f"{path}/luns/{name}/stat")
        if match and lun:
            device.luns.append(LunStat(int(match.group(1)), int(match.group(2)), lun,
                                       _errors(host, f"{path}/luns/{name}")))
    return device


def devices(host: Host) -> list[Device]:
    """Every bound device."""
    found = [_device(host, int(name)) for name in host.names(DEVICES) if name.isascii() and name.isdigit()]
    return [device for device in found if device]


def required(host: Host) -> None:
    """End with a sentence unless this module is there."""
    if not host.is_there(MODULE):
        raise Trouble("the module vhost_scsi is not loaded: modprobe vhost_scsi")
    if not host.is_there(MODULE + "/version"):
        raise Trouble("the stock vhost_scsi is loaded, which counts nothing: 'vhost-scsi check' says how to switch")
    if not host.is_there(DEVICES):
        raise Trouble("the vhost-lio that is loaded is older than its counters: reload it")
