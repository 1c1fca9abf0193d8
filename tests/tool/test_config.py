# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) 2026 vhost-lio developers
"""configfs, and what is wrong with a host's set-up."""

import json
import lzma
import os
import stat
import tempfile
import unittest
from unittest import mock

from tree import DEVICES, RELEASE, TARGET, WWN, Tree
from vhost_scsi import check, config
from vhost_scsi.host import Host

SAVE = {"targets": [{"fabric": "vhost", "wwn": WWN, "tpgs": [
    {"tag": 1, "luns": [{"index": 0}, {"index": 10}]}]}, {"fabric": "iscsi", "wwn": "iqn.x"}]}


class Case(unittest.TestCase):
    """A host with one port."""

    def setUp(self):
        self.place = tempfile.TemporaryDirectory()
        self.addCleanup(self.place.cleanup)
        self.tree = Tree(self.place.name)
        self.tree.usual()
        self.host = Host(self.place.name)

    def found(self, topic, state):
        """What check says of a topic in a state."""
        return [finding for finding in check.findings(self.host)
                if (finding.topic, finding.state) == (topic, state)]

    def says(self, topic, state, words, remedy=""):
        """One finding has these words, and this remedy."""
        found = self.found(topic, state)
        self.assertTrue(any(words in finding.what and remedy in finding.remedy for finding in found),
                        check.findings(self.host))


class Config(Case):
    """Ports, groups, LUNs and backstores."""

    def test_usual(self):
        """config: a port with a ramdisk and a file"""
        port, = config.ports(self.host)
        group, = port.groups
        self.assertEqual((port.wwpn, group.tag, group.nexus, group.enabled), (WWN, 1, "naa.3001405000000001", True))
        self.assertEqual([lun.number for lun in group.luns], [0, 10])
        ram, disk = (lun.backstore for lun in group.luns)
        self.assertEqual((ram.path, ram.plugin, ram.bytes, ram.serial), ("rd_mcp_0/ram", "ramdisk", 64 << 20, "0d1e2f"))
        self.assertEqual((disk.plugin, disk.bytes, disk.behind), ("fileio", 96 << 20, "/srv/disk.img"))
        self.assertEqual(group.attributes["bind_uid"], "-1")

    def test_block(self):
        """config: the size of a block device is the kernel's"""
        self.tree.backstore("iblock_2", "sd", "        iBlock device: sdb  UDEV PATH: /dev/sdb  readonly: 0\n"
                            "        Major: 8 Minor: 16  CLAIMED: IBLOCK\n")
        self.tree.put("sys/dev/block/8:16/size", "2048\n")
        self.tree.lun(11, "iblock_2/sd")
        store = config.ports(self.host)[0].backstore_of(1, 11)
        self.assertEqual((store.plugin, store.behind, store.bytes), ("block", "/dev/sdb", 1 << 20))

    def test_blanks(self):
        """config: the name of a file or a device may have blanks"""
        self.tree.backstore("fileio_1", "disk", "Status: ACTIVATED  Max Queue Depth: 128  SectorSize: 512\n"
                            "        TCM FILEIO ID: 0        File: /srv/my disk.img  Size: 4096  Mode: O_DSYNC\n")
        self.tree.backstore("iblock_2", "sd", "        iBlock device: dm-1  UDEV PATH: /dev/disk/by-label/my disk"
                            "  readonly: 0\n        Major: 8 Minor: 16  CLAIMED: IBLOCK\n")
        self.tree.lun(11, "iblock_2/sd")
        port, = config.ports(self.host)
        self.assertEqual([port.backstore_of(1, lun).behind for lun in (10, 11)],
                         ["/srv/my disk.img", "/dev/disk/by-label/my disk"])

    def test_device_as_a_file(self):
        """config: the size of a device that fileio uses is the kernel's, for fileio says 0"""
        self.tree.backstore("fileio_1", "disk", "Status: ACTIVATED  Max Queue Depth: 128  SectorSize: 512\n"
                            "        TCM FILEIO ID: 0        File: /dev/sdb  Size: 0  Mode: O_DSYNC\n")
        self.tree.put("sys/dev/block/8:16/size", "2048\n")
        node = os.stat_result((stat.S_IFBLK | 0o660, *([0] * 9)), {"st_rdev": os.makedev(8, 16)})
        with mock.patch.object(Host, "stat", lambda _, name: node if name == "/dev/sdb" else None):
            store = config.ports(self.host)[0].backstore_of(1, 10)
        self.assertEqual((store.behind, store.bytes), ("/dev/sdb", 1 << 20))

    def test_target(self):
        """config: the number of the target that a guest sees is an attribute of the port group"""
        self.tree.put(f"{TARGET}/vhost/{WWN}/tpgt_1/attrib/target", "7\n")
        port, = config.ports(self.host)
        self.assertEqual((port.groups[0].tag, port.groups[0].target), (1, 7))
        self.assertEqual(port.backstore_of(7, 10).path, "fileio_1/disk")
        self.assertIsNone(port.backstore_of(1, 10))

    def test_acl(self):
        """config: an ACL of the nexus says what the guest sees, another one does not"""
        acl = f"{TARGET}/vhost/{WWN}/tpgt_1/acls"
        self.tree.link(f"{acl}/naa.3001405000000001/lun_5/abc", "../../../../../../../target/vhost/x/tpgt_1/lun/lun_10")
        self.tree.link(f"{acl}/naa.3001405000000002/lun_6/abc", "../../../../../../../target/vhost/x/tpgt_1/lun/lun_0")
        port, = config.ports(self.host)
        self.assertEqual(port.groups[0].mapped, {5: 10})
        self.assertEqual(port.backstore_of(1, 5).path, "fileio_1/disk")
        self.assertIsNone(port.backstore_of(1, 0))
        self.assertIsNone(port.backstore_of(2, 5))

    def test_vanishes(self):
        """config: any file of the configuration may be missing"""
        for _ in self.tree.without_each(TARGET):
            for port in config.ports(self.host):
                self.assertEqual(port.wwpn, WWN)

    def test_hostile(self):
        """config: names that configfs does not make are no groups, no LUNs and no terminal's commands"""
        base = f"{TARGET}/vhost/{WWN}"
        for name in (f"{base}/tpgt_x/enable", f"{base}/tpgt_1/lun/lun_/y", f"{base}/tpgt_1/lun/lun_²/y",
                     f"{TARGET}/vhost/naa.5\x1b[2J/tpgt_1/enable", f"{TARGET}/vhost/version"):
            self.tree.put(name, "1\n")
        ports = config.ports(self.host)
        self.assertEqual([port.wwpn for port in ports], [r"naa.5\x1b[2J", WWN])
        self.assertEqual([lun.number for lun in ports[1].groups[0].luns], [0, 10])

    def test_fc(self):
        """config: a port whose name begins with fc. is found without that, too"""
        port = config.Port("fc.2100", [])
        self.assertTrue(port.is_called("2100") and port.is_called("fc.2100"))
        self.assertFalse(port.is_called("210"))


class Check(Case):
    """Each fault of a set-up is found, with its remedy; and a good one has none."""

    def setUp(self):
        super().setUp()
        self.tree.put(check.SAVED.lstrip("/"), json.dumps(SAVE))
        self.tree.link(check.WANTED[0].lstrip("/"), "/lib/systemd/system/rtslib-fb-targetctl.service")

    def test_good(self):
        """check: a host that is set up well has nothing to say but ok"""
        self.assertEqual({finding.state for finding in check.findings(self.host)}, {check.OK})

    def test_module(self):
        """check: stock, older, absent and not loaded modules"""
        self.tree.put("sys/module/vhost_scsi/version", "0.0.9\n")
        self.says("module", check.WARNING, "0.0.9 is loaded, and 0.1.0 is installed", "install.rst")
        self.tree.remove("sys/module/vhost_scsi/version")
        self.says("module", check.FAULT, "stock vhost_scsi is loaded", "questions.rst")
        self.tree.remove("sys/module/vhost_scsi")
        self.says("module", check.NOTE, "modprobe would load", "modprobe vhost_scsi")
        self.tree.remove(f"lib/modules/{RELEASE}")
        self.says("module", check.FAULT, "none for this kernel", "linux-headers")

    def test_packed(self):
        """check: the version of a compressed module"""
        name = f"lib/modules/{RELEASE}/updates/dkms/vhost_scsi.ko"
        self.tree.put(name + ".xz", lzma.compress(b"\0version=9.9\0"))
        self.tree.remove(name)
        self.says("module", check.WARNING, "9.9 is installed")
        self.tree.put(name + ".xz", b"\xfd7zXZ\0junk")
        self.says("module", check.OK, "0.1.0 is loaded")

    def test_dkms(self):
        """check: the package is there, and DKMS built nothing for this kernel"""
        self.tree.remove(f"lib/modules/{RELEASE}/updates")
        self.tree.put(f"lib/modules/{RELEASE}/kernel/drivers/vhost/vhost_scsi.ko")
        self.tree.put("usr/src/vhost-lio-0.1.0/dkms.conf")
        self.says("dkms", check.WARNING, "no module for this kernel", "dkms autoinstall")

    def test_secure_boot(self):
        """check: Secure Boot matters until the module is loaded"""
        self.tree.put(check.SECURE_BOOT.lstrip("/"), b"\6\0\0\0\1")
        self.says("secure boot", check.OK, "Secure Boot is on, and the module was taken")
        self.tree.remove("sys/module/vhost_scsi")
        self.says("secure boot", check.WARNING, "Secure Boot is on", "mokutil --import")
        self.tree.put(check.SECURE_BOOT.lstrip("/"), b"\6\0\0\0\0")
        self.tree.put("sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
        self.says("secure boot", check.WARNING, "locked down (integrity)")
        self.tree.put("sys/kernel/security/lockdown", "[none] integrity confidentiality\n")
        self.says("secure boot", check.OK, "nobody signed")

    def test_kvm(self):
        """check: no KVM"""
        self.tree.remove("dev/kvm")
        self.says("kvm", check.WARNING, "/dev/kvm is not there", "kvm_intel or kvm_amd")

    def test_device(self):
        """check: a device that others may open, with ports that are anybody's"""
        (self.tree.root / "dev/vhost-scsi").chmod(0o660)
        self.says("udev", check.WARNING, f"bind_uid of {WWN}/tpgt_1 is -1", "bind_uid=UID")
        self.tree.put(f"{TARGET}/vhost/{WWN}/tpgt_1/attrib/bind_uid", "1000\n")
        self.says("udev", check.OK, "each port group has a bind_uid")
        self.tree.remove("dev/vhost-scsi")
        self.says("device", check.FAULT, "/dev/vhost-scsi is not there", "udevadm")

    def test_regions(self):
        """check: the regions that QEMU takes"""
        self.tree.put("sys/module/vhost/parameters/max_mem_regions", "64\n")
        self.says("max_mem_regions", check.NOTE, "at most 64 regions", "max_mem_regions=509")
        self.tree.remove("sys/module/vhost")
        self.says("max_mem_regions", check.NOTE, "at most 64 regions")

    def test_memlock(self):
        """check: pin_memory, and a guest that may not lock its memory"""
        self.tree.process(1234, ["qemu", "-m", "2G", "-device", f"vhost-scsi-pci,wwpn={WWN}"], locked="8388608")
        self.assertEqual(self.found("memlock", check.FAULT), [])
        self.tree.put(f"{TARGET}/vhost/{WWN}/tpgt_1/attrib/pin_memory", "1\n")
        self.says("memlock", check.FAULT, "may lock 8 MiB of its 2048 MiB", "LimitMEMLOCK")

    def test_ports(self):
        """check: ports that no guest can use, LUNs with nothing behind them"""
        self.tree.put(f"{TARGET}/core/rd_mcp_0/ram/enable", "0\n")
        (self.tree.root / f"{TARGET}/vhost/{WWN}/tpgt_1/lun/lun_7").mkdir()
        self.says("ports", check.FAULT, "rd_mcp_0/ram is not enabled", "enable")
        self.says("ports", check.WARNING, "nothing is linked to LUN 7")
        self.assertNotIn("forgets", str(check.findings(self.host)))
        self.tree.lun(9, "rd_mcp_0/ram")
        self.says("ports", check.WARNING, "rd_mcp_0/ram is LUN 0 and 9", "to one LUN")
        self.tree.put(f"{TARGET}/vhost/{WWN}/tpgt_1/enable", "0\n")
        self.says("ports", check.FAULT, "no port group that is enabled", "enable")
        self.tree.group(nexus="")
        self.says("ports", check.FAULT, "has a nexus")
        self.tree.group("naa.5001405000000002")
        self.says("ports", check.WARNING, "naa.5001405000000002 has no LUN", "luns create")
        (self.tree.root / f"{TARGET}/vhost/naa.5001405000000003").mkdir()
        self.says("ports", check.FAULT, "naa.5001405000000003 has no port group")

    def test_backstores(self):
        """check: a disk by a name that changes, one that the host uses, and one behind two backstores"""
        def store(hba, path):
            self.tree.backstore(hba, "disk", "Status: ACTIVATED\n")
            self.tree.put(f"{TARGET}/core/{hba}/disk/udev_path", path + "\n")

        def node(minor):
            return os.stat_result((stat.S_IFBLK | 0o660, *([0] * 9)), {"st_rdev": os.makedev(8, minor)})
        disks = {"/dev/sdb": node(16), "/dev/disk/by-id/b": node(16), "/dev/mapper/data-a": node(32),
                 "/dev/sdd1": node(49), "/dev/sde": node(64)}
        real = Host.stat
        with mock.patch.object(Host, "stat", lambda host, name: disks.get(name) or real(host, name)):
            for name in ("/dev/disk/by-id/b", "/dev/drbd0", "/dev/mapper/data-a", "/srv/sdb"):
                store("iblock_3", name)
                self.assertEqual(self.found("backstores", check.WARNING) + self.found("backstores", check.FAULT), [])
            for name in ("/dev/sdb", "/dev/sdab12", "/dev/nvme0n1", "/dev/nvme0n1p2", "/dev/dm-3", "/dev/loop7"):
                store("iblock_3", name)
                self.says("backstores", check.WARNING, f"iblock_3/disk is {name}, which may be another", "by-id")
            # LVM of the host has found a volume of the guest, and a partition is mounted.
            store("iblock_3", "/dev/disk/by-id/b")
            self.tree.put("sys/dev/block/8:16/holders/dm-4")
            self.says("backstores", check.FAULT, "(/dev/disk/by-id/b) is also in use by /dev/dm-4 of", "lvm.conf")
            self.tree.remove("sys/dev/block/8:16/holders")
            self.assertEqual(self.found("backstores", check.FAULT), [])
            self.tree.put("sys/dev/block/8:16/sdb1/partition", "1\n")
            self.tree.put("sys/dev/block/8:16/sdb1/dev", "8:17\n")
            self.tree.put("proc/self/mountinfo", "22 1 8:17 / /mnt\x1b rw - ext4 /dev/sdb1 rw\nx y\n")
            self.says("backstores", check.FAULT, r"by the mount at /mnt\x1b of", "unmount")
            self.tree.put("proc/self/mountinfo", "22 1 0:30 / /b rw - btrfs /dev/sdb rw\n")
            self.says("backstores", check.FAULT, "by the mount at /b of")
            self.tree.put("proc/self/mountinfo", "22 1 8:48 / /b rw - ext4 /dev/sdd rw\n")
            self.tree.put("proc/swaps", "Filename Type Size\n/dev/sdb partition 1\n")
            self.says("backstores", check.FAULT, "by swap of")
            self.tree.remove("proc/swaps")
            self.assertEqual(self.found("backstores", check.FAULT), [])
            store("fileio_4", "/dev/sdb")
            self.says("backstores", check.WARNING, "fileio_4/disk and iblock_3/disk have the same medium", "link one")
            self.tree.put(f"{TARGET}/core/fileio_4/disk/enable", "0\n")
            self.assertNotIn("same medium", str(check.findings(self.host)))

    def test_dbroot(self):
        """check: no directory for reservations that survive a power loss"""
        self.tree.remove("etc/target/pr")
        self.says("dbroot", check.FAULT, "/etc/target/pr is not there", "mkdir -p /etc/target/pr")

    def test_saved(self):
        """check: a configuration that the next boot has not"""
        saved = check.SAVED.lstrip("/")
        self.tree.put(saved, json.dumps({"targets": []}))
        self.says("saved configuration", check.WARNING, "is not saved", "targetcli saveconfig")
        other = json.loads(json.dumps(SAVE).replace('"index": 10', '"index": 11'))
        self.tree.put(saved, json.dumps(other))
        self.says("saved configuration", check.WARNING, "not those that are saved")
        other["targets"].append({"fabric": "vhost", "wwn": "naa.5001405000000009"})
        self.tree.put(saved, json.dumps(other))
        self.says("saved configuration", check.WARNING, "naa.5001405000000009 is saved, and is not there", "restore")
        self.tree.remove(check.WANTED[0].lstrip("/"))
        self.says("saved configuration", check.WARNING, "nothing restores it", "systemctl enable")
        for junk in ("{", "[]", '{"targets": [{"fabric": "vhost"}]}', '{"targets": [{"fabric": "vhost", "wwn": "x",'
                     ' "tpgs": [{"tag": "y", "luns": [{"index": 0}]}]}]}', '{"targets": 3}'):
            self.tree.put(saved, junk)
            self.says("saved configuration", check.FAULT, "is damaged", "backup")
        self.tree.remove(saved)
        self.says("saved configuration", check.WARNING, "nothing is saved")

    def test_not_for_this_user(self):
        """check: a saved configuration that only root may read is not taken for none"""
        real = os.open

        def refuse(path, *more):
            if str(path).endswith("saveconfig.json"):
                raise PermissionError(13, "no")
            return real(path, *more)
        with mock.patch("os.open", refuse):
            self.says("saved configuration", check.UNKNOWN, "is for root only", "as root")
            self.assertEqual(self.found("saved configuration", check.WARNING), [])

    def test_closed(self):
        """check: a port that a process holds which has ended"""
        self.tree.put(f"{DEVICES}/3/closed", "1790000100\n")
        self.says("ports", check.WARNING, "is still taken", "vhost-scsi inflight")
        self.tree.put(f"{DEVICES}/3/closed", "0\n")
        self.tree.put(f"{DEVICES}/3/queues/2/ring", "128 16 9 7 9 1 2 0 1\n")
        self.says("queues", check.WARNING, "queue 2 of device 3", "driver")

    def test_vanishes(self):
        """check: any file may be missing"""
        for _ in self.tree.without_each("."):
            self.assertTrue(check.findings(self.host))
