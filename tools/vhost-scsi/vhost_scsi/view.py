# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) 2026 vhost-lio developers
"""A look at everything at one moment, and what happened between two of them."""

import time
from dataclasses import dataclass

from . import config, debug, guests, stats
from .host import Host

SORTS = ("iops", "mb", "p99", "flight", "errors", "name")
BY = ("device", "lun", "queue")


@dataclass(frozen=True)
class Look:
    """What was there at a moment of the monotonic clock."""

    at: float
    devices: list[stats.Device]
    ports: list[config.Port]
    owners: dict[int, guests.Process]
    latencies: list[debug.Latency]

    def owner(self, device: stats.Device) -> guests.Process:
        """Who has the device; a process that was started later with its number has it not."""
        found = self.owners.get(device.pid)
        if found and found.alive and not device.closed:
            return found
        return guests.Process(device.pid, device.comm, device.comm, False)

    def port(self, device: stats.Device) -> config.Port | None:
        """The port that the device is bound to."""
        return next((port for port in self.ports if port.is_called(device.wwpn)), None)

    def backstore(self, device: stats.Device, target: int, lun: int) -> str:
        """The path of what lies behind a LUN."""
        port = self.port(device)
        found = port.backstore_of(target, lun) if port else None
        return found.path if found else "-"


def look(host: Host, latencies: bool = False) -> Look:
    """Look once."""
    at = time.monotonic()
    devices = stats.devices(host)
    owners = {device.pid: guests.process(host, device.pid) for device in devices}
    return Look(at, devices, config.ports(host), owners,
                [line for device in devices for line in debug.latencies(host, device.number)]
                if latencies else [])


@dataclass(frozen=True)
class Row:
    """A device, a LUN or a queue over some seconds."""

    device: int
    wwpn: str
    pid: int
    guest: str
    target: int | None
    lun: int | None
    queue: int | None
    backstore: str | None
    seconds: float
    total: stats.Stat
    delta: stats.Stat
    latency: debug.Histogram

    @property
    def commands(self) -> int:
        """Those that were answered."""
        return self.delta.reads + self.delta.writes + self.delta.others

    @property
    def iops(self) -> float:
        """Commands a second."""
        return self.commands / self.seconds

    @property
    def mb(self) -> float:
        """Megabytes (10^6) a second."""
        return (self.delta.read_bytes + self.delta.write_bytes) / self.seconds / 1e6

    def percentile(self, percent: float) -> float | None:
        """Microseconds; None when nothing was measured."""
        found = self.latency.percentile(percent)
        return None if found is None else found / 1000

    def name(self) -> str:
        """What the row is about, within its device."""
        if self.queue is not None:
            return f"queue {self.queue}"
        if self.lun is not None:
            return f"{self.target}:{self.lun} {self.backstore}"
        return self.wwpn

    def as_json(self) -> dict[str, object]:
        """The row for programs; a rate is of a second."""
        delta = self.delta
        return {
            "device": self.device, "wwpn": self.wwpn, "pid": self.pid, "guest": self.guest,
            "target": self.target, "lun": self.lun, "queue": self.queue, "backstore": self.backstore,
            "read_iops": delta.reads / self.seconds, "write_iops": delta.writes / self.seconds,
            "other_iops": delta.others / self.seconds, "read_bytes_per_second": delta.read_bytes / self.seconds,
            "write_bytes_per_second": delta.write_bytes / self.seconds, "p50_us": self.percentile(50),
            "p99_us": self.percentile(99), "in_flight": delta.in_flight, "highest": delta.highest,
            "delta": vars(delta), "total": vars(self.total)}


Key = tuple[int, int | None, int | None, int | None]


def _stats(devices: list[stats.Device], by: str) -> dict[Key, stats.Stat]:
    found: dict[Key, stats.Stat] = {}
    for device in devices:
        if by == "device":
            found[device.number, None, None, None] = device.stat
        elif by == "lun":
            for lun in device.luns:
                found[device.number, lun.target, lun.lun, None] = lun.stat
        else:
            for queue in device.queues:
                if queue.stat:
                    found[device.number, None, None, queue.index] = queue.stat
    return found


def _of(lines: list[debug.Latency], key: Key, stage: str = "total") -> debug.Histogram:
    device, target, lun, queue = key
    return sum((line.histogram for line in lines
                if line.stage == stage and line.device == device
                and (lun is None or (line.target, line.lun) == (target, lun))
                and (queue is None or line.queue == queue)), debug.Histogram())


def rows(before: Look, now: Look, by: str) -> list[Row]:
    """What happened between two looks. A device that is new began with 0."""
    known, found = _stats(before.devices, by), []
    devices = {device.number: device for device in now.devices}
    for key, total in _stats(now.devices, by).items():
        device = devices[key[0]]
        target, lun = key[1], key[2]
        delta = total.since(known.get(key, stats.Stat()))
        # Firmware has the first target as target 0, too, and the system behind it has not.
        if target is not None and target not in device.targets and not delta.taken and not delta.in_flight:
            continue
        backstore = None if target is None or lun is None else now.backstore(device, target, lun)
        found.append(Row(device.number, device.wwpn, device.pid, now.owner(device).name, target, lun, key[3],
                         backstore, max(now.at - before.at, 1e-6), total, delta,
                         _of(now.latencies, key).since(_of(before.latencies, key))))
    return found


def in_order(found: list[Row], sort: str) -> list[Row]:
    """The rows that do most come first."""
    keys = {"iops": lambda row: -row.iops, "mb": lambda row: -row.mb,
            "p99": lambda row: -(row.percentile(99) or 0), "flight": lambda row: -row.delta.in_flight,
            "errors": lambda row: -row.delta.errors}
    by_name = sorted(found, key=lambda row: (row.device, row.target or 0, row.lun or 0, row.queue or 0))
    return sorted(by_name, key=keys[sort]) if sort in keys else by_name
