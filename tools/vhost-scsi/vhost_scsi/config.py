# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) 2026 vhost-lio developers
"""The configuration of the target, as configfs shows it.

rtslib-fb is not used to look: it loads modules, sets the dbroot, and gives a nexus to each
port group that it meets without one. The test in the virtual machine compares what is read
here with what rtslib-fb says.
"""

import os
import re
import stat
from dataclasses import dataclass

from .host import Host, printable

TARGET = "/sys/kernel/config/target"
VHOST = TARGET + "/vhost"
PLUGINS = {"iblock": "block", "fileio": "fileio", "rd_mcp": "ramdisk", "pscsi": "pscsi", "user": "user"}


@dataclass(frozen=True)
class Backstore:
    """A storage object: its path below core, and what lies behind it."""

    path: str
    plugin: str
    name: str
    enabled: bool
    behind: str
    bytes: int | None
    serial: str


@dataclass(frozen=True)
class Lun:
    """A LUN of a port group; backstore is None when nothing is linked."""

    number: int
    backstore: Backstore | None


@dataclass(frozen=True)
class Group:
    """A port group (tpgt_N), and the number of the target that its guest sees."""

    tag: int
    target: int
    enabled: bool
    nexus: str | None
    attributes: dict[str, str]
    acls: list[str]
    luns: list[Lun]
    # By an ACL of the nexus: LUN that the guest sees to LUN of the group. Without one, all.
    mapped: dict[int, int] | None = None

    def lun_of(self, number: int) -> Lun | None:
        """The LUN that the guest calls so."""
        if self.mapped is not None:
            if number not in self.mapped:
                return None
            number = self.mapped[number]
        return next((lun for lun in self.luns if lun.number == number), None)


@dataclass(frozen=True)
class Port:
    """A port, by the name that QEMU is given as wwpn."""

    wwpn: str
    groups: list[Group]

    def is_called(self, name: str) -> bool:
        """Whether VHOST_SCSI_SET_ENDPOINT finds it by this name."""
        return self.wwpn == name or self.wwpn == "fc." + name

    def backstore_of(self, target: int, lun: int) -> Backstore | None:
        """What a guest of this port reads and writes there."""
        for group in self.groups:
            found = group.lun_of(lun) if group.target == target else None
            if found:
                return found.backstore
        return None


def _device_size(host: Host, major: int, minor: int) -> int | None:
    sectors = host.number(f"/sys/dev/block/{major}:{minor}/size")
    return None if sectors is None else sectors * 512


def _backstore(host: Host, hba: str, name: str) -> Backstore:
    path = f"{TARGET}/core/{hba}/{name}"
    info = host.text(path + "/info") or ""
    kind = re.sub(r"_\d+$", "", hba)
    behind = (host.text(path + "/udev_path") or "").strip()
    # Names may have blanks; LIO puts two behind each.
    match = re.search(r"\b(?:File|UDEV PATH): (.*?)  (?:Size|readonly):", info)
    if not behind and match:
        behind = match.group(1)
    size = re.search(r"\bSize: (\d+)\b", info)  # fileio
    length = int(size.group(1)) if size else None
    pages = re.search(r"\bPAGES/PAGE_SIZE: (\d+)\*(\d+)", info)  # rd_mcp
    if pages:
        length = int(pages.group(1)) * int(pages.group(2))
    device = re.search(r"\bMajor: (\d+) Minor: (\d+)", info)  # iblock
    if device:
        length = _device_size(host, int(device.group(1)), int(device.group(2)))
    node = host.stat(behind) if size and not length else None
    if node and stat.S_ISBLK(node.st_mode):  # of which fileio has no size
        length = _device_size(host, os.major(node.st_rdev), os.minor(node.st_rdev))
    serial = (host.text(path + "/wwn/vpd_unit_serial") or "").rpartition(": ")[2]
    return Backstore(printable(f"{hba}/{name}"), PLUGINS.get(kind, printable(kind)), printable(name),
                     host.text(path + "/enable") == "1", printable(behind), length, printable(serial))


def backstores(host: Host) -> list[Backstore]:
    """Every storage object of LIO, of this and of other fabrics."""
    return [_backstore(host, hba, name) for hba in host.names(TARGET + "/core")
            if re.search(r"_\d+$", hba)
            for name in host.names(f"{TARGET}/core/{hba}") if host.is_there(f"{TARGET}/core/{hba}/{name}/info")]


def _lun(host: Host, path: str, number: int) -> Lun:
    for name in host.names(path):
        link = _link(host, f"{path}/{name}")
        if link:
            return Lun(number, _backstore(host, *link))
    return Lun(number, None)


def _link(host: Host, path: str) -> tuple[str, str] | None:
    if not host.path(path).is_symlink():
        return None
    parts = (host.link(path) or "").rsplit("/", 2)
    return (parts[-2], parts[-1]) if len(parts) >= 2 else None


def _numbers(names: list[str], prefix: str) -> list[int]:
    return [int(name[len(prefix):]) for name in names
            if name.startswith(prefix) and name[len(prefix):].isascii() and name[len(prefix):].isdigit()]


def _mapped(host: Host, path: str, nexus: str | None) -> dict[int, int] | None:
    if not nexus or "/" in nexus or not host.path(f"{path}/acls/{nexus}").is_dir():
        return None
    found = {}
    for number in _numbers(host.names(f"{path}/acls/{nexus}"), "lun_"):
        place = f"{path}/acls/{nexus}/lun_{number}"
        for name in host.names(place):
            link = _link(host, f"{place}/{name}")
            for lun in _numbers([link[1]] if link else [], "lun_"):
                found[number] = lun
    return found


def _group(host: Host, path: str, tag: int) -> Group:
    attributes = {}
    for name in host.names(path + "/attrib"):
        value = host.text(f"{path}/attrib/{name}")
        if value is not None:
            attributes[name] = printable(value)
    nexus = host.text(path + "/nexus")
    # -1, or of a module that has no such attribute: as the port group.
    target = attributes.get("target", "-1")
    luns = [_lun(host, f"{path}/lun/lun_{number}", number)
            for number in _numbers(host.names(path + "/lun"), "lun_")]
    return Group(tag, int(target) if target.isascii() and target.isdigit() else tag,
                 host.text(path + "/enable") != "0", printable(nexus) if nexus else None, attributes,
                 [printable(name) for name in host.names(path + "/acls")], luns, _mapped(host, path, nexus))


def ports(host: Host) -> list[Port]:
    """Every vhost port of this host."""
    found = []
    for name in host.names(VHOST):
        path = f"{VHOST}/{name}"
        if name == "discovery_auth" or not host.path(path).is_dir():
            continue
        tags = _numbers(host.names(path), "tpgt_")
        found.append(Port(printable(name), [_group(host, f"{path}/tpgt_{tag}", tag) for tag in tags]))
    return found
