# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154
# What a guest finds of a virtio-scsi device, whoever has made it: functions, after lib.sh.

features_wwn=naa.5001405000000018
# Where the device is in the guest, and its disk: target 1, LUN 0.
features_at=0000:00:09.0

# features_create: a port with one disk, which can grow
features_create() {
	block_create asked 64
	export DM_DISABLE_UDEV=1
	dmsetup create asked --table "0 65536 linear $(block_device asked) 0"
	dmsetup mknodes asked
	modprobe target_core_iblock
	mkdir -p "$configfs/core/iblock_18/asked"
	echo udev_path=/dev/mapper/asked >"$configfs/core/iblock_18/asked/control"
	echo 1 >"$configfs/core/iblock_18/asked/enable"
	cat /proc/sys/kernel/random/uuid >"$configfs/core/iblock_18/asked/wwn/vpd_unit_serial"
	tpg_create "$features_wwn" 1
	lun_add "$features_wwn" 1 0 iblock_18/asked
}

features_grow() {
	dmsetup suspend --nolockfs asked
	dmsetup reload asked --table "0 98304 linear $(block_device asked) 0"
	dmsetup resume asked
}

features_remove() {
	wwn_remove "$features_wwn"
	store_remove iblock_18/asked
	dmsetup remove asked
	block_remove asked
}

# features_ask COMMAND...: the answers, a line each; COMMAND makes the disk grow
features_ask() {
	guest features "probe $features_at 1" 120 || return
	guest features "rm -f /tmp/ready; (probe $features_at 1 resize >/tmp/resize 2>&1; touch /tmp/asked) >/dev/null &"
	within 30 guest features 'test -e /tmp/ready' || return
	"$@" >/dev/null || return
	within 30 guest features 'test -e /tmp/asked' || return
	guest features 'cat /tmp/resize'
}
