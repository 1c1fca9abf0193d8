# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) 2026 vhost-lio developers
"""The command line of vhost-scsi."""

import argparse
import io
import math
import os
import signal
import sys

from . import VERSION, metrics, show, stats, top, trace, view
from .debug import STAGES
from .host import Host, Trouble


def seconds(text: str) -> float:
    """A number of seconds, of which there are not too few."""
    value = float(text)
    if not 0.05 <= value <= 1e6 or not math.isfinite(value):
        raise argparse.ArgumentTypeError("from 0.05 to 1000000 seconds")
    return value


def times(text: str) -> int:
    """How many times, of which there is one at least."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("1 at least")
    return value


def parser() -> argparse.ArgumentParser:
    """All options; the man page and the completion have the same, which a test checks."""
    parsed = argparse.ArgumentParser(
        prog="vhost-scsi", description="Look into vhost-lio: which guest uses which disk, how much, how fast, and"
        " what is stuck.")
    parsed.add_argument("--version", action="version", version=f"vhost-scsi {VERSION}")
    parsed.add_argument("--root", default="/", help=argparse.SUPPRESS)
    commands = parsed.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, what: str) -> argparse.ArgumentParser:
        found = commands.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
        found.add_argument("--json", action="store_true", help="for programs")
        return found

    def with_device(found: argparse.ArgumentParser) -> None:
        found.add_argument("--device", metavar="WHICH", help="only this one: its number, its port or its guest")

    command("list", "ports, LUNs, backstores, and who is bound")

    found = command("top", "who does how much; a screen that refreshes")
    found.add_argument("-b", "--batch", action="store_true", help="lines for scripts, no screen")
    found.add_argument("-d", "--delay", type=seconds, default=2.0, metavar="SECONDS", help="between two looks (2)")
    found.add_argument("-n", "--count", type=times, default=0, metavar="COUNT",
                       help="so many times, with -b (without end)")
    found.add_argument("--by", choices=view.BY, default="device", help="a line for each of these (device)")
    found.add_argument("--sort", choices=view.SORTS, default="iops", help="what comes first (iops)")
    found.add_argument("--measure", action="store_true", help="measure latencies meanwhile, with -b; for root")

    found = command("latency", "how long commands take, as histograms; for root")
    with_device(found)
    found.add_argument("-t", "--time", type=seconds, metavar="SECONDS", help="measure for so long, from now")
    found.add_argument("--by", choices=view.BY, default="device", help="a histogram for each of these (device)")
    found.add_argument("--stage", choices=STAGES, default="total", help="which part of the time (total)")
    found.add_argument("--split", action="store_true", help="reads, writes and others apart")

    found = command("inflight", "commands that are under way, and who has them; for root")
    with_device(found)
    found.add_argument("--older", type=seconds, default=0.0, metavar="SECONDS",
                       help="only those; status 1 if there is one")

    found = command("slow", "the slowest commands since the last look; for root")
    with_device(found)

    found = command("trace", "each step of commands, as it happens; for root")
    found.add_argument("--event", action="append", default=[], metavar="NAME", help="only this event (all)")
    found.add_argument("--filter", metavar="EXPRESSION", help="of the fields of the event, as of the kernel")
    found.add_argument("-t", "--time", type=seconds, metavar="SECONDS", help="for so long (until interrupted)")
    found.add_argument("--list", action="store_true", help="the events, and their fields")

    command("check", "what is wrong with this host's set-up; status 1 if anything is")

    found = command("metrics", "the counters as OpenMetrics text, for Prometheus")
    found.add_argument("--textfile", metavar="FILE", help="write it for node_exporter's textfile collector")
    found.add_argument("--listen", metavar="ADDRESS:PORT", help="answer Prometheus by HTTP")
    return parsed


def run(options: argparse.Namespace) -> int:
    """Do what the options say; the exit status."""
    host = Host(options.root)
    name: str = options.command
    if name == "list":
        return show.show_list(host, options.json)
    if name == "check":
        return show.show_check(host, options.json)
    if name == "metrics":
        if sum((options.json, options.textfile is not None, options.listen is not None)) > 1:
            raise Trouble("metrics takes one of --json, --textfile and --listen")
        if options.listen is not None:
            metrics.listen(options.root, options.listen)
        elif options.textfile is not None:
            metrics.textfile(host, options.textfile)
        elif options.json:
            show.out_json([vars(family) for family in metrics.families(host)])
        else:
            print("\n".join(metrics.exposition(metrics.families(host), True)))
        return 0
    stats.required(host)
    if name == "top":
        if options.batch or options.json:
            top.batch(host, options.by, options.sort, options.delay, options.count, options.json, options.measure)
        else:
            top.screen(host, options.by, options.sort, options.delay)
        return 0
    if name == "latency":
        return show.show_latency(host, options.json, options.device, options.by, options.stage, options.split,
                                 options.time)
    if name == "inflight":
        return show.show_inflight(host, options.json, options.device, options.older)
    if name == "slow":
        return show.show_slow(host, options.json, options.device)
    return trace.show_trace(host, options)


def no_output() -> None:
    """Python flushes once more at the end, and must not fail at that."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def main(arguments: list[str] | None = None) -> int:
    """The command; 2 after a sentence that says what it lacks."""
    # What is shown is printable; this terminal may not know every character of it.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    # Whoever ends it by a signal wants what it has switched on to be off again, too.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    try:
        options = parser().parse_args(arguments)
        if sys.stdout is None:
            raise Trouble("there is no standard output to show anything on")
        status = run(options)
        sys.stdout.flush()
        return status
    except Trouble as trouble:
        print(f"vhost-scsi: {trouble}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Who read the output has enough of it.
        no_output()
        return 0
    except OSError as fault:
        # Files of the host are read elsewhere, where their faults are expected.
        no_output()
        print(f"vhost-scsi: the output cannot be written: {fault.strerror}", file=sys.stderr)
        return 2
