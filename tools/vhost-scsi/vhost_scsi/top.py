# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) 2026 vhost-lio developers
"""Who does how much: a screen that refreshes, or lines for scripts."""

import json
import os
import re
import select
import sys
import termios
import time
import tty
from contextlib import ExitStack
from typing import TYPE_CHECKING

from . import debug, text, view
from .host import Host, Trouble

if TYPE_CHECKING:
    from rich.table import Table

HEAD = ("dev", "guest", "what", "read/s", "write/s", "other/s", "MB/s", "p50", "p99", "flight", "err/s")
RIGHT = "r  rrrrrrrr"
KEYS = {"i": "iops", "b": "mb", "p": "p99", "f": "flight", "e": "errors", "n": "name"}
BY_KEYS = {"d": "device", "l": "lun", "u": "queue"}


def cells(row: view.Row) -> list[str]:
    """A row as text."""
    delta, seconds = row.delta, row.seconds

    def rate(number: int) -> str:
        return f"{number / seconds:.0f}" if number >= 10 * seconds or not number else f"{number / seconds:.1f}"

    def took(percent: float) -> str:
        found = row.latency.percentile(percent)
        return text.duration(found)

    return [str(row.device), row.guest, row.name(), rate(delta.reads), rate(delta.writes), rate(delta.others),
            f"{row.mb:.1f}", took(50), took(99), str(delta.in_flight), rate(delta.errors)]


def batch(host: Host, by: str, sort: str, delay: float, count: int, as_json: bool, measure: bool) -> None:
    """Lines for scripts: what happened in each of so many spans of time; without end for 0."""
    with ExitStack() as stack:
        if measure:
            debug.required(host)
            stack.enter_context(debug.measured(host))
        latencies = debug.measuring(host)
        before, done = view.look(host, latencies), 0
        while not count or done < count:
            time.sleep(delay)
            now = view.look(host, latencies)
            rows = view.in_order(view.rows(before, now, by), sort)
            if as_json:
                print(json.dumps({"time": time.time(), "seconds": now.at - before.at, "by": by,
                                  "rows": [row.as_json() for row in rows]}), flush=True)
            else:
                print(time.strftime("%H:%M:%S"))
                print(text.table(HEAD, [cells(row) for row in rows], RIGHT), flush=True)
            before, done = now, done + 1


class Screen:
    """The screen, and what its user has chosen by keys."""

    def __init__(self, host: Host, by: str, sort: str, delay: float) -> None:
        self.host, self.by, self.sort, self.delay = host, by, sort, delay
        self.measuring = debug.measuring(host)
        self.turned_on = False
        self.note = ""
        self.before = self.now = view.look(host, self.measuring)

    def refresh(self) -> None:
        """Look again; what is shown is what happened since the last look."""
        self.before, self.now = self.now, view.look(self.host, self.measuring)

    def toggle(self) -> None:
        """Measure latencies, or stop that."""
        try:
            debug.required(self.host)
            debug.measure(self.host, not self.measuring)
            self.measuring = self.turned_on = not self.measuring
            self.note = ""
        except Trouble as trouble:
            self.note = str(trouble)

    def key(self, key: str) -> bool:
        """Obey a key; False to end."""
        if key in ("q", "\x1b", "\x03"):
            return False
        self.by = BY_KEYS.get(key, self.by)
        self.sort = KEYS.get(key, self.sort)
        if key == "m":
            self.toggle()
        return True

    def table(self, lines: int) -> "Table":
        """What is shown, by rich."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        rows = view.in_order(view.rows(self.before, self.now, self.by), self.sort)
        dead = [device for device in self.now.devices if device.closed]
        title = f"vhost-scsi top, {time.strftime('%H:%M:%S')}: {len(self.now.devices)} devices"
        if dead:
            title += f", {len(dead)} of them closed and waiting for the backstore: see inflight"
        keys = (f"by: [d]evice [l]un q[u]eue ({self.by})   sort: [i]ops [b]ytes [p]99 in [f]light [e]rrors [n]ame"
                f" ({self.sort})   [m]easure latencies ({'on' if self.measuring else 'off'})   [q]uit")
        table = Table(title=Text(title, style="bold"), caption=Text(self.note or keys, style="dim"),
                      box=box.SIMPLE_HEAD, expand=True, title_justify="left", caption_justify="left")
        for number, head in enumerate(HEAD):
            table.add_column(head, justify="right" if RIGHT[number:number + 1] == "r" else "left",
                             no_wrap=True, overflow="ellipsis", ratio={"guest": 2, "what": 3}.get(head))
        for row in rows[:max(lines - 6, 1)]:
            style = "red" if row.delta.errors else "dim" if not row.commands else ""
            # As Text, and so without the markup of rich, whatever a guest is called.
            table.add_row(*(Text(cell) for cell in cells(row)), style=style)
        return table


def keys_of(data: bytes) -> list[str]:
    """What was pressed; nothing: the terminal is gone. An arrow and its like begin with an escape."""
    text = re.sub(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.)", " ", data.decode("utf-8", "replace"))
    return list(text)


def screen(host: Host, by: str, sort: str, delay: float) -> None:
    """Show it until the user has enough."""
    try:
        from rich.console import Console
        from rich.live import Live
    except ImportError as fault:
        raise Trouble("top draws with python3-rich, which is not installed: apt-get install python3-rich, or"
                      " 'vhost-scsi top -b'") from fault
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        raise Trouble("top needs a terminal; 'vhost-scsi top -b' does not")
    shown = Screen(host, by, sort, delay)
    console = Console()
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        with Live(shown.table(console.height), console=console, screen=True, auto_refresh=False) as live:
            until = time.monotonic() + min(delay, 0.5)
            while True:
                if select.select([sys.stdin], [], [], max(until - time.monotonic(), 0))[0]:
                    pressed = keys_of(os.read(sys.stdin.fileno(), 1024))
                    if not pressed or not all(shown.key(key) for key in pressed):
                        break
                if time.monotonic() >= until:
                    shown.refresh()
                    until = time.monotonic() + delay
                live.update(shown.table(console.height), refresh=True)
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        if shown.turned_on and debug.measuring(host):
            debug.measure(host, False)
