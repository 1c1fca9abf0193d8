# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) 2026 vhost-lio developers
"""How the long runs of this tree show where they are (progress of tools/vm/lib.sh)."""

import os
import pty
import re
import subprocess
import unittest
from pathlib import Path

LIB = Path(__file__).resolve().parent.parent.parent / "tools/vm/lib.sh"
SCRIPT = f"""
. {LIB}
unset EPOCHSECONDS # which is then a variable as others
EPOCHSECONDS=1000
progress 0 4 begins
EPOCHSECONDS=1060
progress 1 4 first
progress_clear
echo between
EPOCHSECONDS=4845
progress 4 4 last
"""


class Progress(unittest.TestCase):
    """progress DONE ALL WHAT."""

    def test_file(self):
        """progress: a line for each step, with the time that it took and will take"""
        done = subprocess.run(["bash", "-c", SCRIPT], capture_output=True, encoding="utf-8", check=True)
        self.assertEqual(done.stderr, "# 0 of 4 done after 0:00:00: begins\n"
                         "# 1 of 4 done after 0:01:00, about 0:03:00 left: first\n"
                         "# 4 of 4 done after 1:04:05: last\n")
        self.assertEqual(done.stdout, "between\n")

    def test_terminal(self):
        """progress: a terminal has one line, which is rewritten and makes room"""
        mine, theirs = pty.openpty()
        running = subprocess.Popen(["bash", "-c", SCRIPT], stdout=theirs, stderr=theirs)
        os.close(theirs)
        seen = b""
        try:
            while True:
                seen += os.read(mine, 4096)
        except OSError:  # it has ended
            os.close(mine)
        self.assertEqual(running.wait(), 0)
        lines = [re.sub(r".*\r\x1b\[K", "", line) for line in seen.decode().replace("\r\n", "\n").split("\n")[:-1]]
        self.assertEqual(lines, ["between", "# 4 of 4 done after 1:04:05: last"])
