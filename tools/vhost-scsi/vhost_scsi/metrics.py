# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) 2026 vhost-lio developers
"""The counters for Prometheus: as OpenMetrics text, in a file for node_exporter, by HTTP."""

import os
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from stat import S_ISREG

from . import check, debug, stats, view
from .host import Host, Trouble

Labels = tuple[tuple[str, str], ...]


@dataclass
class Family:
    """A metric: its samples, each a suffix of the name, labels and a value."""

    name: str
    kind: str
    help: str
    samples: list[tuple[str, Labels, float]] = field(default_factory=list)


PAGE = 4096
COUNTED = (
    ("dropped", "Commands that were let go of without an answer."),
    ("residuals", "Commands answered OK with a residual."),
    ("deferred", "Commands that a work item submitted, and not the worker of the queue."),
    ("bounced", "Commands whose data went through a bounce buffer."))
RINGS = (
    ("chains", "Chains given back to the guest."),
    ("kicks", "Signals of the guest for new chains."),
    ("signals", "Signals to the guest for used chains."),
    ("spared", "Used chains that needed no signal of their own."),
    ("slow", "Times that submitting held up the worker for more than a tick."))


class Families:
    """All families, in the order in which they were first named."""

    def __init__(self) -> None:
        self.found: dict[str, Family] = {}

    def add(self, name: str, kind: str, what: str, labels: Labels, value: float, suffix: str | None = None) -> None:
        """A sample; a counter's name has no _total here."""
        family = self.found.setdefault(name, Family("vhost_scsi_" + name, kind, what))
        if suffix is None:
            suffix = {"counter": "_total", "info": "_info"}.get(kind, "")
        family.samples.append((suffix, labels, value))

    def stat(self, whose: str, labels: Labels, stat: stats.Stat) -> None:
        """The file stat of a device, a LUN or a queue."""
        for kind, number in (("read", stat.reads), ("write", stat.writes), ("other", stat.others)):
            self.add(f"{whose}_commands", "counter", "Commands that were answered.",
                     (*labels, ("kind", kind)), number)
        for direction, number in (("read", stat.read_bytes), ("write", stat.write_bytes)):
            self.add(f"{whose}_transferred_bytes", "counter", "Bytes that commands transferred.",
                     (*labels, ("kind", direction)), number)
        self.add(f"{whose}_in_flight", "gauge", "Commands taken and not answered.", labels, stat.in_flight)
        for name, what in COUNTED:
            self.add(f"{whose}_{name}", "counter", what, labels, getattr(stat, name))

    def errors(self, whose: str, labels: Labels, errors: dict[str, int]) -> None:
        """The file errors."""
        for kind, name in stats.ERRORS:
            self.add(f"{whose}_errors", "counter", "Commands answered with a response or status that is an error.",
                     (*labels, ("by", kind), ("error", name)), errors.get(stats.error_name((kind, name)), 0))

    def histogram(self, name: str, what: str, labels: Labels, histogram: debug.Histogram) -> None:
        """A histogram of nanoseconds, in seconds."""
        total = 0
        for bucket, number in enumerate(histogram.buckets):
            total += number
            end = debug.bucket_end(bucket)
            self.add(name, "histogram", what, (*labels, ("le", f"{end / 1e9:.9g}" if end else "+Inf")), total,
                     "_bucket")
        self.add(name, "histogram", what, labels, total, "_count")
        self.add(name, "histogram", what, labels, histogram.nanoseconds / 1e9, "_sum")


def _device(families: Families, now: view.Look, device: stats.Device) -> None:
    owner = now.owner(device)
    mine: Labels = (("wwpn", device.wwpn), ("device", str(device.number)))
    families.add("device", "info", "Who has the device.",
                 (*mine, ("guest", owner.name), ("pid", str(device.pid)), ("program", device.comm)), 1)
    families.add("bound_timestamp_seconds", "gauge", "When the device was bound.", mine, device.bound)
    families.add("closed_timestamp_seconds", "gauge", "When the device was closed, or 0.", mine, device.closed)
    families.stat("device", mine, device.stat)
    families.errors("device", mine, device.errors)
    for lun in device.luns:
        labels: Labels = (*mine, ("target", str(lun.target)), ("lun", str(lun.lun)),
                          ("backstore", now.backstore(device, lun.target, lun.lun)))
        families.stat("lun", labels, lun.stat)
        families.errors("lun", labels, lun.errors)
    workers = {}
    for queue in device.queues:
        labels = (*mine, ("queue", str(queue.index)))
        if queue.stat:
            families.stat("queue", labels, queue.stat)
        for name, what in RINGS:
            families.add(f"queue_{name}", "counter", what, labels, getattr(queue.ring, name))
        for result, number in (("paid", queue.ring.polls_paid), ("unpaid", queue.ring.polls_unpaid)):
            families.add("queue_polls", "counter", "Times that the queue was polled, and whether a chain came.",
                         (*labels, ("result", result)), number)
        families.add("queue_broken", "gauge", "1 if the ring is corrupt, and is not served.", labels,
                     queue.ring.broken)
        if queue.worker:
            workers[queue.worker.number] = queue.worker
    for worker in workers.values():
        families.add("worker_cpu_seconds", "counter", "Processor time of a thread that serves queues.",
                     (*mine, ("worker", str(worker.number))), worker.nanoseconds / 1e9)
    for name, functions in device.functions.items():
        for outcome, number in asdict(functions).items():
            if outcome not in ("begun", "pending"):
                families.add("functions", "counter", "Task management functions that ended.",
                             (*mine, ("function", name), ("outcome", outcome)), number)
        families.add("functions_pending", "gauge", "Task management functions that are under way.",
                     (*mine, ("function", name)), functions.pending)
    for outcome, number in (("sent", device.events.sent), ("missed", device.events.missed)):
        families.add("events", "counter", "Events for the guest.", (*mine, ("outcome", outcome)), number)
    for kind, number in (("guest", device.memory.bytes), ("pinned", device.memory.pinned_pages * PAGE),
                         ("remembered", device.memory.remembered_pages * PAGE)):
        families.add("memory_bytes", "gauge", "Guest memory, and what of it is pinned.", (*mine, ("kind", kind)),
                     number)


def families(host: Host) -> list[Family]:
    """All metrics, now."""
    found = Families()
    version = check.loaded_version(host)
    found.add("module", "info", "The module that is loaded.",
              (("version", version or ("stock" if version is not None else "none")),), 1)
    now = view.look(host, host.is_there(debug.SWITCH))
    for device in now.devices:
        _device(found, now, device)
    sums: dict[Labels, debug.Histogram] = {}
    wwpns = {device.number: device.wwpn for device in now.devices}
    for line in now.latencies:
        if line.lun is not None:
            of_lun: Labels = (("wwpn", wwpns[line.device]), ("device", str(line.device)), ("target", str(line.target)),
                              ("lun", str(line.lun)), ("stage", line.stage), ("kind", line.direction))
            sums[of_lun] = sums.get(of_lun, debug.Histogram()) + line.histogram
    for labels, histogram in sums.items():
        found.histogram("lun_latency_seconds", "Time of a stage of commands.", labels, histogram)
    return list(found.found.values())


def _value(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def exposition(found: list[Family], openmetrics: bool) -> Iterator[str]:
    """The lines of OpenMetrics 1.0, or of Prometheus's older form, which node_exporter reads.

    The older form knows no info, and has _total in the name of a counter.
    """
    for family in found:
        name, kind = family.name, family.kind
        if not openmetrics:
            name += {"counter": "_total", "info": "_info"}.get(kind, "")
            kind = "gauge" if kind == "info" else kind
        yield f"# TYPE {name} {kind}"
        yield f"# HELP {name} {family.help}"
        for suffix, labels, value in family.samples:
            pairs = ",".join(f'{key}="{_value(text)}"' for key, text in labels)
            yield f"{family.name}{suffix}{'{' + pairs + '}' if pairs else ''} {value!r}"
    if openmetrics:
        yield "# EOF"


def textfile(host: Host, name: str) -> None:
    """Write the file that node_exporter reads, as a whole or not at all."""
    text = "\n".join(exposition(families(host), False)) + "\n"
    place = Path(name)
    try:
        # A new file takes the place of what is there: of a device, a link or a pipe it must not.
        if os.path.lexists(place) and not S_ISREG(os.lstat(place).st_mode):
            raise Trouble(f"{name} cannot be written: it is there, and is no file")
        handle, new = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
        try:
            with open(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(new, 0o644)
            os.rename(new, place)
        except OSError:
            os.unlink(new)
            raise
    except OSError as fault:
        raise Trouble(f"{name} cannot be written: {fault.strerror}") from fault


def listen(root: str, where: str) -> None:
    """Answer Prometheus at ADDRESS:PORT until interrupted."""
    try:
        from prometheus_client import CollectorRegistry, start_http_server
        from prometheus_client.metrics_core import Metric
    except ImportError as fault:
        raise Trouble("--listen needs python3-prometheus-client, which is not installed:"
                      " apt-get install python3-prometheus-client") from fault
    address, _, port = where.rpartition(":")
    in_brackets = address.startswith("[") and address.endswith("]")
    if not port.isascii() or not port.isdigit() or int(port) > 65535 or not address or \
            ":" in address and not in_brackets:
        raise Trouble(f"'{where}' is no ADDRESS:PORT, such as 127.0.0.1:9818 or [::1]:9818")

    class Collector:
        """What prometheus_client asks at each scrape."""

        def collect(self) -> Iterator[Metric]:
            """All metrics, now."""
            for family in families(Host(root)):
                metric = Metric(family.name, family.help, family.kind)
                for suffix, labels, value in family.samples:
                    metric.add_sample(family.name + suffix, dict(labels), value)
                yield metric

    registry = CollectorRegistry()
    registry.register(Collector())  # type: ignore[arg-type]
    try:
        start_http_server(int(port), address.strip("[]"), registry)
    except OSError as fault:
        raise Trouble(f"cannot listen at {where}: {fault.strerror}") from fault
    threading.Event().wait()
