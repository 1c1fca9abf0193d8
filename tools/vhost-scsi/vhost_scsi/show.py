# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) 2026 vhost-lio developers
"""The subcommands that show once: list, inflight, slow, latency, check."""

import json
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict

from . import check, debug, stats, text, view
from .host import Host, Trouble, printable

USUAL = {"bind_uid": "-1", "pin_memory": "0", "poll_us": "0", "fabric_prot_type": "0", "target": "-1"}


def out_json(what: object) -> None:
    """One document."""
    print(json.dumps(what, indent=1))


def said(host: Host) -> None:
    """Name what this user may not read."""
    if host.denied:
        print(f"vhost-scsi: not for this user, and so not shown: {', '.join(sorted(host.denied)[:3])}"
              f"{' and others' if len(host.denied) > 3 else ''}", file=sys.stderr)


def _holder(now: view.Look, device: stats.Device) -> str:
    owner = now.owner(device)
    if device.closed:
        return (f"process {device.pid} ({device.comm}) closed it {text.date(device.closed)}: the backstore still"
                f" has {device.stat.in_flight} commands, and the port is busy until they end")
    if not owner.alive:
        return f"process {device.pid} ({device.comm}) has ended; another one may have its file"
    return f"{owner.name}, process {device.pid} ({owner.program}), since {text.date(device.bound)}"


def list_text(now: view.Look) -> str:
    """Ports, and who is bound to them."""
    lines = []
    for port in now.ports:
        lines.append(port.wwpn)
        devices = [device for device in now.devices if port.is_called(device.wwpn)]
        for device in devices:
            lines.append(f"  device {device.number}: {_holder(now, device)}")
            requests = [queue for queue in device.queues if queue.kind == "request"]
            sizes = ", ".join(f"{queue.index} ({queue.ring.size})" for queue in requests)
            threads = sorted({queue.worker.tid for queue in requests if queue.worker})
            lines.append(f"    request queues (entries): {sizes or 'none'}; threads:"
                         f" {', '.join(map(str, threads)) or 'none'}")
            lines.append(f"    features: {' '.join(device.feature_names())}")
            broken = [str(queue.index) for queue in device.queues if queue.ring.broken]
            if broken:
                lines.append(f"    BROKEN, not served until the guest resets the device: queue {', '.join(broken)}")
        if not devices:
            lines.append("  no device is bound")
        for group in port.groups:
            special = [f"{name}={value}" for name, value in group.attributes.items() if USUAL.get(name) != value]
            lines.append(f"  tpgt_{group.tag}: nexus {group.nexus or '(none)'}"
                         f"{'' if group.enabled else ', DISABLED'}{''.join(', ' + word for word in special)}")
            for lun in group.luns:
                store = lun.backstore
                lines.append(f"    LUN {lun.number}: " + (
                    "nothing is linked" if store is None else
                    f"{store.path}  {text.size(store.bytes)}  {store.behind or '-'}"
                    f"{'' if store.enabled else '  NOT ENABLED'}"))
            if group.mapped is not None:
                pairs = ", ".join(f"{guest} is LUN {lun}" for guest, lun in sorted(group.mapped.items()))
                lines.append(f"    by its ACL the guest sees only: {pairs or 'nothing'}")
    return "\n".join(lines) or "no ports"


def list_json(now: view.Look) -> list[dict[str, object]]:
    """The same for programs."""
    found = []
    for port in now.ports:
        entry = asdict(port)
        entry["devices"] = []
        for device in now.devices:
            if port.is_called(device.wwpn):
                owner = now.owner(device)
                entry["devices"].append(asdict(device) | {
                    "guest": owner.name, "program": owner.program, "alive": owner.alive,
                    "feature_names": device.feature_names()})
        found.append(entry)
    return found


def show_list(host: Host, as_json: bool) -> int:
    """list"""
    now = view.look(host)
    if as_json:
        out_json(list_json(now))
    else:
        print(list_text(now))
        if not host.is_there(stats.DEVICES):
            print("vhost-scsi: who is bound is not known: " + _why_not(host), file=sys.stderr)
        said(host)
    return 0


def _why_not(host: Host) -> str:
    loaded = check.loaded_version(host)
    if loaded is None:
        return "the module is not loaded"
    return "this vhost-lio is older than its counters" if loaded else "the stock module is loaded"


def _chosen(now: view.Look, device: str | None) -> list[stats.Device]:
    """All devices, or those of a number, a port or a guest, of which there is one."""
    chosen = [found for found in now.devices
              if device in (None, str(found.number), found.wwpn, now.owner(found).name)]
    if device is not None and not chosen:
        raise Trouble(f"no device is called {printable(device)}; 'vhost-scsi list' names them")
    return chosen


def _closed(now: view.Look, devices: Iterable[stats.Device]) -> list[str]:
    return [f"{device.wwpn} (device {device.number}): {_holder(now, device)}" for device in devices if device.closed]


def show_inflight(host: Host, as_json: bool, device: str | None, older: float) -> int:
    """inflight; status 1 when older is given and a command is."""
    stats.required(host)
    debug.required(host)
    now = view.look(host)
    chosen = _chosen(now, device)
    found = [(one, command) for one in chosen for command in debug.pending(host, one.number)
             if command.microseconds >= older * 1e6]
    found.sort(key=lambda pair: -pair[1].microseconds)
    if as_json:
        out_json([asdict(command) | {
            "wwpn": one.wwpn, "guest": now.owner(one).name, "pid": one.pid, "closed": one.closed,
            "backstore": now.backstore(one, command.target, command.lun), "says": command.says()}
            for one, command in found])
    else:
        for line in _closed(now, chosen):
            print(line)
        print(text.table(
            ("age", "dev", "guest", "queue", "tag", "LUN", "backstore", "bytes", "what", "where it is"),
            [(text.duration(command.microseconds * 1000), str(one.number), now.owner(one).name, str(command.queue),
              command.tag, f"{command.target}:{command.lun}", now.backstore(one, command.target, command.lun),
              str(command.bytes), command.what, command.says()) for one, command in found], "rr r   r")
            if found else "nothing is in flight" if not older else f"nothing is in flight for {older:g} s")
    return 1 if older and found else 0


def show_slow(host: Host, as_json: bool, device: str | None) -> int:
    """slow: takes what it shows"""
    stats.required(host)
    debug.required(host)
    now = view.look(host)
    found = [(one, slow) for one in _chosen(now, device) for slow in debug.slowest(host, one.number)]
    found.sort(key=lambda pair: -pair[1].command.microseconds)
    if as_json:
        out_json([asdict(slow.command) | {
            "wwpn": one.wwpn, "guest": now.owner(one).name, "response": slow.response, "status": slow.status,
            "backstore": now.backstore(one, slow.command.target, slow.command.lun)} for one, slow in found])
    elif not found:
        print("nothing was slow since the last look")
    else:
        print(text.table(
            ("took", "dev", "guest", "queue", "LUN", "backstore", "bytes", "what", "answer"),
            [(text.duration(slow.command.microseconds * 1000), str(one.number), now.owner(one).name,
              str(slow.command.queue), f"{slow.command.target}:{slow.command.lun}",
              now.backstore(one, slow.command.target, slow.command.lun), str(slow.command.bytes), slow.command.what,
              slow.status if slow.response == "OK" else slow.response) for one, slow in found], "rr r  r"))
    return 0


Where = tuple[int, int | None, int | None, int | None]


def histograms(lines: list[debug.Latency], by: str, stage: str, split: bool) -> \
        dict[tuple[Where, str], debug.Histogram]:
    """The sums by device, LUN or queue; split by direction or not."""
    found: dict[tuple[Where, str], debug.Histogram] = {}
    for line in lines:
        if line.stage != stage or by == "lun" and line.lun is None:
            continue
        where: Where = (line.device, line.target if by == "lun" else None, line.lun if by == "lun" else None,
                        line.queue if by == "queue" else None)
        key = (where, line.direction if split else "all")
        found[key] = found.get(key, debug.Histogram()) + line.histogram
    return found


def _drawn(histogram: debug.Histogram) -> list[str]:
    filled = [bucket for bucket, number in enumerate(histogram.buckets) if number]
    most, blocks = max(histogram.buckets), (sys.stdout.encoding or "").lower().startswith("utf")
    lines = []
    for bucket in range(filled[0], filled[-1] + 1) if filled else ():
        number, end = histogram.buckets[bucket], debug.bucket_end(bucket)
        label = f"< {text.duration(end)}" if end else f">= {text.duration(1 << debug.BUCKETS + 8)}"
        lines.append(f"  {label:>10} {number:>9}  {text.bar(number / most, 48, blocks)}".rstrip())
    return lines


def show_latency(host: Host, as_json: bool, device: str | None, by: str, stage: str, split: bool,
                 seconds: float | None) -> int:
    """latency: what was measured so far, or in so many seconds from now"""
    stats.required(host)
    debug.required(host)
    if seconds is None:
        now = view.look(host, True)
        lines = now.latencies
    else:
        _chosen(view.look(host), device)
        with debug.measured(host):
            before = {_line_key(line): line.histogram for line in view.look(host, True).latencies}
            time.sleep(seconds)
            now = view.look(host, True)
        lines = [debug.Latency(*_line_key(line), line.histogram.since(before.get(_line_key(line), debug.Histogram())))
                 for line in now.latencies]
    devices = {one.number: one for one in _chosen(now, device)}
    found = {key: histogram for key, histogram in histograms(lines, by, stage, split).items()
             if key[0][0] in devices and histogram.count}
    if as_json:
        out_json([
            {"device": where[0], "wwpn": devices[where[0]].wwpn, "guest": now.owner(devices[where[0]]).name,
             "target": where[1], "lun": where[2], "queue": where[3], "stage": stage, "direction": direction,
             "count": histogram.count, "nanoseconds": histogram.nanoseconds,
             "p50_ns": histogram.percentile(50), "p99_ns": histogram.percentile(99),
             "buckets": [{"less_than_ns": debug.bucket_end(i), "count": number}
                         for i, number in enumerate(histogram.buckets)]}
            for (where, direction), histogram in sorted(found.items(), key=str)])
        return 0
    for (where, direction), histogram in sorted(found.items(), key=str):
        one = devices[where[0]]
        name = f"device {one.number} ({now.owner(one).name}, {one.wwpn})"
        if where[2] is not None and where[1] is not None:
            name += f", LUN {where[1]}:{where[2]} {now.backstore(one, where[1], where[2])}"
        if where[3] is not None:
            name += f", queue {where[3]}"
        what = "commands" if direction == "all" else {"read": "reads", "write": "writes"}.get(direction, "others")
        print(f"{name}: {stage} of {histogram.count} {what}, mean"
              f" {text.duration(histogram.nanoseconds / histogram.count)}, p50"
              f" {text.duration(histogram.percentile(50))}, p99 {text.duration(histogram.percentile(99))}")
        print("\n".join(_drawn(histogram)))
    if not found:
        print("nothing was measured" + ("" if seconds is not None or debug.measuring(host) else
                                        ": 'vhost-scsi latency -t 10' measures for 10 seconds"))
    return 0


def _line_key(line: debug.Latency) -> tuple[int, int, int | None, int | None, str, str]:
    return line.device, line.queue, line.target, line.lun, line.stage, line.direction


def show_check(host: Host, as_json: bool) -> int:
    """check; status 1 when anything is wrong"""
    found = check.findings(host)
    if as_json:
        out_json([asdict(finding) for finding in found])
    else:
        for finding in found:
            print(f"{finding.state:8} {finding.topic}: {finding.what}")
            if finding.remedy:
                print(f"{'':8}   -> {finding.remedy}")
        said(host)
    return 1 if any(finding.state in (check.WARNING, check.FAULT) for finding in found) else 0
