# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016,SC2034,SC2119,SC2120
# A guest moves from the stock module to this one and back while it writes and reads: its data and its features stay.

# Only one module of the name can be loaded, so each move goes through a file: QEMU writes the
# guest into it while it runs, as to another host, and another QEMU reads it when the other
# module is there.
if [[ ${VHOST_SCSI_MODULE:-} == stock ]]; then
	echo 'ok - from stock and back # SKIP this is the stock module'
	return 0
fi
if has_checkers; then
	echo 'ok - from stock and back # SKIP a kernel with checkers finds faults of the stock module'
	return 0
fi
moving=naa.5001405000000019
guest_memory=512
guest_stop main
target_clear

# module_is stock|ours
module_is() {
	module_unload
	if [[ $1 == stock ]]; then
		VHOST_SCSI_MODULE=stock module_load
		[[ ! -e /sys/module/vhost_scsi/version ]]
	else
		modprobe -r vhost
		module_load
		[[ -e /sys/module/vhost_scsi/version ]]
	fi
}
# However the part ends, the next one finds this module and its target.
back_to_ours() {
	local status=$?
	trap - EXIT
	guest_kill moving
	target_clear
	rm -f "$work/state"
	[[ -e /sys/module/vhost_scsi/version ]] || module_is ours
	target_standard
	exit "$status"
}
trap back_to_ours EXIT

# VHOST_GET_FEATURES
offered() {
	/usr/bin/python3 -c 'import fcntl
with open("/dev/vhost-scsi", "rb+", 0) as f:
	print(hex(int.from_bytes(fcntl.ioctl(f, 0x8008af00, bytes(8)), "little")))'
}
port_create() {
	tpg_create "$moving" 1
	lun_add "$moving" 1 0 rd_mcp_19/moving
}
device=vhost-scsi-pci,wwpn=$moving,num_queues=2,migratable=on
saved() {
	guest_monitor moving 'info migrate'
	pause 0.3
	grep -qE '[Ss]tatus:[[:space:]]*completed' "$work/moving/monitor.log"
}
# move stock|ours
move() {
	local had
	had=$(guest moving 'cat /sys/bus/virtio/devices/*/features')
	# Under load there is always something left to move. It may pause for that.
	guest_monitor moving 'migrate_set_parameter downtime-limit 3000'
	guest_monitor moving "migrate -d \"exec:cat >$work/state\""
	check "to $1: the guest is written to a file" within 120 saved || {
		tail -n 20 "$work/moving/monitor.log" "$work/moving/qemu.log" | sed 's/^/#   /'
		return 1
	}
	guest_kill moving
	wwn_remove "$moving"
	check "to $1: the module is changed" module_is "$1"
	port_create
	guest_qemu moving -kernel "$VHOST_GUEST_KERNEL" -initrd "$VHOST_GUEST_INITRAMFS" \
		-device "$device" -incoming "exec:cat $work/state"
	# What is written into a pipe before QEMU has it open is lost.
	within 30 test -s "$work/moving/monitor.log"
	check "to $1: the guest goes on" guest moving true 60 || {
		tail -n 20 "$work/moving/qemu.log" | sed 's/^/#   /'
		guest_where moving | sed 's/^/#   /'
		return 1
	}
	rm -f "$work/state"
	same "to $1: its drivers have the features that they had" "$had" \
		"$(guest moving 'cat /sys/bus/virtio/devices/*/features')"
}
# load [read]: until it is seen to write
load() {
	guest moving "rm -f /tmp/stop /tmp/load.*
		(load /dev/$disk 4 8 $* >/tmp/load 2>&1; echo \$? >/tmp/ended) >/dev/null 2>&1 &"
	within 20 writes_more 0
}
written() { guest moving 'cat /tmp/load.0 2>/dev/null || echo 0'; }
writes_more() { (($(written) > $1)); }
# verdict WHERE: it goes on to write, and all is right
verdict() {
	check "$1: it goes on to write" within 20 writes_more "$(written)"
	check "$1: all is as it was written" guest moving 'touch /tmp/stop
		until [ -e /tmp/ended ]; do sleep 0.1; done
		cat /tmp/load; [ $(cat /tmp/ended) = 0 ]' 60
	note "$(guest moving 'tail -n 1 /tmp/load; rm -f /tmp/ended' | xargs)"
}

ramdisk_create rd_mcp_19/moving 16
of_ours=$(offered)
check 'the stock module is loaded' module_is stock
of_stock=$(offered)
port_create
guest_start moving -device "$device"
disk=$(guest_disk moving 1 0)
note "stock offers $of_stock, this module $of_ours"
same 'this module offers all that the stock module does' 0 $((of_stock & ~of_ours))
# The stock module does not log what it reads into the guest, so it does not read meanwhile.
guest moving 'dmesg -c >/dev/null'
check 'the guest writes' load
move ours
verdict 'from stock'
check 'the guest writes and reads' load read
move stock
verdict 'back to stock'
same 'nothing went wrong in the guest' '' \
	"$(guest moving 'dmesg | grep -iE "I/O error|reset|abort|timed out|Call Trace|BUG|WARNING"')"
store=rd_mcp_19/moving
guest_stop moving
wwn_remove "$moving"
store_remove "$store"
check 'this module is loaded again' module_is ours
