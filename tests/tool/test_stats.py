# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) 2026 vhost-lio developers
"""Counters, histograms, commands in flight, and what is made of them."""

import tempfile
import unittest

from tree import DEBUG, DEVICES, WWN, Tree
from vhost_scsi import cdb, debug, stats, text, trace, view
from vhost_scsi.host import Host


class Case(unittest.TestCase):
    """A host with one guest."""

    def setUp(self):
        self.place = tempfile.TemporaryDirectory()
        self.addCleanup(self.place.cleanup)
        self.tree = Tree(self.place.name)
        self.tree.usual()
        self.host = Host(self.place.name)


class Stats(Case):
    """The counters in sysfs."""

    def test_device(self):
        """stats: each column of each file"""
        device, = stats.devices(self.host)
        self.assertEqual(device.stat, stats.Stat(10, 40960, 5, 20480, 1, 2, 8, 18, 0, 1, 0, 3, 0))
        self.assertEqual((device.wwpn, device.targets, device.pid, device.bound), (WWN, [1], 1234, 1790000000))
        self.assertEqual(device.feature_names(), ["HOTPLUG", "INDIRECT_DESC", "EVENT_IDX", "VERSION_1"])
        self.assertEqual(device.errors["status_check_condition"], 1)
        self.assertEqual(sum(device.errors.values()), 1)
        self.assertEqual(device.functions["abort_task"], stats.Functions(2, 1, 0, 0, 0, 0, 0, 0, 1))
        self.assertEqual((device.events.missed, device.memory.bytes), (1, 2 << 30))
        self.assertEqual([(queue.index, queue.kind, queue.stat is None) for queue in device.queues],
                         [(0, "control", True), (1, "event", True), (2, "request", False)])
        self.assertEqual(device.queues[2].ring, stats.Ring(128, 16, 9, 7, 9, 1, 2, 0, 0))
        self.assertEqual(device.queues[2].worker, stats.Worker(0, 1235, 123456789))
        self.assertEqual([(lun.target, lun.lun) for lun in device.luns], [(1, 0)])

    def test_columns(self):
        """stats: columns that are new are no harm; too few, or words, are no line"""
        path = f"{DEVICES}/3/stat"
        self.tree.put(path, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15\n")
        self.assertEqual(stats.devices(self.host)[0].stat.bounced, 13)
        for junk in ("", "1 2 3\n", "a b c d e f g h i j k l m\n", "-1 2 3 4 5 6 7 8 9 10 11 12 13\n"):
            self.tree.put(path, junk)
            self.assertEqual(stats.devices(self.host), [])

    def test_empty_worker(self):
        """stats: a queue without a worker"""
        self.tree.put(f"{DEVICES}/3/queues/2/worker", "\n")
        self.assertIsNone(stats.devices(self.host)[0].queues[2].worker)

    def test_vanishes(self):
        """stats: any file of a device may be missing"""
        for _ in self.tree.without_each(DEVICES):
            look = view.look(self.host, True)
            view.rows(look, look, "lun")
            self.assertLessEqual(len(look.devices), 1)

    def test_since(self):
        """stats: what was added, and what it is now"""
        after = stats.Stat(12, 1, 5, 1, 1, 7, 9, 25)
        delta = after.since(stats.Stat(10, 0, 5, 0, 0, 6, 8, 22))
        self.assertEqual((delta.reads, delta.writes, delta.in_flight, delta.highest, delta.taken), (2, 0, 7, 9, 3))


class View(Case):
    """Rows of top."""

    def rows(self, by, sort="iops"):
        """A look, half a second later twice as much, and the rows."""
        before = view.look(self.host, True)
        self.tree.latency(3, [("2 1 0 total r", {2: 90, 7: 10})])
        for path in ("stat", "queues/2/stat", "luns/1:0/stat"):
            self.tree.put(f"{DEVICES}/3/{path}", "20 81920 10 40960 1 2 8 33 0 3 0 3 0\n")
        now = view.look(self.host, True)
        object.__setattr__(now, "at", before.at + 0.5)
        return view.in_order(view.rows(before, now, by), sort)

    def test_rates(self):
        """view: IOPS, bytes and latencies of a device, a LUN and a queue"""
        for by, name in (("device", WWN), ("lun", "1:0 rd_mcp_0/ram"), ("queue", "queue 2")):
            row, = self.rows(by)
            self.assertEqual((row.name(), row.guest, row.iops), (name, "vm1", 30.0))
            found = row.as_json()
            self.assertEqual((found["read_iops"], found["write_iops"], found["write_bytes_per_second"]),
                             (20.0, 10.0, 40960.0))
            self.assertEqual(found["delta"]["errors"], 2)
            self.assertAlmostEqual(found["p50_us"], 2.048 + 2.048 * 50 / 90)
            self.assertAlmostEqual(found["p99_us"], 65.536 + 65.536 * 0.9)
            self.setUp()

    def test_new_device(self):
        """view: a device that is new began with 0"""
        before = view.look(self.host)
        self.tree.device(4, 99)
        rows = view.rows(before, view.look(self.host), "device")
        self.assertEqual([(row.device, row.commands) for row in rows], [(3, 0), (4, 16)])

    def test_firmware(self):
        """view: a LUN of the target 0 that firmware had shows while it has commands, and no longer"""
        before = view.look(self.host)
        idle, busy = "3 1536 0 0 2 0 1 5 0 0 0 0 0", "3 1536 0 0 2 1 1 6 0 0 0 0 0"
        for stat, wanted in ((idle, [(0, 0), (1, 0)]), (idle, [(1, 0)]), (busy, [(0, 0), (1, 0)])):
            self.tree.luns(3, 0, 0, stat)
            now = view.look(self.host)
            self.assertEqual([(row.target, row.lun) for row in view.in_order(view.rows(before, now, "lun"), "name")],
                             wanted)
            before = now

    def test_sorts(self):
        """view: each order has its own first"""
        before = view.look(self.host)
        self.tree.device(4, 99, stat="100 10 5 10 1 2 8 18 0 0 0 3 0")
        self.tree.device(5, 99, stat="1 100000 5 10 1 2 8 18 0 0 0 3 0")
        self.tree.device(6, 99, stat="1 1 5 10 1 200 8 18 0 0 0 3 0")
        self.tree.device(7, 99, stat="1 1 5 10 1 2 8 18 0 50 0 3 0")
        now = view.look(self.host)
        first = {sort: view.in_order(view.rows(before, now, "device"), sort)[0].device for sort in view.SORTS}
        self.assertEqual(first, {"iops": 4, "mb": 5, "p99": 3, "flight": 6, "errors": 7, "name": 3})

    def test_owner(self):
        """view: a device whose process has ended has its name of then, whoever has the number now"""
        self.tree.device(3, closed=1790000100)
        now = view.look(self.host)
        self.assertEqual((now.owner(now.devices[0]).name, now.owner(now.devices[0]).alive), ("qemu-system-x86", False))
        self.tree.device(3, pid=4321)
        self.assertFalse(view.look(self.host).owner(now.devices[0]).alive)


class Debug(Case):
    """Histograms and commands in debugfs."""

    def test_percentile(self):
        """debug: a percentile lies in the bucket of its command, and is none of nothing"""
        for took in (1, 1023, 1024, 2047, 2048, 5000, 10 ** 6, 1 << 35, 1 << 36, 1 << 40):
            bucket = 0 if took < 1024 else min(took.bit_length() - 10, 27)
            buckets = [0] * 28
            buckets[bucket] = 7
            found = debug.Histogram(7, 7 * took, tuple(buckets)).percentile(99)
            if bucket == 27:
                self.assertEqual(found, 1 << 36)
            else:
                self.assertLess(found, debug.bucket_end(bucket))
                self.assertLessEqual(debug.bucket_end(bucket - 1) if bucket else 0, found)
                self.assertLess(took, debug.bucket_end(bucket))
        self.assertIsNone(debug.Histogram().percentile(50))

    def test_since(self):
        """debug: what a histogram gained; after a restart of the measurement, all of it"""
        one = debug.Histogram(2, 10, (2,) + (0,) * 27)
        two = debug.Histogram(3, 15, (2, 1) + (0,) * 26)
        self.assertEqual(two.since(one), debug.Histogram(1, 5, (0, 1) + (0,) * 26))
        self.assertEqual(one.since(two), one)

    def test_latency(self):
        """debug: the lines of latency; what is no line is left out"""
        self.tree.latency(3, [("2 1 0 total r", {0: 1, 27: 2}), ("2 - - total n", {3: 1})])
        path = self.tree.root / DEBUG / "3/latency"
        path.write_text(path.read_text() + "junk\n2 1 0 total r 1 2 " + "x " * 28 + "\n2 1\n")
        read, other = debug.latencies(self.host, 3)
        self.assertEqual((read.target, read.lun, read.direction, read.histogram.count), (1, 0, "read", 3))
        self.assertEqual((other.target, other.lun, other.direction), (None, None, "other"))
        self.assertTrue(debug.measuring(self.host))

    def test_inflight(self):
        """debug: commands and functions under way, the oldest first, and who has them"""
        self.tree.put(f"{DEBUG}/3/inflight",
                      "1500 2 0x1f 1 0 r 4096 S backend backend 28000000000800000800\n"
                      "2500000 0 0x1f 1 0 n 0 - settle backend ABORT_TASK\n"
                      "x 2 0x1f 1 0 r 4096 S backend backend 28\nshort\n"
                      "7 2 0x20 1 0 w 512 O waiting order 8a00000000000000000000000001000\x1b0\n")
        function, read, hostile = debug.pending(self.host, 3)
        self.assertEqual((function.what, function.says()),
                         ("ABORT TASK", "commands that it ends are not answered yet"))
        self.assertEqual((read.what, read.bytes, read.says()),
                         ("READ(10) lba 8 blocks 8", 4096, "the backstore has it"))
        self.assertIn(r"\x1b", hostile.what)

    def test_stages(self):
        """debug: each stage and holder of the ABI has words"""
        for stage, holder in (("taken", "worker"), ("waiting", "order"), ("waiting", "slot"), ("waiting", "turn"),
                              ("backend", "backend"), ("backend", "function"), ("fence", "function"),
                              ("answer", "worker"), ("fetch", "worker"), ("issue", "backend"),
                              ("settle", "backend")):
            self.assertIn((stage, holder), debug.HOLDERS)

    def test_slow(self):
        """debug: the slowest, with their answers"""
        self.tree.put(f"{DEBUG}/3/slow", "9000 2 0x1 1 0 w 512 S 0 2 2a000000000100000100\n"
                      "8000 2 0x2 1 0 r 512 S 2 0 28000000000100000100\n7000 2 0x2 1 0 r 512 S 77 99 28\n")
        self.assertEqual([(slow.response, slow.status) for slow in debug.slowest(self.host, 3)],
                         [("OK", "CHECK CONDITION"), ("ABORTED", "GOOD"), ("77", "0x63")])

    def test_measured(self):
        """debug: latencies are measured for a while, and the switch is left as it was"""
        for was in (False, True):
            debug.measure(self.host, was)
            with debug.measured(self.host):
                self.assertTrue((self.tree.root / DEBUG / "latency").read_text().startswith("1"))
            self.assertEqual((self.tree.root / DEBUG / "latency").read_text()[0], str(int(was)))


class Words(unittest.TestCase):
    """CDBs, numbers, tables and lines of traces."""

    def test_cdb(self):
        """cdb: the forms of commands, and bytes that are none"""
        for digits, words in (
                ("28000000000800000800", "READ(10) lba 8 blocks 8"),
                ("0a0fffff0000", "WRITE(6) lba 1048575 blocks 256"),
                ("8a000000000100000000000000100000", "WRITE(16) lba 4294967296 blocks 16"),
                ("890000000000000000070000000001000", "89000000000000000007000000000100 0".replace(" ", "")),
                ("89000000000000000007000000010000", "COMPARE AND WRITE lba 7 blocks 1"),
                ("9e10", "READ CAPACITY(16)"), ("5f05", "PERSISTENT RESERVE OUT: PREEMPT AND ABORT"),
                ("7f000000000000180009000000000000000000200000000000000000" + "00000010", "READ(32) lba 32 blocks 16"),
                ("ff", "operation code 0xff"), ("28", "READ(10)"), ("", "-"), ("LUN_RESET", "LUN RESET"),
                ("zz\x1b", r"zz\x1b")):
            self.assertEqual(cdb.decode(digits), words)

    def test_text(self):
        """text: sizes, times, bars and tables"""
        self.assertEqual([text.size(n) for n in (None, 0, 999, 1000, 64 << 20, 10 << 40)],
                         ["-", "0 B", "999 B", "0.977 KiB", "64 MiB", "10 TiB"])
        self.assertEqual([text.duration(n) for n in (None, 0, 999, 1500, 123456789, 2.5e9)],
                         ["-", "0 ns", "999 ns", "1.5 us", "123 ms", "2.5 s"])
        self.assertEqual([text.bar(0.5, 4, False)] + [text.bar(part, 2, True) for part in (0.001, 1, 0)],
                         ["##", "▏", "██", ""])
        self.assertEqual(text.table(("a", "b"), [("xx", "1")], " r"), "a   b\nxx  1")
        self.assertEqual(text.date(1 << 70), str(1 << 70))

    def test_trace(self):
        """trace: a line of the kernel, one of a hostile task, and what is no event"""
        event = trace.decode("     vhost-1234-1240    [001] d..1.   123.456789: vhost_scsi_submit: dev=3 vq=2 tag=0x1f"
                             " lun=0 why=(an order) cmnd=(READ_10 lba=8 txlen=8 raw=28 00 00 00 00 08 00 00 08 00)")
        self.assertEqual((event.task, event.pid, event.cpu, event.at, event.event),
                         ("vhost-1234", 1240, 1, 123.456789, "submit"))
        self.assertEqual((event.fields["dev"], event.fields["why"], event.cdb),
                         ("3", "(an order)", "READ(10) lba 8 blocks 8"))
        self.assertEqual(trace.decode(" \x1b[2J-7 [000] 1.5: vhost_scsi_x: ").task, r"\x1b[2J")
        self.assertIsNone(trace.decode("CPU:1 [LOST 12 EVENTS]"))
        self.assertIsNone(trace.decode(""))
