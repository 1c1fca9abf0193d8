# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) 2026 vhost-lio developers
"""Files that vanish, and what others may have written into them."""

import os
import tempfile
import unittest
from unittest import mock

from tree import Tree
from vhost_scsi import guests
from vhost_scsi.host import Host, Trouble, in_order, printable


class Printable(unittest.TestCase):
    """Nothing that a terminal obeys is left."""

    def test_escapes(self):
        """host: control characters, bytes that are no UTF-8, and directions of writing are escaped"""
        for hostile, wanted in (
                ("\x1b[2J\x1b]0;x\x07", r"\x1b[2J\x1b]0;x\x07"), ("a\nb\tc\r", r"a\nb\tc\r"),
                (b"\xff\x80".decode("utf-8", "surrogateescape"), r"\xff\x80"), ("\x9b31m", r"\x9b31m"),
                ("\u202egnp", r"\u202egnp"), ("\\x1b", r"\\x1b"), ("\u200b", r"\u200b"), ("größe 大", "größe 大"),
                ("\ud800", r"\ud800"), ("\U000e0001", r"\U000e0001")):
            self.assertEqual(printable(hostile), wanted)
            self.assertTrue(printable(hostile).isprintable())

    def test_two_never_one(self):
        """host: a name with a backslash is not taken for an escaped one"""
        self.assertNotEqual(printable("\n"), printable("\\n"))

    def test_order(self):
        """host: lun_10 comes after lun_9"""
        self.assertEqual(sorted(["lun_10", "lun_9", "lun_", "9"], key=in_order), ["9", "lun_", "lun_9", "lun_10"])


class Files(unittest.TestCase):
    """What is not there is None; what may not be read is remembered."""

    def setUp(self):
        self.place = tempfile.TemporaryDirectory()
        self.addCleanup(self.place.cleanup)
        self.tree = Tree(self.place.name)
        self.host = Host(self.place.name)

    def test_absent(self):
        """host: a file, a directory and a link that are not there"""
        self.assertIsNone(self.host.text("/no/file"))
        self.assertEqual(self.host.names("/no"), [])
        self.assertIsNone(self.host.link("/no"))
        self.assertIsNone(self.host.number("/no"))
        self.tree.put("number", "12x\n")
        self.assertIsNone(self.host.number("/number"))

    def test_vanishes(self):
        """host: a device that goes away between open and read"""
        self.tree.put("file", "x")
        for fault in ("ENODEV", "ENOENT", "ESRCH", "EIO"):
            import errno
            with mock.patch("os.read", side_effect=OSError(getattr(errno, fault), "gone")):
                self.assertIsNone(self.host.text("/file"))
        self.assertEqual(self.host.denied, set())

    def test_denied(self):
        """host: what this user may not read is said, and is no end"""
        self.tree.put("file", "x")
        with mock.patch("os.open", side_effect=PermissionError(13, "no")):
            self.assertIsNone(self.host.text("/file"))
        self.assertEqual(self.host.denied, {"/file"})

    def test_trouble(self):
        """host: a fault that is none of these ends with a sentence"""
        self.tree.put("file", "x")
        with mock.patch("os.open", side_effect=OSError(24, "Too many open files")):
            self.assertRaisesRegex(Trouble, "^/file cannot be read: Too many open files$", self.host.text, "/file")

    def test_pipe(self):
        """host: a pipe in the place of a file stops nobody"""
        os.mkfifo(self.tree.root / "pipe")
        self.assertEqual(self.host.text("/pipe"), "")

    def test_large(self):
        """host: a file without end is read to a limit"""
        with mock.patch("vhost_scsi.host.LARGEST", 100000), mock.patch("vhost_scsi.host.PIECE", 4096):
            found = self.host.data("/../" * 20 + "dev/zero")
        self.assertGreaterEqual(len(found or b""), 100000)
        self.assertLess(len(found or b""), 104097)


class Guests(unittest.TestCase):
    """Names and sizes from QEMU's command line."""

    def setUp(self):
        self.place = tempfile.TemporaryDirectory()
        self.addCleanup(self.place.cleanup)
        self.tree = Tree(self.place.name)
        self.host = Host(self.place.name)

    def test_name(self):
        """guests: -name in each of its forms"""
        for words, name in (
                (["-name", "vm1"], "vm1"), (["-name", "guest=vm1,debug-threads=on"], "vm1"),
                (["-name", "vm1,process=x"], "vm1"), (["-name", "debug-threads=on,guest=a,,b=c"], "a,b=c"),
                (["--name", "guest=vm1"], "vm1"), (["-name"], None), (["-m", "1"], None),
                (["-name", "debug-threads=on"], None), (["-name", ""], "")):
            self.assertEqual(guests.guest_name(["qemu", *words]) or None, name or None)

    def test_hostile_name(self):
        """guests: a hostile name is escaped and cut, a process without one has its program's"""
        self.tree.process(7, ["qemu", "-name", "guest=\x1b[31mroot" + "x" * 999])
        self.tree.process(8, ["tool"], name="a\x1bb")
        found = guests.process(self.host, 7)
        self.assertEqual(found.name, r"\x1b[31mroot" + "x" * 52)
        self.assertTrue(found.alive)
        self.assertEqual(guests.process(self.host, 8).name, r"a\x1bb")

    def test_ended(self):
        """guests: a zombie and a process that is not there have ended"""
        self.tree.process(7, [], state="Z (zombie)")
        self.assertFalse(guests.process(self.host, 7).alive)
        self.assertFalse(guests.process(self.host, 8).alive)

    def test_memory(self):
        """guests: -m in each of its forms"""
        for text, size in (("512", 512 << 20), ("2G", 2 << 30), ("size=4096M,slots=2,maxmem=8G", 4096 << 20),
                           ("1.5G", None), ("9" * 99, None)):
            self.assertEqual(guests.memory(["qemu", "-m", text]), size)

    def test_users(self):
        """guests: who has a port in the command line"""
        self.tree.process(7, ["qemu", "-device", "vhost-scsi-pci,wwpn=naa.5,num_queues=1"])
        self.tree.process(8, ["qemu", "-device", "vhost-scsi-pci,wwpn=naa.55"])
        self.tree.process(9, ["qemu", "-device", '{"driver":"vhost-scsi-pci","wwpn":"naa.5"}'])
        self.tree.process(10, ["qemu", "-device", '{"vhost-scsi', '{"driver":"vhost-scsi-pci","wwpn":["naa.5"]}'])
        self.tree.put("proc/self/cmdline", "vhost-scsi,wwpn=naa.5")
        self.assertEqual(guests.users_of(self.host, "naa.5"), [7, 9])
