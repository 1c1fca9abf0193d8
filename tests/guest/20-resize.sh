# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
# A disk that grows on the host grows in the guest's lsblk, by the guest's own I/O and a udev rule.

guest_main
block_create grow 64
export DM_DISABLE_UDEV=1
device=$(block_device grow)
dmsetup create grow --table "0 65536 linear $device 0"
dmsetup mknodes grow
modprobe target_core_iblock
mkdir -p "$configfs/core/iblock_20/grow"
echo udev_path=/dev/mapper/grow >"$configfs/core/iblock_20/grow/control"
echo 1 >"$configfs/core/iblock_20/grow/enable"
cat /proc/sys/kernel/random/uuid >"$configfs/core/iblock_20/grow/wwn/vpd_unit_serial"
lun_add "$wwn" 1 20 iblock_20/grow
grow_remove() {
	lun_remove "$wwn" 1 20
	store_remove iblock_20/grow
	dmsetup remove grow
	block_remove grow
}
trap 'grow_remove 2>/dev/null || :' EXIT # also when the part fails
grow() { # SECTORS
	dmsetup suspend --nolockfs grow
	dmsetup reload grow --table "0 $1 linear $device 0"
	dmsetup resume grow
}
guest_scan main
disk=$(guest_disk main 1 20)
check 'the guest runs udev with the rule of tools/udev' guest main "
	grep -q CAPACITY_DATA_HAS_CHANGED /etc/udev/rules.d/60-scsi-capacity.rules || exit
	ln -sf udevadm /bin/systemd-udevd
	[ -e /run/udev/control ] || systemd-udevd --daemon
	udevadm settle"
size() { guest main "lsblk -b -n -o SIZE /dev/$disk | xargs"; }
same 'lsblk has its size' 33554432 "$(size)"
# What a guest does anyway. Who does nothing is told with the next command.
guest main "rm -f /tmp/stop; (while [ ! -e /tmp/stop ]; do
	dd if=/dev/$disk of=/dev/null bs=4k count=1 iflag=direct; sleep 0.1
done) >/dev/null 2>&1 &"
# seen BYTES: and when, by the guest's clock
seen() {
	guest main "(until [ \"\$(lsblk -b -n -o SIZE /dev/$disk | xargs)\" = $1 ]; do
		sleep 0.1
	done; cut -d ' ' -f 1 /proc/uptime >/tmp/seen) >/dev/null 2>&1 &
	rm -f /tmp/seen; cut -d ' ' -f 1 /proc/uptime"
}
for sectors in 98304 131072; do
	began=$(seen $((sectors * 512)))
	grow "$sectors"
	check "lsblk has $((sectors / 2048)) MiB" within 10 guest main 'test -s /tmp/seen'
	note "$(awk -v began="$began" '{ printf "%.1f s", $1 - began }' <<<"$(guest main 'cat /tmp/seen')")"
done
check 'the new blocks can be used' guest main "
	dd if=/dev/urandom of=/tmp/block bs=64k count=1 2>/dev/null
	dd if=/tmp/block of=/dev/$disk bs=64k seek=1000 oflag=direct 2>/dev/null
	dd if=/dev/$disk bs=64k skip=1000 count=1 iflag=direct 2>/dev/null | cmp - /tmp/block"
guest main 'touch /tmp/stop'
guest_forget main "$disk"
trap - EXIT
grow_remove
