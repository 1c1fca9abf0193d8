#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) 2026 vhost-lio developers
"""Proves: the command vhost-scsi says what guests did, to the command and the byte, who has what
is stuck and at which stage, and who holds a port after its end; and it agrees with rtslib-fb.
Arguments are parts of names of tests: run those that have one of them.
"""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOOL = HERE.parent.parent / "tools" / "vhost-scsi"
sys.dont_write_bytecode = True
sys.path.insert(0, str(TOOL))

from vhost_scsi import cli, metrics, stats  # noqa: E402
from vhost_scsi.host import Host  # noqa: E402

FACTOR = int(os.environ.get("VHOST_TEST_TIMEOUT_FACTOR") or 1)
WWN = "naa.5001405760000001"
NAME = "vm\x1b[31m,,1"
SWITCH = Path("/sys/kernel/debug/vhost_scsi/latency")


class Player:
    """A guest that does what it is told; see player.c."""

    def __init__(self, queues: int = 2) -> None:
        self.process = subprocess.Popen(["./player", WWN, str(queues), "-name", f"guest={NAME}"], cwd=HERE,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
        self.pid = self.process.pid
        self.answer()

    def answer(self) -> int:
        line = self.process.stdout.readline().split()
        if len(line) != 2 or line[0] != "ok":
            raise AssertionError(f"the player says {line}")
        return 0 if line[1] == "started" else int(line[1], 16)

    def __call__(self, line: str) -> int:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.answer()

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def lio(commands: str) -> None:
    subprocess.run(["./lioctl", commands], cwd=HERE, check=True)


def run(*arguments: str, status: int = 0) -> str:
    """The command, in this process: where starting a program is slow, Python is very slow."""
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        found = cli.main(list(arguments))
    assert found == status, f"{arguments}: status {found}, {out.getvalue()}{errors.getvalue()}"
    return out.getvalue()


def run_json(*arguments: str, status: int = 0):
    return json.loads(run(*arguments, "--json", status=status))


def same(found: object, wanted: object) -> None:
    assert found == wanted, f"wanted {wanted}, found {found}"


def within(seconds: float, condition) -> object:
    """What condition gives when it gives something true, at most so much later."""
    end = time.monotonic() + seconds * FACTOR
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds * FACTOR} s"
        time.sleep(0.02)


def rows(by: str) -> dict:
    found = run_json("top", "-b", "-n", "1", "-d", "0.05", "--by", by)["rows"]
    return {(row["target"], row["lun"], row["queue"]): row["total"] for row in found}


# ---- the tests, in this order: one guest for all of them but the last

def test_list(guest):
    """list: the port, its LUNs, and the guest by its name, which is escaped"""
    port, = [port for port in run_json("list") if port["wwpn"] == WWN]
    device, = port["devices"]
    same((device["pid"], device["guest"], device["alive"], device["closed"]), (guest.pid, r"vm\x1b[31m,1", True, 0))
    same([queue["index"] for queue in device["queues"] if queue["stat"]], [2, 3])
    group, = port["groups"]
    same([(lun["number"], lun["backstore"]["path"].partition("/")[2], lun["backstore"]["bytes"])
          for lun in group["luns"]], [(0, "vsg_ram", 64 << 20), (3, "vsg_hang", 64 << 20), (4, "vsg_sleepy", 64 << 20)])
    text = run("list")
    assert r"vm\x1b[31m,1, process" in text and "\x1b" not in text, text


def test_counts(guest):
    """top: totals of device, LUNs and queues are what the guest did"""
    for line in ("ready 0 1 0 9", "ready 1 1 3 9"):
        guest(line)
    before = {by: rows(by) for by in ("device", "lun", "queue")}
    for line in ("read 0 1 0 8 50", "write 0 1 0 16 30", "ready 0 1 0 7", "read 1 1 3 128 20", "read 1 1 0 1 3",
                 "ready 1 1 9 5"):
        guest(line)

    def did(by, key):
        after, old = rows(by)[key], before[by][key]
        return [after[name] - old[name] for name in ("reads", "read_bytes", "writes", "write_bytes", "others",
                                                     "errors", "taken")] + [after["in_flight"]]
    same(did("device", (None, None, None)), [73, 50 * 4096 + 20 * 65536 + 3 * 512, 30, 30 * 8192, 12, 5, 115, 0])
    same(did("lun", (1, 0, None)), [53, 50 * 4096 + 3 * 512, 30, 30 * 8192, 7, 0, 90, 0])
    same(did("lun", (1, 3, None)), [20, 20 * 65536, 0, 0, 0, 0, 20, 0])
    same(did("queue", (None, None, 2)), [50, 50 * 4096, 30, 30 * 8192, 7, 0, 87, 0])
    same(did("queue", (None, None, 3)), [23, 20 * 65536 + 3 * 512, 0, 0, 5, 5, 28, 0])


def test_spans(guest):
    """top: what spans of time say adds up to what was done in them"""
    with subprocess.Popen([TOOL / "vhost-scsi", "top", "--json", "-d", "0.3"], stdout=subprocess.PIPE,
                          encoding="utf-8") as top:
        try:
            json.loads(top.stdout.readline())
            guest("read 0 1 0 8 200")
            done = 0
            while done < 200:
                span = json.loads(top.stdout.readline())
                row, = span["rows"]
                assert abs(row["read_iops"] * span["seconds"] - row["delta"]["reads"]) < 0.01, row
                same(row["delta"]["read_bytes"], row["delta"]["reads"] * 4096)
                done += row["delta"]["reads"]
            same(done, 200)
        finally:
            top.kill()


def test_latency(guest):
    """latency: each command is in a histogram of each stage once; p50 is below p99 and what the guest saw"""
    SWITCH.write_text("1\n")
    began = time.monotonic_ns()
    guest("read 0 1 0 8 100")
    took = time.monotonic_ns() - began
    SWITCH.write_text("0\n")
    for stage in ("submit", "backend", "answer", "total"):
        for by in ("device", "lun", "queue"):
            found, = run_json("latency", "--stage", stage, "--by", by)
            buckets = [(bucket["less_than_ns"], bucket["count"]) for bucket in found["buckets"]]
            same((found["count"], sum(count for _, count in buckets)), (100, 100))
            # Whoever is in a bucket took as long as that says.
            assert sum(end * count for end, count in buckets if end) / 2 - 1024 * buckets[0][1] \
                <= found["nanoseconds"] < sum((end or 1 << 60) * count for end, count in buckets), found
    assert found["nanoseconds"] <= took, (found["nanoseconds"], took)
    assert 0 < found["p50_ns"] <= found["p99_ns"] <= 2 * took, found
    assert "total of 100 commands" in run("latency"), run("latency")
    guest("read 0 1 0 8 10")
    same(run_json("latency")[0]["count"], 100)


def where(tag: int) -> tuple:
    """The stage and the holder of a command, as inflight has them."""
    found = [(one["stage"], one["holder"]) for one in run_json("inflight") if one["tag"] == hex(tag)]
    return found[0] if found else ()


def test_inflight(guest):
    """inflight: within a second a command is named that the backstore has, and one that a function waits for"""
    lio("hang vsg_hang")
    try:
        tag = guest("begin 0 1 3 8")
        began = time.monotonic()
        within(1, lambda: where(tag) == ("backend", "backend"))
        one, = run_json("inflight")
        seen = time.monotonic() - began
        same((one["tag"], one["target"], one["lun"], one["queue"], one["bytes"], one["what"], one["guest"],
              one["backstore"].partition("/")[2]),
             (hex(tag), 1, 3, 2, 4096, "READ(10) lba 0 blocks 8", r"vm\x1b[31m,1", "vsg_hang"))
        assert one["microseconds"] <= (seen + 0.1) * 1e6, (one, seen)
        same(rows("device")[None, None, None]["in_flight"], 1)
        within(10, lambda: json.loads(run("inflight", "--older", "0.05", "--json", status=1)))
        guest("abort 0")
        within(1, lambda: {("backend", "function"), ("settle", "backend")} <= {
            (one["stage"], one["holder"]) for one in run_json("inflight") if one["tag"] == hex(tag)})
        assert "a task management function waits for it" in run("inflight")
    finally:
        lio("unhang vsg_hang")
    same(guest("wait"), 2)
    same(run_json("inflight"), [])
    same(rows("device")[None, None, None]["in_flight"], 0)


def test_waiting(guest):
    """inflight: within a second a command is named that waits for a slot, and one behind an ORDERED command"""
    lio("hang vsg_sleepy")
    try:
        for _ in range(4):
            tag = guest("begin 0 1 4 8")
            within(1, lambda tag=tag: where(tag) == ("backend", "backend"))
        tag = guest("begin 0 1 4 8")
        within(1, lambda: where(tag) == ("waiting", "slot"))
        guest("begin 0 1 4 8 ordered")
        tag = guest("begin 0 1 4 8")
        within(1, lambda: where(tag) == ("waiting", "order"))
        assert "waits behind an ORDERED" in run("inflight")
    finally:
        lio("unhang vsg_sleepy")
    same(guest("wait"), 7)
    same(run_json("inflight"), [])


def test_slow(guest):
    """slow: a command that hung is the slowest, once"""
    run("slow")
    lio("hang vsg_hang")
    try:
        guest("begin 1 1 3 16")
        time.sleep(0.3)
    finally:
        lio("unhang vsg_hang")
    guest("wait")
    found = run_json("slow")[0]
    same((found["what"], found["response"], found["status"], found["lun"]),
         ("READ(10) lba 0 blocks 16", "OK", "GOOD", 3))
    assert found["microseconds"] > 250000, found
    assert not [one for one in run_json("slow") if one["microseconds"] > 250000]


def test_metrics(guest):
    """metrics: the counters of sysfs, valid OpenMetrics, also for a user who is not root"""
    wanted = rows("lun")[1, 0, None]
    text = run("metrics")
    found = re.search(r'^vhost_scsi_lun_commands_total\{[^}]*target="1",lun="0"[^}]*kind="read"\} (\d+)$', text, re.M)
    same(int(found[1]), wanted["reads"])
    assert r'guest="vm\\x1b[31m,1"' in text, text
    with contextlib.suppress(ImportError):
        from prometheus_client.openmetrics.parser import text_string_to_metric_families
        assert sum(1 for _ in text_string_to_metric_families(text)) >= 20
    pid = os.fork()
    if not pid:
        status = 1
        with contextlib.suppress(BaseException):
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            mine = "\n".join(metrics.exposition(metrics.families(Host()), True))
            assert "vhost_scsi_lun_commands_total{" in mine and "latency" not in mine
            assert "vm" in run("list")
            run("inflight", status=2)
            status = 0
        os._exit(status)
    same(os.waitpid(pid, 0)[1], 0)


def test_configuration(_):
    """list: ports, LUNs and backstores are those that rtslib-fb sees"""
    try:
        sys.path.append("/usr/lib/python3/dist-packages")
        from rtslib_fb import RTSRoot
    except ImportError:
        return "rtslib-fb is not installed"
    theirs = {(target.wwn, tpg.tag, lun.lun, lun.storage_object.name, lun.storage_object.plugin, tpg.nexus)
              for target in RTSRoot().targets if target.fabric_module.name == "vhost"
              for tpg in target.tpgs for lun in tpg.luns}
    ours = {(port["wwpn"], group["tag"], lun["number"], lun["backstore"]["name"], lun["backstore"]["plugin"],
             group["nexus"]) for port in run_json("list") for group in port["groups"] for lun in group["luns"]}
    same(ours, theirs)
    return None


def test_trace(guest):
    """trace: the steps of a command, with its CDB in words; the instance is gone afterwards"""
    events = run_json("trace", "--list")
    assert events, "there are no events"
    with subprocess.Popen([TOOL / "vhost-scsi", "trace", "--json"], stdout=subprocess.PIPE, encoding="utf-8") as trace:
        place = Path("/sys/kernel/tracing/instances")
        try:
            # The directory of an instance is there before its files are.
            within(60, lambda: [one for one in place.glob("vhost-scsi.*") if not [
                name for name in ("events/vhost_scsi/enable", "tracing_on")
                if not (one / name).exists() or (one / name).read_text().strip() != "1"]])
            guest("read 0 1 0 8 1")
            seen = []
            while not seen or seen[-1]["cdb"] != "READ(10) lba 0 blocks 8":
                seen.append(json.loads(trace.stdout.readline()))
        finally:
            trace.terminate()
        trace.wait()
    same(list(place.glob("vhost-scsi.*")), [])


def test_killed(guest):
    """list, inflight, check: a port is named that stays taken after its process was killed, until the disk answers"""
    lio("hang vsg_hang")
    try:
        tag = hex(guest("begin 0 1 3 8"))
        within(10, lambda: [one for one in run_json("inflight") if one["stage"] == "backend"])
        guest.kill()
        device = within(10, lambda: [one for one in stats.devices(Host()) if one.closed])[0]
        same((device.pid, device.comm, device.stat.in_flight), (guest.pid, "player", 1))
        assert abs(device.closed - time.time()) < 60 * FACTOR, device
        same([(one["tag"], one["closed"]) for one in run_json("inflight")], [(tag, device.closed)])
        assert "the port is busy until they end" in run("list")
        assert f"{WWN} is still taken" in run("check", status=1)
    finally:
        lio("unhang vsg_hang")
    within(10, lambda: not stats.devices(Host()))
    assert "no device is bound" in run("list")


def main() -> int:
    print("TAP version 13")
    if os.geteuid():
        print("1..0 # SKIP needs root")
        return 4
    if subprocess.run(["./lioctl", "init"], cwd=HERE, stderr=subprocess.DEVNULL, check=False).returncode:
        print("1..0 # SKIP no vhost-scsi on this machine")
        return 4
    if not os.path.exists(stats.DEVICES):
        print("1..0 # SKIP this module has no counters")
        return 4
    for kind, place in (("debugfs", "/sys/kernel/debug"), ("tracefs", "/sys/kernel/tracing")):
        if not os.path.ismount(place):
            subprocess.run(["mount", "-t", kind, "none", place], check=True)
    lio(f"cleanup; ramdisk vsg_ram 64; hangable vsg_hang 64; sleepy vsg_sleepy 64;"
        f" tpg {WWN} 1 naa.5001405760000abc; lun {WWN} 1 0 vsg_ram; lun {WWN} 1 3 vsg_hang;"
        f" lun {WWN} 1 4 vsg_sleepy")
    guest, failed = Player(), 0
    tests = [value for name, value in globals().items() if name.startswith("test_")
             and (not sys.argv[1:] or any(word in name for word in sys.argv[1:]))]
    for number, test in enumerate(tests, 1):
        try:
            skip = test(guest)
            print(f"ok {number} {test.__doc__.splitlines()[0]}{f' # SKIP {skip}' if skip else ''}", flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print("".join(f"# {line}\n" for line in traceback.format_exc().splitlines()), end="")
            print(f"not ok {number} {test.__doc__.splitlines()[0]}", flush=True)
    print(f"1..{len(tests)}")
    with contextlib.suppress(OSError, ValueError):
        guest.end()
    lio("cleanup")
    return 1 if failed else 0


sys.exit(main())
