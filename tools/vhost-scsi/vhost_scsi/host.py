# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) 2026 vhost-lio developers
"""Files of the host below a root directory, any of which may vanish while it is read.

Nothing here writes. Tests give another root, in which a recorded tree lies.
"""

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

# No file that is read here is larger: who wrote it may be anybody.
LARGEST = 64 << 20
PIECE = 64 << 10
# What is there once, and not a moment later: a device, a process, a directory of configfs.
GONE = (errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO, errno.ESRCH, errno.EIO, errno.EINVAL,
        errno.ESTALE, errno.ELOOP, errno.EISDIR, errno.ENAMETOOLONG, errno.EAGAIN)


class Trouble(Exception):
    """A sentence for the user, with which the command ends."""


def printable(text: str) -> str:
    """What others wrote, without anything that a terminal obeys.

    Each character that is not printed becomes an escape of Python, a byte that is no
    UTF-8 becomes \\xNN. A backslash is doubled, so that two texts never become one.
    """
    if "\\" not in text and text.isprintable():
        return text
    done = []
    for char in text:
        code = ord(char)
        if char == "\\":
            done.append("\\\\")
        elif char.isprintable():
            done.append(char)
        elif 0xDC80 <= code <= 0xDCFF:  # from surrogateescape
            done.append(f"\\x{code - 0xDC00:02x}")
        else:
            done.append(char.encode("unicode_escape", "backslashreplace").decode())
    return "".join(done)


def in_order(name: str) -> list[tuple[int, str]]:
    """A key to sort names by, in which lun_10 follows lun_9."""
    return [(int(part), "") if part.isascii() and part.isdigit() else (-1, part)
            for part in re.split(r"(\d+)", name)]


def _pieces(handle: int) -> Iterator[bytes]:
    # The kernel may make room for as much as is asked for at once.
    room = LARGEST
    while room > 0:
        piece = os.read(handle, PIECE)
        if not piece:
            return
        room -= len(piece)
        yield piece


class Host:
    """The files below a root, and which of them may not be read by this user."""

    def __init__(self, root: str = "/") -> None:
        self.root = Path(root)
        self.real = self.root == Path("/")
        self.denied: set[str] = set()

    def path(self, name: str) -> Path:
        """Where a file of the host lies; its name begins with a slash."""
        return self.root / name.lstrip("/")

    def _failed(self, name: str, fault: OSError) -> None:
        if fault.errno in (errno.EACCES, errno.EPERM):
            self.denied.add(name)
        elif fault.errno not in GONE:
            raise Trouble(f"{name} cannot be read: {fault.strerror}") from fault

    def data(self, name: str) -> bytes | None:
        """What a file has; None when it is not there, or not for this user."""
        try:
            # A pipe in the place of a file would stop whoever opens it.
            handle = os.open(self.path(name), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                return b"".join(_pieces(handle))
            finally:
                os.close(handle)
        except OSError as fault:
            self._failed(name, fault)
            return None

    def text(self, name: str) -> str | None:
        """The same as text, without the end of the last line."""
        data = self.data(name)
        return None if data is None else data.decode("utf-8", "surrogateescape").rstrip("\n")

    def number(self, name: str) -> int | None:
        """The same as a number."""
        text = self.text(name)
        try:
            return None if text is None else int(text, 10)
        except ValueError:
            return None

    def names(self, name: str) -> list[str]:
        """What a directory has, in order."""
        try:
            return sorted(os.listdir(self.path(name)), key=in_order)
        except OSError as fault:
            self._failed(name, fault)
            return []

    def link(self, name: str) -> str | None:
        """Where a link leads."""
        try:
            return os.readlink(self.path(name))
        except OSError as fault:
            self._failed(name, fault)
            return None

    def stat(self, name: str) -> os.stat_result | None:
        """What the file is, if it is there."""
        try:
            return os.stat(self.path(name))
        except OSError as fault:
            self._failed(name, fault)
            return None

    def is_there(self, name: str) -> bool:
        """Whether the file is there, as far as this user may know."""
        return self.stat(name) is not None
