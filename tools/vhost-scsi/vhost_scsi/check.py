# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) 2026 vhost-lio developers
"""What is wrong with the set-up of this host, and what to do about it."""

import json
import lzma
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import config, guests, stats
from .host import Host, printable

OK, NOTE, WARNING, FAULT, UNKNOWN = "ok", "note", "warning", "fault", "unknown"
SAVED = "/etc/rtslib-fb-target/saveconfig.json"
WANTED = ("/etc/systemd/system/multi-user.target.wants/rtslib-fb-targetctl.service",
          "/etc/systemd/system/multi-user.target.wants/target.service",
          "/etc/rc2.d/S01rtslib-fb-targetctl")
SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
# QEMU takes so many where vhost.ko does not say another number.
QEMU_REGIONS = 64
# Names that the kernel gives in the order in which it finds disks.
UNSTABLE = re.compile(r"/dev/(sd[a-z]+|vd[a-z]+|nvme\d+n\d+|dm-|loop|rbd|zd|nbd)[0-9p]*")
DOCUMENTS = "/usr/share/doc/vhost-lio-dkms/Documentation"


@dataclass(frozen=True)
class Finding:
    """One line: topic, how bad it is, what was found, and the remedy if there is one."""

    topic: str
    state: str
    what: str
    remedy: str = ""


def module_file(host: Host) -> str | None:
    """The file that modprobe would load; depmod prefers updates/ to kernel/."""
    release = host.text("/proc/sys/kernel/osrelease") or ""
    base = f"/lib/modules/{release}"
    for place in ("updates/dkms", "updates", "kernel/drivers/vhost"):
        for end in ("", ".xz", ".zst", ".gz"):
            name = f"{base}/{place}/vhost_scsi.ko{end}"
            if release and host.is_there(name):
                return name
    return None


def file_version(host: Host, name: str) -> str | None:
    """The version in a module's file; None when there is none or the file is packed otherwise."""
    data = host.data(name) or b""
    if name.endswith(".xz"):
        try:
            data = lzma.decompress(data)
        except lzma.LZMAError:
            return None
    match = re.search(rb"\0version=([!-~]{1,40})\0", data)
    return match.group(1).decode() if match else None


def loaded_version(host: Host) -> str | None:
    """What the loaded module says of itself; '' for the stock module, None for no module."""
    if not host.is_there("/sys/module/vhost_scsi"):
        return None
    return printable(host.text("/sys/module/vhost_scsi/version") or "")


def secure_boot(host: Host) -> str | None:
    """Why this kernel loads signed modules only."""
    data = host.data(SECURE_BOOT)
    if data and len(data) >= 5 and data[4] == 1:
        return "Secure Boot is on"
    if (host.text("/sys/module/module/parameters/sig_enforce") or "") in ("Y", "1"):
        return "module.sig_enforce is on"
    lockdown = re.search(r"\[(integrity|confidentiality)\]", host.text("/sys/kernel/security/lockdown") or "")
    return f"the kernel is locked down ({lockdown.group(1)})" if lockdown else None


def check_module(host: Host) -> Iterator[Finding]:
    """Which module is loaded, and which one would be."""
    loaded, file = loaded_version(host), module_file(host)
    wanted = file_version(host, file) if file and "/updates/" in file else None
    if loaded is None and not file:
        yield Finding("module", FAULT, "vhost_scsi is not loaded, and there is none for this kernel",
                      "install linux-headers-amd64 and vhost-lio-dkms")
    elif loaded is None:
        yield Finding("module", NOTE, f"vhost_scsi is not loaded; modprobe would load {file}",
                      "modprobe vhost_scsi")
    elif not loaded:
        yield Finding("module", FAULT, "the stock vhost_scsi is loaded: it has no counters, and the faults"
                      " that README.md lists",
                      f"stop the guests and reload it: {DOCUMENTS}/questions.rst" if wanted else
                      "install linux-headers-amd64 and vhost-lio-dkms, then reload it")
    elif wanted and wanted != loaded:
        yield Finding("module", WARNING, f"version {loaded} is loaded, and {wanted} is installed",
                      f"stop the guests and reload it: {DOCUMENTS}/install.rst")
    else:
        yield Finding("module", OK, f"vhost-lio {loaded} is loaded")
    if file and "/updates/" not in file and [n for n in host.names("/usr/src") if n.startswith("vhost-lio-")]:
        yield Finding("dkms", WARNING, "the package is there, but has no module for this kernel",
                      "install this kernel's headers, then: dkms autoinstall; dkms status says what failed")


def check_signature(host: Host) -> Iterator[Finding]:
    """Whether the kernel would refuse the module."""
    reason = secure_boot(host)
    if reason is None:
        yield Finding("secure boot", OK, "the kernel takes modules that nobody signed")
    elif loaded_version(host):
        yield Finding("secure boot", OK, f"{reason}, and the module was taken")
    else:
        yield Finding("secure boot", WARNING, f"{reason}: DKMS's key has to be enrolled",
                      "mokutil --import /var/lib/dkms/mok.pub, then reboot and choose Enroll MOK")


def check_kvm(host: Host) -> Iterator[Finding]:
    """Whether guests have hardware virtualization."""
    if host.is_there("/dev/kvm"):
        yield Finding("kvm", OK, "/dev/kvm is there")
    else:
        yield Finding("kvm", WARNING, "/dev/kvm is not there: QEMU would emulate the processor",
                      "modprobe kvm_intel or kvm_amd; if that fails, enable virtualization in the firmware")


def check_device(host: Host) -> Iterator[Finding]:
    """Who may open the device, and so bind ports."""
    node = host.stat("/dev/vhost-scsi")
    if node is None:
        if loaded_version(host) is not None:
            yield Finding("device", FAULT, "the module is loaded, and /dev/vhost-scsi is not there",
                          "udevadm trigger --subsystem-match=misc")
        return
    mode = stat.S_IMODE(node.st_mode)
    if not mode & (stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH):
        yield Finding("udev", OK, f"/dev/vhost-scsi is of user {node.st_uid} alone")
        return
    who = "everybody" if mode & (stat.S_IROTH | stat.S_IWOTH) else f"group {node.st_gid}"
    free = [f"{port.wwpn}/tpgt_{group.tag}" for port in config.ports(host) for group in port.groups
            if group.attributes.get("bind_uid", "-1") == "-1"]
    if free:
        yield Finding("udev", WARNING, f"{who} may open /dev/vhost-scsi, and bind_uid of {', '.join(free)} is -1:"
                      " its disks are theirs", "set attribute bind_uid=UID of each port group, by targetcli")
    else:
        yield Finding("udev", OK, f"{who} may open /dev/vhost-scsi, and each port group has a bind_uid")


def check_limits(host: Host) -> Iterator[Finding]:
    """How much of a guest the module and QEMU can hold."""
    if loaded_version(host) is None:
        return
    regions = host.number("/sys/module/vhost/parameters/max_mem_regions")
    if regions is None or regions <= QEMU_REGIONS:
        yield Finding("max_mem_regions", NOTE,
                      f"QEMU takes at most {regions or QEMU_REGIONS} regions of memory (DIMMs) of a guest",
                      "for more: echo options vhost max_mem_regions=509 >/etc/modprobe.d/vhost.conf, reload vhost")
    else:
        yield Finding("max_mem_regions", OK, f"QEMU takes {regions} regions of memory")


def check_memlock(host: Host) -> Iterator[Finding]:
    """Whether guests of ports with pin_memory may lock all their memory."""
    for port in config.ports(host):
        pins = [group for group in port.groups if group.attributes.get("pin_memory") == "1"]
        for pid in guests.users_of(host, port.wwpn) if pins else []:
            limit, needed = guests.locked_memory(host, pid), guests.memory(guests.arguments(host, pid))
            if limit is not None and needed is not None and limit < needed:
                yield Finding("memlock", FAULT, f"{port.wwpn} has pin_memory: process {pid}"
                              f" ({guests.process(host, pid).name}) may lock {limit >> 20} MiB of its"
                              f" {needed >> 20} MiB", "raise RLIMIT_MEMLOCK (LimitMEMLOCK= of systemd,"
                              " <hard_limit> of libvirt), or turn pin_memory off")


def check_ports(host: Host) -> Iterator[Finding]:
    """Ports that no guest can use."""
    ports = config.ports(host)
    if not ports and loaded_version(host) is not None:
        yield Finding("ports", NOTE, "there is no vhost port", "targetcli /vhost create")
    for port in ports:
        usable = [group for group in port.groups if group.enabled and group.nexus]
        if not port.groups:
            yield Finding("ports", FAULT, f"{port.wwpn} has no port group",
                          f"mkdir {config.VHOST}/{port.wwpn}/tpgt_1")
        elif not usable:
            yield Finding("ports", FAULT, f"{port.wwpn} has no port group that is enabled and has a nexus:"
                          " binding fails with ENODEV", "echo 1 into enable of a port group, or a name into nexus")
        elif not any(group.luns for group in usable):
            yield Finding("ports", WARNING, f"{port.wwpn} has no LUN: the guest sees no disk",
                          f"targetcli /vhost/{port.wwpn}/tpg1/luns create BACKSTORE")
        else:
            number = sum(len(g.luns) for g in usable)
            yield Finding("ports", OK, f"{port.wwpn} has {number} LUN{'s' * (number != 1)}")
        for group in port.groups:
            for lun in group.luns:
                if lun.backstore is None:
                    yield Finding("ports", WARNING, f"{port.wwpn}/tpgt_{group.tag}: nothing is linked to LUN"
                                  f" {lun.number}", "link a backstore, or rmdir the LUN")
                elif not lun.backstore.enabled:
                    yield Finding("ports", FAULT, f"{lun.backstore.path} is not enabled",
                                  f"echo 1 >{config.TARGET}/core/{lun.backstore.path}/enable")
            for path in sorted({lun.backstore.path for lun in group.luns if lun.backstore}):
                numbers = [str(lun.number) for lun in group.luns if lun.backstore and lun.backstore.path == path]
                if len(numbers) > 1:
                    yield Finding("ports", WARNING, f"{port.wwpn}/tpgt_{group.tag}: {path} is LUN"
                                  f" {' and '.join(numbers)}: when one is removed, LIO forgets the reservations that"
                                  " the guest made by the other",
                                  "link a backstore to one LUN of a port group")


def _mounts(host: Host) -> dict[str, str]:
    """Numbers of the block devices that are mounted or swapped to, and where."""
    found = {}
    for line in (host.text("/proc/self/mountinfo") or "").splitlines():
        words = line.split(" ")
        source = words[words.index("-") + 2] if "-" in words[:-2] else ""
        if len(words) < 5:
            continue
        # A file system of several devices has a number of its own.
        node = host.stat(source) if source.startswith("/dev/") else None
        found[words[2]] = printable(words[4])
        if node and stat.S_ISBLK(node.st_mode):
            found[f"{os.major(node.st_rdev)}:{os.minor(node.st_rdev)}"] = printable(words[4])
    for line in (host.text("/proc/swaps") or "").splitlines()[1:]:
        node = host.stat(line.split(" ")[0])
        if node and stat.S_ISBLK(node.st_mode):
            found[f"{os.major(node.st_rdev)}:{os.minor(node.st_rdev)}"] = "swap"
    return found


def _users(host: Host, number: str, mounts: dict[str, str]) -> Iterator[str]:
    """Who else writes to a block device, or to a partition of it."""
    place = f"/sys/dev/block/{number}"
    parts = [f"{place}/{name}" for name in host.names(place) if host.is_there(f"{place}/{name}/partition")]
    for path in [place, *parts]:
        device = host.text(path + "/dev") or number
        if device in mounts:
            yield mounts[device] if mounts[device] == "swap" else f"the mount at {mounts[device]}"
        yield from (f"/dev/{printable(name)}" for name in host.names(path + "/holders"))


def check_backstores(host: Host) -> Iterator[Finding]:
    """Media that are another disk after a boot, or that somebody else writes to."""
    media: dict[tuple[int, int], list[str]] = {}
    mounts = _mounts(host)
    for store in config.backstores(host):
        if UNSTABLE.fullmatch(store.behind):
            yield Finding("backstores", WARNING, f"{store.path} is {store.behind}, which may be another disk after"
                          " the next boot", "make it of a name in /dev/disk/by-id, or of LVM")
        node = host.stat(store.behind) if store.plugin in ("block", "fileio") and store.behind else None
        if node is None or not store.enabled:
            continue
        key = (-1, node.st_rdev) if stat.S_ISBLK(node.st_mode) else (node.st_dev, node.st_ino)
        media.setdefault(key, []).append(store.path)
        if stat.S_ISBLK(node.st_mode):
            number = f"{os.major(node.st_rdev)}:{os.minor(node.st_rdev)}"
            users = sorted(set(_users(host, number, mounts)))
            if users:
                yield Finding("backstores", FAULT, f"{store.path} ({store.behind}) is also in use by"
                              f" {' and '.join(users)} of this host, which destroys its data",
                              "unmount it; have LVM and multipath of the host leave it alone (global_filter in"
                              " lvm.conf, blacklist in multipath.conf)")
    for paths in media.values():
        if len(paths) > 1:
            yield Finding("backstores", WARNING, f"{' and '.join(paths)} have the same medium: reservations and COMPARE"
                          " AND WRITE by the one do not count for the other",
                          "link one backstore to each of the port groups")


def check_devices(host: Host) -> Iterator[Finding]:
    """Devices whose process has gone, and queues that are not served."""
    for device in stats.devices(host):
        if device.closed:
            yield Finding("ports", WARNING, f"{device.wwpn} is still taken: process {device.pid} ({device.comm}) has"
                          f" gone, and the backstore has {device.stat.in_flight} of its commands",
                          "vhost-scsi inflight names them; look at their backstores")
        for queue in device.queues:
            if queue.ring.broken:
                yield Finding("queues", WARNING, f"queue {queue.index} of device {device.number} ({device.wwpn}) is not"
                              " served: its ring is corrupt or gone", "reset the guest; its driver is at fault")


def check_reservations(host: Host) -> Iterator[Finding]:
    """Where reservations are kept over a power loss."""
    place = host.text(config.TARGET + "/dbroot")
    if not place:
        return
    if host.is_there(place + "/pr"):
        yield Finding("dbroot", OK, f"reservations are kept in {printable(place)}/pr")
    else:
        yield Finding("dbroot", FAULT, f"{printable(place)}/pr is not there: a reservation that is to survive"
                      " a power loss (APTPL) fails", f"mkdir -p {printable(place)}/pr")


def _saved_ports(text: str) -> dict[str, set[tuple[int, int]]]:
    """The ports of a saved configuration, with the LUNs (tag, number) of each."""
    found: dict[str, set[tuple[int, int]]] = {}
    for target in json.loads(text).get("targets", []):
        if target.get("fabric") == "vhost":
            found[printable(str(target["wwn"]))] = {
                (int(group["tag"]), int(lun["index"]))
                for group in target.get("tpgs", []) for lun in group.get("luns", [])}
    return found


def check_saved(host: Host) -> Iterator[Finding]:
    """Whether this configuration is there after the next boot."""
    running = {port.wwpn: {(group.tag, lun.number) for group in port.groups for lun in group.luns}
               for port in config.ports(host)}
    text = host.text(SAVED)
    if SAVED in host.denied:
        yield Finding("saved configuration", UNKNOWN, f"{SAVED} is for root only", "run this as root")
        return
    if text is None:
        if running:
            yield Finding("saved configuration", WARNING, "nothing is saved: after a reboot there is no port",
                          "targetcli saveconfig")
        return
    try:
        saved = _saved_ports(text)
    except (ValueError, TypeError, KeyError, AttributeError):
        yield Finding("saved configuration", FAULT, f"{SAVED} is damaged",
                      "targetcli saveconfig; older ones are in /etc/rtslib-fb-target/backup")
        return
    same = True
    for wwpn in sorted(running.keys() | saved.keys()):
        if wwpn not in saved:
            what = f"{wwpn} is not saved: after a reboot it is gone"
        elif wwpn not in running:
            what = f"{wwpn} is saved, and is not there"
        elif saved[wwpn] != running[wwpn]:
            what = f"the LUNs of {wwpn} are not those that are saved"
        else:
            continue
        same = False
        yield Finding("saved configuration", WARNING, what,
                      "targetcli saveconfig" if wwpn in running else "targetctl restore, or targetcli saveconfig")
    if same and running:
        yield Finding("saved configuration", OK, "the saved ports and LUNs are those that are there")
    if saved and not any(host.path(name).is_symlink() or host.is_there(name) for name in WANTED):
        yield Finding("saved configuration", WARNING, "nothing restores it at boot",
                      "systemctl enable rtslib-fb-targetctl")


CHECKS: tuple[Callable[[Host], Iterator[Finding]], ...] = (
    check_module, check_signature, check_kvm, check_device, check_limits, check_memlock, check_ports,
    check_backstores, check_devices, check_reservations, check_saved)


def findings(host: Host) -> list[Finding]:
    """All of them, in the order of CHECKS."""
    return [finding for check in CHECKS for finding in check(host)]
