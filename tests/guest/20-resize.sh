# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
# A disk that grows on the host grows in the guest's lsblk, by the guest's own I/O and a udev rule;
# and by an event alone, if QEMU has the patch of Documentation/qemu-patches.

guest_main
block_create grow 96
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
# How often a command to the disk was answered CHECK CONDITION
attentions() {
	local errors
	read -ra errors < <(cat /sys/class/misc/vhost-scsi/devices/*/luns/1:20/errors)
	echo "${errors[9]}"
}
# told COUNT: a command has been since; when by the host's clock is then in told_at
told() {
	(($(attentions) > $1)) && told_at=$EPOCHREALTIME
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
	before=$(attentions)
	began=$(seen $((sectors * 512)))
	grow "$sectors"
	grown_at=$EPOCHREALTIME
	told_at=''
	within 10 told "$before" || :
	check 'the guest is told by a unit attention' test "$told_at"
	note "$(((${told_at/./} - ${grown_at/./}) / 1000)) ms after the disk had grown, at the latest"
	check "lsblk has $((sectors / 2048)) MiB" within 10 guest main 'test -s /tmp/seen'
	note "$(awk -v began="$began" '{ printf "%.1f s", $1 - began }' <<<"$(guest main 'cat /tmp/seen')")" \
		'after the host began to let it grow, by the clock of the guest'
done
check 'the new blocks can be used' guest main "
	dd if=/dev/urandom of=/tmp/block bs=64k count=1 2>/dev/null
	dd if=/tmp/block of=/dev/$disk bs=64k seek=1000 oflag=direct 2>/dev/null
	dd if=/dev/$disk bs=64k skip=1000 count=1 iflag=direct 2>/dev/null | cmp - /tmp/block"
guest main 'touch /tmp/stop'
guest_forget main "$disk"

# ---- Events ----------------------------------------------------------------------

# sent: how many the guest got
sent() {
	cut -d ' ' -f 1 /sys/class/misc/vhost-scsi/devices/*/events
}
# lsblk_has BYTES DISK: in the guest of the events
lsblk_has() {
	[[ $(guest events "lsblk -b -n -o SIZE /dev/$2 | xargs") == "$1" ]]
}
disk_is_there() {
	disk=$(guest_disk events 1 "$1") && [[ $disk ]]
}
# No udev runs in this guest, nobody uses the disk, and nobody scans.
if "$qemu" -device vhost-scsi-pci,help | grep -q param_change; then
	guest_stop main
	lun_remove "$wwn" 1 20
	guest_start events -device "vhost-scsi-pci,wwpn=$wwn,num_queues=2,hotplug=on,param_change=on"
	same 'with the patch the guest has VIRTIO_SCSI_F_HOTPLUG and VIRTIO_SCSI_F_CHANGE' 11 \
		"$(guest events 'cut -c 2-3 /sys/bus/virtio/drivers/virtio_scsi/virtio*/features')"
	before=$(sent)
	lun_add "$wwn" 1 20 iblock_20/grow
	check 'a LUN that comes is a disk of the guest' within 10 disk_is_there 20
	disk_is_there 20
	same 'by an event' $((before + 1)) "$(sent)"
	check 'lsblk has its size' within 10 lsblk_has 67108864 "$disk"
	grow 163840
	grown_at=$EPOCHREALTIME
	check 'when it grows lsblk follows' within 10 lsblk_has 83886080 "$disk"
	note "$(((${EPOCHREALTIME/./} - ${grown_at/./}) / 1000)) ms after the disk had grown, at the latest"
	same 'by an event' $((before + 2)) "$(sent)"
	check 'the new blocks can be used' guest events \
		"dd if=/dev/zero of=/dev/$disk bs=64k seek=1200 count=1 oflag=direct 2>/dev/null"
	lun_remove "$wwn" 1 20
	is_gone() { ! disk_is_there 20; }
	check 'a LUN that goes is gone' within 10 is_gone
	same 'by an event' $((before + 3)) "$(sent)"
	guest_stop events
	lun_add "$wwn" 1 20 iblock_20/grow
fi
trap - EXIT
grow_remove
