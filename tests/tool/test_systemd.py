# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) 2026 vhost-lio developers
"""The service that restores the target configuration, while guests use it."""

import subprocess
import tempfile
import unittest
from pathlib import Path

NO_GUESTS = Path(__file__).resolve().parent.parent.parent / "tools" / "systemd" / "no-guests"
PORT = "naa.5001405a00000001"


class NoGuests(unittest.TestCase):
    """tools/systemd/no-guests, on a tree of files in the place of /sys."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)
        self.devices = self.root / "class" / "misc" / "vhost-scsi" / "devices"

    def device(self, number: int, **files: str) -> None:
        """A directory as the module makes it."""
        place = self.devices / str(number)
        place.mkdir(parents=True)
        for name, text in files.items():
            (place / name).write_text(text + "\n")

    def ask(self) -> tuple[int, str]:
        """What the service is told."""
        done = subprocess.run([NO_GUESTS, self.root], capture_output=True, text=True, check=False)
        self.assertEqual(done.stderr, "")
        return done.returncode, done.stdout

    def test_none(self):
        """systemd: without the module, and with no device bound, the service does its work"""
        self.assertEqual(self.ask(), (0, ""))
        self.devices.mkdir(parents=True)
        self.assertEqual(self.ask(), (0, ""))

    def test_guest(self):
        """systemd: a guest that uses LUNs is named, and the service leaves them alone"""
        self.device(7, wwpn=PORT, pid="4711", comm="qemu-system-x86")
        self.assertEqual(self.ask(), (1, f"vhost-lio: qemu-system-x86, process 4711, uses the LUNs of {PORT}\n"))

    def test_vanishes(self):
        """systemd: a device that ends meanwhile does not hide the others"""
        self.device(7)
        self.assertEqual(self.ask(), (0, ""))
        self.device(8, wwpn=PORT, pid="1", comm="a b")
        self.assertEqual(self.ask(), (1, f"vhost-lio: a b, process 1, uses the LUNs of {PORT}\n"))
