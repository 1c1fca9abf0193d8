# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) 2026 vhost-lio developers
"""The command as a process: what it prints, how it ends, and that its documents say so."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

from tree import DEBUG, DEVICES, TARGET, WWN, Tree
from vhost_scsi import cli, metrics
from vhost_scsi.host import Host

TOOL = Path(__file__).resolve().parent.parent.parent / "tools" / "vhost-scsi"
HOSTILE = 'a"b\\c\n\x1b[2J\u202e[red]'


def options():
    """All subcommands, and the options of each."""
    found = {}
    for action in cli.parser()._actions:
        if hasattr(action, "choices") and isinstance(action.choices, dict):
            for name, sub in action.choices.items():
                found[name] = [word for one in sub._actions for word in one.option_strings
                               if word not in ("-h", "--help")]
    return found


class Case(unittest.TestCase):
    """A host with one guest, whose name is hostile."""

    def setUp(self):
        self.place = tempfile.TemporaryDirectory()
        self.addCleanup(self.place.cleanup)
        self.tree = Tree(self.place.name)
        self.tree.usual()
        self.host = Host(self.place.name)

    def run_it(self, *arguments, status=0, env=None):
        """Run it; its standard output and errors."""
        done = subprocess.run([sys.executable, TOOL / "vhost-scsi", "--root", self.place.name, *arguments],
                              capture_output=True, encoding="utf-8", timeout=60, check=False,
                              env={**os.environ, "PYTHONUTF8": "1", **(env or {})})
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        return done.stdout, done.stderr


class Command(Case):
    """Each subcommand."""

    def test_list(self):
        """command: list says who has what"""
        out, _ = self.run_it("list")
        for words in (WWN, "device 3: vm1, process 1234 (qemu-system-x86)", "2 (128)", "threads: 1235",
                      "HOTPLUG INDIRECT_DESC EVENT_IDX VERSION_1", "LUN 0: rd_mcp_0/ram  64 MiB", "/srv/disk.img"):
            self.assertIn(words, out)
        self.assertNotIn("target=", out)  # as usual
        port, = json.loads(self.run_it("list", "--json")[0])
        self.assertEqual((port["devices"][0]["guest"], port["groups"][0]["luns"][1]["backstore"]["bytes"]),
                         ("vm1", 96 << 20))

    def test_top(self):
        """command: top -b counts, and --json has the counters"""
        out, _ = self.run_it("top", "-b", "-n", "2", "-d", "0.05", "--by", "lun")
        self.assertEqual(out.count("1:0 rd_mcp_0/ram"), 2)
        out, _ = self.run_it("top", "--json", "-n", "1", "-d", "0.05")
        row, = json.loads(out)["rows"]
        self.assertEqual((row["total"]["reads"], row["delta"]["reads"], row["in_flight"], row["p50_us"]),
                         (10, 0, 2, None))

    def test_top_measures(self):
        """command: top --measure leaves the switch as it was"""
        self.run_it("top", "-b", "-n", "1", "-d", "0.05", "--measure")
        self.assertEqual((self.tree.root / DEBUG / "latency").read_text()[0], "0")

    def test_no_terminal(self):
        """command: top without a terminal says so in a sentence"""
        _, err = self.run_it("top", status=2)
        self.assertRegex(err, r"^vhost-scsi: top needs a terminal[^\n]*\n$")

    def test_latency(self):
        """command: latency draws, and --json has the buckets"""
        self.tree.latency(3, [("2 1 0 total r", {2: 90, 5: 10}), ("2 1 0 total w", {3: 1}),
                              ("2 1 0 submit r", {0: 7})])
        out, _ = self.run_it("latency", "--by", "lun")
        self.assertIn("LUN 1:0 rd_mcp_0/ram: total of 101 commands", out)
        self.assertRegex(out, r"< 4\.1 us +90  █{48}\n")
        found = json.loads(self.run_it("latency", "--json", "--split", "--by", "queue")[0])
        self.assertEqual([(one["direction"], one["count"], one["queue"]) for one in found],
                         [("read", 100, 2), ("write", 1, 2)])
        self.assertEqual(found[0]["buckets"][2], {"less_than_ns": 4096, "count": 90})
        self.assertIn("nothing was measured", self.run_it("latency", "--stage", "answer")[0])
        self.assertIn("nothing was measured", self.run_it("latency", "-t", "0.05")[0])

    def test_unknown(self):
        """command: a device that is not there is no device on which nothing happens"""
        for name in ("latency", "inflight", "slow"):
            _, err = self.run_it(name, "--device", "vm2\x1b", status=2)
            self.assertEqual(err, "vhost-scsi: no device is called vm2\\x1b; 'vhost-scsi list' names them\n")
            for known in ("3", WWN, "vm1"):
                self.run_it(name, "--device", known)

    def test_inflight(self):
        """command: inflight names what is stuck, whose port it holds, and has a status for it"""
        self.assertIn("nothing is in flight", self.run_it("inflight")[0])
        self.tree.put(f"{DEBUG}/3/inflight", "2500000 2 0x1f 1 0 r 4096 S backend backend 28000000000800000800\n")
        self.tree.put(f"{DEVICES}/3/closed", "1790000100\n")
        out, _ = self.run_it("inflight", "--older", "2", status=1)
        for words in (f"{WWN} (device 3): process 1234 (qemu-system-x86) closed it", "2.5 s", "READ(10) lba 8 blocks 8",
                      "rd_mcp_0/ram", "the backstore has it"):
            self.assertIn(words, out)
        head, line = out.splitlines()[-2:]
        for word, number in (("queue", " 2 "), ("bytes", " 4096 ")):  # numbers end where their heads do
            self.assertEqual(line.index(number) + len(number) - 1, head.index(word) + len(word))
        self.assertIn("nothing is in flight for 3 s", self.run_it("inflight", "--older", "3")[0])
        found, = json.loads(self.run_it("inflight", "--json")[0])
        self.assertEqual((found["microseconds"], found["stage"], found["closed"]), (2500000, "backend", 1790000100))

    def test_slow(self):
        """command: slow shows the answers"""
        self.assertIn("nothing was slow", self.run_it("slow")[0])
        self.tree.put(f"{DEBUG}/3/slow", "9000 2 0x1 1 0 w 512 S 0 2 2a000000000100000100\n"
                      "8000 2 0x2 1 0 r 512 S 2 0 28000000000100000100\n")
        out, _ = self.run_it("slow")
        head, line = out.splitlines()[:2]
        self.assertEqual(line.index(" 512 ") + 4, head.index("bytes") + 5)
        self.assertRegex(out, r"9 ms .*WRITE\(10\) lba 1 blocks 1 +CHECK CONDITION\n")
        self.assertRegex(out, r"8 ms .*ABORTED\n")
        self.assertEqual(json.loads(self.run_it("slow", "--json")[0])[1]["response"], "ABORTED")

    def test_trace(self):
        """command: trace names the events, refuses one that is not there"""
        events = "sys/kernel/tracing/events/vhost_scsi"
        self.tree.put(f"{events}/vhost_scsi_submit/format", "name: vhost_scsi_submit\nformat:\n"
                      "\tfield:unsigned short common_type;\toffset:0;\n\tfield:u32 dev;\toffset:8;\n"
                      "\tfield:u8 cdb[32];\toffset:12;\n")
        self.tree.put(f"{events}/enable", "0\n")
        self.assertEqual(self.run_it("trace", "--list")[0], "submit: dev cdb\n")
        self.assertIn("there is no event nothing", self.run_it("trace", "--event", "nothing", status=2)[1])

    def test_check(self):
        """command: check has a status, and its findings as JSON"""
        self.assertIn("-> ", self.run_it("check", status=1)[0])
        found = json.loads(self.run_it("check", "--json", status=1)[0])
        self.assertEqual([one["state"] for one in found if one["topic"] == "module"], ["ok"])

    def test_pipe(self):
        """command: a reader that has enough is no error"""
        line = f"{TOOL}/vhost-scsi --root {self.place.name} metrics | head -n 1; echo ${{PIPESTATUS[0]}}"
        done = subprocess.run(line, shell=True, executable="/bin/bash", capture_output=True, encoding="utf-8",
                              check=True)
        self.assertEqual((done.stderr, done.stdout.splitlines()[-1]), ("", "0"))

    def test_output(self):
        """command: output that cannot be written is said in one sentence"""
        for where, words in ((">/dev/full", "the output cannot be written: No space left on device"),
                             (">&-", "there is no standard output to show anything on"), (">&- 2>&-", None)):
            for name in ("list", "metrics", "top -b -n 1 -d 0.05", "inflight --json"):
                done = subprocess.run(f"{TOOL}/vhost-scsi --root {self.place.name} {name} {where}", shell=True,
                                      stderr=subprocess.PIPE, encoding="utf-8", check=False)
                self.assertEqual((done.returncode, done.stderr), (2, f"vhost-scsi: {words}\n" if words else ""), name)

    def test_count(self):
        """command: top is not asked to show less than once"""
        for count in ("0", "-1", "x"):
            self.assertIn("-n/--count", self.run_it("top", "-b", "-n", count, status=2)[1])

    def test_interrupt(self):
        """command: ended by a signal, it says nothing and leaves the switch as it was"""
        switch = self.tree.root / DEBUG / "latency"
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

        def as_in_a_terminal() -> None:
            """Whoever runs the tests may ignore them, as nohup does, and what it starts goes on to."""
            for number in numbers:
                signal.signal(number, signal.SIG_DFL)

        for number in numbers:
            running = subprocess.Popen([sys.executable, TOOL / "vhost-scsi", "--root", self.place.name, "latency",
                                        "-t", "60"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                                       preexec_fn=as_in_a_terminal)
            for _ in range(3000):
                if switch.read_text().startswith("1"):
                    break
                time.sleep(0.02)
            running.send_signal(number)
            self.assertEqual((running.communicate(timeout=60), running.returncode), (("", ""), 130))
            self.assertEqual(switch.read_text()[0], "0")


class Lacks(Case):
    """What is missing is said in one sentence."""

    def sentence(self, words, *arguments, env=None):
        """The only line of errors has these words."""
        _, err = self.run_it(*arguments, status=2, env=env)
        self.assertRegex(err, r"^vhost-scsi: [^\n]+\n$")
        self.assertIn(words, err)

    def test_module(self):
        """lacks: no module, the stock one, one without counters"""
        self.tree.remove(DEVICES)
        for name in ("top", "latency", "inflight", "slow", "trace"):
            self.sentence("older than its counters", name)
        self.tree.remove("sys/module/vhost_scsi/version")
        self.sentence("the stock vhost_scsi is loaded, which counts nothing", "top", "-b")
        self.assertIn("the stock module is loaded", self.run_it("list")[1])
        self.assertIn('version="stock"', self.run_it("metrics")[0])
        self.tree.remove("sys/module/vhost_scsi")
        self.sentence("not loaded: modprobe vhost_scsi", "inflight")

    def test_debugfs(self):
        """lacks: no debugfs, or one without this module"""
        self.tree.remove(DEBUG)
        self.sentence("debugfs is not there: mount", "inflight")
        self.tree.put("sys/kernel/debug/block/x")
        self.sentence("has nothing in debugfs", "slow")
        self.sentence("tracefs is not there: mount", "trace")

    def test_root(self):
        """lacks: a user who is not root"""
        if os.geteuid():
            self.skipTest("needs root to become another user")
        os.chmod(self.place.name, 0o755)
        os.chmod(self.tree.root / "sys/kernel/debug", 0o700)

        def as_nobody():
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)

        def run(*arguments):
            return subprocess.run([sys.executable, "-c", "import sys; sys.argv[0] = 'vhost-scsi'; "
                                   "from vhost_scsi.cli import main; sys.exit(main())",
                                   "--root", self.place.name, *arguments], capture_output=True, encoding="utf-8",
                                  cwd="/", env={"PYTHONPATH": copy, "PATH": os.environ["PATH"]}, check=False,
                                  preexec_fn=as_nobody)
        with tempfile.TemporaryDirectory() as copy:
            os.chmod(copy, 0o755)
            subprocess.run(["cp", "-r", TOOL / "vhost_scsi", copy], check=True)
            done = run("inflight")
            self.assertEqual((done.returncode, done.stderr),
                             (2, "vhost-scsi: this is in debugfs, which is for root only: run it as root\n"))
            done = run("list")
            self.assertIn("vm1", done.stdout)
            done = run("metrics")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("vhost_scsi_lun_commands_total", done.stdout)

    def test_libraries(self):
        """lacks: a library"""
        none = tempfile.TemporaryDirectory()
        self.addCleanup(none.cleanup)
        for name in ("rich", "prometheus_client"):
            Path(none.name, name + ".py").write_text("raise ImportError\n")
        self.sentence("python3-rich, which is not installed", "top", env={"PYTHONPATH": none.name})
        self.sentence("python3-prometheus-client, which is not installed", "metrics", "--listen", "127.0.0.1:0",
                      env={"PYTHONPATH": none.name})
        for name in ("list", "check", "metrics"):
            self.run_it(name, env={"PYTHONPATH": none.name}, status=int(name == "check"))

    def test_address(self):
        """lacks: an address and a port to listen at"""
        for where in ("9818", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:99999", ":"):
            self.sentence("is no ADDRESS:PORT", "metrics", "--listen", where)


class Metrics(Case):
    """The text for Prometheus, as its own parsers read it."""

    def setUp(self):
        super().setUp()
        self.tree.process(1234, ["qemu", "-name", f"guest={HOSTILE}"])
        self.tree.latency(3, [("2 1 0 total r", {2: 90, 27: 10}), ("3 1 0 total r", {2: 10})])
        self.families = metrics.families(self.host)

    def parsed(self, openmetrics):
        """What a parser of prometheus_client makes of the text."""
        try:
            from prometheus_client import openmetrics as module, parser
            from prometheus_client.openmetrics import parser as strict
        except ImportError:
            self.skipTest("python3-prometheus-client is not installed")
        self.assertTrue(module)
        text = "\n".join(metrics.exposition(self.families, openmetrics)) + "\n"
        read = strict.text_string_to_metric_families if openmetrics else parser.text_string_to_metric_families
        return {family.name: family for family in read(text)}

    def test_forms(self):
        """metrics: both forms are valid, and have the same samples and types"""
        for openmetrics in (True, False):
            found = self.parsed(openmetrics)
            samples = {(one.name, tuple(sorted(one.labels.items()))): one.value
                       for family in found.values() for one in family.samples}
            mine = (("device", "3"), ("wwpn", WWN))
            self.assertEqual(samples["vhost_scsi_device_commands_total", (*mine[:1], ("kind", "read"), mine[1])], 10)
            self.assertEqual(found["vhost_scsi_device_commands"].type, "counter")
            self.assertEqual(found["vhost_scsi_lun_latency_seconds"].type, "histogram")
            info = next(key for key in samples if key[0] == "vhost_scsi_device_info")
            self.assertEqual(dict(info[1])["guest"], r'a"b\\c\n\x1b[2J\u202e[red]')
        self.assertTrue(all(line.isprintable() for line in metrics.exposition(self.families, True)))

    def test_histogram(self):
        """metrics: buckets of a histogram are cumulative, in seconds, and end with all"""
        found = self.parsed(True)["vhost_scsi_lun_latency_seconds"]
        buckets = [(one.labels["le"], one.value) for one in found.samples if one.name.endswith("_bucket")]
        self.assertEqual((len(buckets), buckets[2], buckets[-1]), (28, ("4.096e-06", 100.0), ("+Inf", 110.0)))

    def test_unique(self):
        """metrics: no sample twice, with several devices, LUNs and queues"""
        self.tree.device(4, 99)
        self.tree.luns(4, 1, 10, "1 2 3 4 5 6 7 8 9 10 11 12 13")
        self.tree.queue(4, 3, "1 2 3 4 5 6 7 8 9 10 11 12 13")
        lines = [line.rpartition(" ")[0] for line in metrics.exposition(metrics.families(self.host), True)
                 if not line.startswith("#")]
        self.assertEqual(len(lines), len(set(lines)))
        self.assertTrue(any('device="4"' in line and 'backstore="fileio_1/disk"' in line for line in lines))

    def test_textfile(self):
        """metrics: the file for node_exporter is there as a whole, and readable"""
        path = self.tree.root / "out.prom"
        self.run_it("metrics", "--textfile", str(path))
        self.assertEqual(path.stat().st_mode & 0o777, 0o644)
        self.assertIn("# TYPE vhost_scsi_device_commands_total counter\n", path.read_text())
        self.assertEqual([name for name in os.listdir(path.parent) if "prom" in name], ["out.prom"])
        _, err = self.run_it("metrics", "--textfile", "/nonexistent/x.prom", status=2)
        self.assertRegex(err, r"^vhost-scsi: /nonexistent/x\.prom cannot be written: [^\n]*\n$")
        # Nor does it take the place of what is no file.
        link, pipe = path.parent / "link", path.parent / "pipe"
        link.symlink_to(path)
        os.mkfifo(pipe)
        for name in (link, pipe, path.parent, ""):
            before = os.path.lexists(name) and os.lstat(name).st_mode
            _, err = self.run_it("metrics", "--textfile", str(name), status=2)
            self.assertRegex(err, r"^vhost-scsi: [^\n]* cannot be written: [^\n]*\n$")
            self.assertEqual(os.path.lexists(name) and os.lstat(name).st_mode, before)

    def test_one_way(self):
        """metrics: what asks for two outputs, or for no address, is told so"""
        path = self.tree.root / "out.prom"
        for two in (("--json", "--textfile", str(path)), ("--textfile", str(path), "--listen", "127.0.0.1:1"),
                    ("--json", "--listen", "127.0.0.1:1")):
            self.assertEqual(self.run_it("metrics", *two, status=2)[1],
                             "vhost-scsi: metrics takes one of --json, --textfile and --listen\n")
        self.assertFalse(path.exists())

    def test_listen(self):
        """metrics: --listen answers as Prometheus asks, each time anew"""
        try:
            import prometheus_client
        except ImportError:
            self.skipTest("python3-prometheus-client is not installed")
        import socket
        self.assertTrue(prometheus_client)
        for where in ("::1", "9818", "127.0.0.1:", "127.0.0.1:65536"):
            self.assertIn(f"'{where}' is no ADDRESS:PORT", self.run_it("metrics", "--listen", where, status=2)[1])
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        running = subprocess.Popen([sys.executable, TOOL / "vhost-scsi", "--root", self.place.name, "metrics",
                                    "--listen", f"127.0.0.1:{port}"], stderr=subprocess.PIPE)
        try:
            for wanted in ("10.0", "77.0"):
                text = ""
                for _ in range(600):
                    try:
                        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                            text = answer.read().decode()
                        break
                    except OSError:
                        self.assertIsNone(running.poll())
                        time.sleep(0.1)
                self.assertRegex(text, r'vhost_scsi_device_commands_total\{[^}]*kind="read"[^}]*\} ' + wanted)
                self.tree.put(f"{DEVICES}/3/stat", "77 40960 5 20480 1 2 8 85 0 1 0 3 0\n")
        finally:
            running.kill()
            running.communicate()


class Screen(Case):
    """top's screen, in a terminal of the test's own."""

    def test_screen(self):
        """top: the screen shows a hostile guest without obeying it, keys change it, q ends it"""
        try:
            import rich
        except ImportError:
            self.skipTest("python3-rich is not installed")
        import pty
        import select
        self.assertTrue(rich)
        self.tree.process(1234, ["qemu", "-name", f"guest={HOSTILE}"])
        pid, handle = pty.fork()
        if not pid:
            os.environ.update(TERM="xterm", COLUMNS="150", LINES="30", PYTHONUTF8="1")
            os.execv(sys.executable, [sys.executable, str(TOOL / "vhost-scsi"), "--root", self.place.name, "top", "-d",
                                      "0.2"])
        seen = ""

        def until(words):
            nonlocal seen
            end = time.monotonic() + 60
            while words not in seen:
                self.assertLess(time.monotonic(), end, seen[-2000:])
                if select.select([handle], [], [], 0.2)[0]:
                    seen += os.read(handle, 1 << 16).decode("utf-8", "replace")
        until(r'a"b\\c\n\x1b')
        os.write(handle, b"l")
        until("1:0 rd_mcp_0/ram")
        os.write(handle, b"\x1b[A\x1bOP")  # an arrow and a function key, which mean nothing
        os.write(handle, b"fm")
        until("(flight)")
        until("latencies (on)")
        os.write(handle, b"qq")
        _, status = os.waitpid(pid, 0)
        os.close(handle)
        self.assertEqual(status, 0)
        self.assertNotIn("\u202e", seen)
        self.assertEqual((self.tree.root / DEBUG / "latency").read_text()[0], "0")


class Documents(unittest.TestCase):
    """The man page and the completion have what the command has."""

    def test_man(self):
        """documents: each subcommand and each option is in the man page, and no other"""
        page = (TOOL / "vhost-scsi.8").read_text().replace("\\-", "-")
        known = {word for words in options().values() for word in words} | {"--version", "--help", "-h"}
        for name, words in options().items():
            section = re.search(rf"^\.SS {name}\b.*?(?=^\.S[SH])", page, re.M | re.S)
            self.assertIsNotNone(section, name)
            for word in words:
                if word != "--json":
                    self.assertIn(word, section[0], name)
        for word in set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", page)):
            self.assertIn(word, known | {"-lio", "-c"}, "the man page has an option that is not there")

    def test_completion(self):
        """documents: bash completes each subcommand and each option"""
        script = TOOL / "vhost-scsi.bash"

        def complete(*words):
            done = subprocess.run(["bash", "-c", 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
                                   '_vhost_scsi; printf "%s\\n" "${COMPREPLY[@]}"', "bash", script, *words],
                                  capture_output=True, encoding="utf-8", check=True)
            return set(done.stdout.split())
        self.assertEqual(complete("vhost-scsi", ""), set(options()) | {"--help", "--version"})
        self.assertEqual(complete("vhost-scsi", "in"), {"inflight"})
        for name, words in options().items():
            self.assertEqual(complete("vhost-scsi", name, "-"), set(words) | {"--help", "-h"})
        self.assertEqual(complete("vhost-scsi", "top", "--by", ""), {"device", "lun", "queue"})

    def test_version(self):
        """documents: one version"""
        wanted = re.search(r"^VHOST_LIO_VERSION := (\S+)$", (TOOL.parent.parent / "Kbuild").read_text(), re.M)[1]
        done = subprocess.run([sys.executable, TOOL / "vhost-scsi", "--version"], capture_output=True, encoding="utf-8",
                              check=True)
        self.assertEqual(done.stdout, f"vhost-scsi {wanted}\n")

    def test_examples(self):
        """documents: dashboard and rules name metrics, labels and values of labels that are there"""
        with tempfile.TemporaryDirectory() as place:
            tree = Tree(place)
            tree.usual()
            tree.latency(3, [("2 1 0 total r", {2: 90})])
            known = {}
            for family in metrics.families(Host(place)):
                for suffix, labels, _ in family.samples:
                    known.setdefault(family.name + suffix, []).append({"instance": None, **dict(labels)})
        known["node_textfile_mtime_seconds"] = [{"instance": None, "file": "/x/vhost-scsi.prom"}]
        dashboard = json.loads((TOOL / "examples/dashboard.json").read_text())
        texts = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
        texts += [one["definition"] for one in dashboard["templating"]["list"] if "definition" in one]
        rules = (TOOL / "examples/alerts.yml").read_text()
        texts += [re.sub(r"\s+", " ", one)
                  for one in re.findall(r"expr: (?:>-)?(.*?)(?=\n +(?:for|labels):)", rules, re.S)]
        self.assertEqual(len(texts), 22)
        for text in texts:
            used = set(re.findall(r"\b(?:vhost_scsi|node)_\w+", text))
            self.assertTrue(used, text)
            self.assertLessEqual(used, set(known), text)
            for name, selector in re.findall(r"(\w+)\{([^}]*)\}", text):
                for label, how, value in re.findall(r'(\w+)(=~|=|!~|!=)"([^"]*)"', selector):
                    self.assertIn(label, known[name][0], text)
                    if how in ("=", "=~") and "$" not in value and value != "stock":
                        self.assertTrue([one for one in known[name] if re.fullmatch(value, one[label])], text)
            for names in re.findall(r"\b(?:by|on|group_left) \(([^)]*)\)", text):
                for label in names.split(", "):
                    self.assertTrue([name for name in used if label in known[name][0]], f"{label} in {text}")

    def test_target(self):
        """documents: nothing here writes to configfs"""
        for path in (TOOL / "vhost_scsi").glob("*.py"):
            text = path.read_text()
            if path.name not in ("debug.py", "trace.py", "metrics.py", "cli.py"):
                self.assertNotRegex(text, r"O_WRONLY|O_RDWR|write_text|\"w\"", path.name)
        self.assertTrue(TARGET)
