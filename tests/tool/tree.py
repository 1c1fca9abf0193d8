# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) 2026 vhost-lio developers
"""A host below a directory: files that were recorded, and files as the ABI has them."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

WWN = "naa.5001405000000001"
TARGET = "sys/kernel/config/target"
DEVICES = "sys/class/misc/vhost-scsi/devices"
DEBUG = "sys/kernel/debug/vhost_scsi"
RELEASE = "6.1.0-57-amd64"


class Tree:
    """The root of a host that a test makes."""

    def __init__(self, root: str) -> None:
        self.root = Path(root)

    def put(self, name: str, text: str | bytes = "") -> Path:
        """A file, with the directories above it."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
        return path

    def link(self, name: str, target: str) -> None:
        """A link that leads nowhere here, as those of configfs in a recorded tree."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)

    def recorded(self, name: str) -> None:
        """What tests/tool/record wrote down."""
        with open(Path(__file__).parent / "trees" / name, encoding="ascii") as file:
            for path, what in json.load(file).items():
                if isinstance(what, str):
                    self.put(path, what)
                elif what is None:
                    (self.root / path).mkdir(parents=True, exist_ok=True)
                else:
                    self.link(path, what["link"])

    # ---- what the kernel and LIO have

    def module(self, version: str | None = "0.1.0", counters: bool = True) -> None:
        """The module is loaded; None is the stock one."""
        (self.root / "sys/module/vhost_scsi").mkdir(parents=True, exist_ok=True)
        self.put("proc/sys/kernel/osrelease", RELEASE + "\n")
        self.put(f"lib/modules/{RELEASE}/updates/dkms/vhost_scsi.ko",
                 b"\x7fELF\0description=x\0version=0.1.0\0license=GPL\0")
        self.put("dev/vhost-scsi").chmod(0o600)
        self.put("dev/kvm")
        self.put("sys/module/vhost/parameters/max_mem_regions", "509\n")
        if version is not None:
            self.put("sys/module/vhost_scsi/version", version + "\n")
            if counters:
                (self.root / DEVICES).mkdir(parents=True, exist_ok=True)
                self.put(DEBUG + "/latency", "0\n")

    def backstore(self, hba: str, name: str, info: str, enable: str = "1") -> None:
        """A storage object."""
        path = f"{TARGET}/core/{hba}/{name}"
        self.put(path + "/info", info)
        self.put(path + "/enable", enable + "\n")
        self.put(path + "/udev_path", "")
        self.put(path + "/wwn/vpd_unit_serial", "T10 VPD Unit Serial Number: 0d1e2f\n")

    def group(self, wwn: str = WWN, tag: int = 1, enable: str = "1", nexus: str = "naa.3001405000000001") -> str:
        """A port group."""
        path = f"{TARGET}/vhost/{wwn}/tpgt_{tag}"
        self.put(path + "/enable", enable + "\n")
        self.put(path + "/nexus", nexus + "\n" if nexus else "")
        for name, value in (("bind_uid", "-1"), ("pin_memory", "0"), ("poll_us", "0"), ("fabric_prot_type", "0"),
                            ("target", "-1")):
            self.put(f"{path}/attrib/{name}", value + "\n")
        return path

    def lun(self, number: int, backstore: str, wwn: str = WWN, tag: int = 1) -> None:
        """A LUN of a port group."""
        self.link(f"{TARGET}/vhost/{wwn}/tpgt_{tag}/lun/lun_{number}/0123456789",
                  f"../../../../../../target/core/{backstore}")

    def process(self, pid: int, words: list[str], state: str = "S (sleeping)", locked: str = "unlimited",
                name: str = "qemu-system-x86") -> None:
        """A process."""
        self.put(f"proc/{pid}/cmdline", "\0".join(words) + "\0")
        self.put(f"proc/{pid}/status", f"Name:\t{name}\nUmask:\t0022\nState:\t{state}\nPid:\t{pid}\n")
        self.put(f"proc/{pid}/limits", "Limit                     Soft Limit           Hard Limit           Units\n"
                 f"Max locked memory         {locked:20} {locked:20} bytes\n")

    # ---- what the module has

    def device(self, number: int = 3, pid: int = 1234, wwn: str = WWN, closed: int = 0,
               stat: str = "10 40960 5 20480 1 2 8 18 0 1 0 3 0", comm: str = "qemu-system-x86") -> str:
        """A bound device with its control, event and one request queue."""
        path = f"{DEVICES}/{number}"
        for name, text in (
                ("wwpn", wwn), ("targets", "1"), ("pid", str(pid)), ("comm", comm), ("bound", "1790000000"),
                ("closed", str(closed)), ("features", "0x0000000130000002"), ("stat", stat),
                ("errors", "0 0 0 0 0 0 0 0 0 1 0 0 0 0 0 0"), ("tmf_abort_task", "2 1 0 0 0 0 0 0 1"),
                ("tmf_lun_reset", "0 0 0 0 0 0 0 0 0"), ("tmf_other", "3 0 0 3 0 0 0 0 0"), ("events", "4 1 0"),
                ("memory", "2 2147483648 0 17")):
            self.put(f"{path}/{name}", text + "\n")
        for queue in (0, 1):
            self.put(f"{path}/queues/{queue}/ring", "128 5 5 5 0 0 0 0 0\n")
            self.put(f"{path}/queues/{queue}/worker", f"0 {pid + 1} 1000000\n")
        self.queue(number, 2, stat)
        self.luns(number, 1, 0, stat)
        return path

    def queue(self, number: int, queue: int, stat: str, ring: str = "128 16 9 7 9 1 2 0 0") -> None:
        """A request queue."""
        path = f"{DEVICES}/{number}/queues/{queue}"
        self.put(path + "/ring", ring + "\n")
        self.put(path + "/worker", "0 1235 123456789\n")
        self.put(path + "/stat", stat + "\n")
        self.put(path + "/errors", "0 0 0 0 0 0 0 0 0 1 0 0 0 0 0 0\n")

    def luns(self, number: int, target: int, lun: int, stat: str) -> None:
        """A LUN that had a command."""
        path = f"{DEVICES}/{number}/luns/{target}:{lun}"
        self.put(path + "/stat", stat + "\n")
        self.put(path + "/errors", "0 0 0 0 0 0 0 0 0 1 0 0 0 0 0 0\n")

    def usual(self) -> None:
        """One port, a ramdisk and a file, one guest that has them."""
        self.module()
        self.backstore("rd_mcp_0", "ram", "Status: ACTIVATED  Max Queue Depth: 32  SectorSize: 512  HwMaxSectors:"
                       " 8192\n        TCM RamDisk ID: 0  RamDisk Makeup: rd_mcp\n"
                       "        PAGES/PAGE_SIZE: 16384*4096  SG_table_count: 64  nullio: 0 dummy: 0\n")
        self.backstore("fileio_1", "disk", "Status: ACTIVATED  Max Queue Depth: 128  SectorSize: 512\n"
                       "        TCM FILEIO ID: 0        File: /srv/disk.img  Size: 100663296  Mode: O_DSYNC\n")
        self.group()
        self.lun(0, "rd_mcp_0/ram")
        self.lun(10, "fileio_1/disk")
        self.put(f"{TARGET}/dbroot", "/etc/target\n")
        (self.root / "etc/target/pr").mkdir(parents=True)
        self.process(1234, ["qemu-system-x86_64", "-name", "guest=vm1,debug-threads=on", "-m", "2G", "-device",
                            f"vhost-scsi-pci,wwpn={WWN},num_queues=1"])
        self.device()

    def latency(self, number: int, lines: list[tuple[str, dict[int, int]]]) -> None:
        """Histograms: the first five columns, and how many each bucket has."""
        text = ""
        for head, buckets in lines:
            count = sum(buckets.values())
            text += f"{head} {count} {count * 5000} {' '.join(str(buckets.get(i, 0)) for i in range(28))}\n"
        self.put(f"{DEBUG}/latency", "1\n")
        self.put(f"{DEBUG}/{number}/latency", text)

    def remove(self, name: str) -> None:
        """Take away a file, or a directory with all that is in it."""
        path = self.root / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

    def without_each(self, below: str) -> Iterator[str]:
        """Each file and directory below, while it is away."""
        away = self.root / "away"
        for path in sorted((self.root / below).glob("**/*")):
            path.rename(away)
            yield str(path)
            away.rename(path)
