# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154
# The device options of newer QEMUs work, and a QEMU without the right to open the device fails.

has_property() {
	"$qemu" -nodefaults -device vhost-scsi-pci,help 2>&1 | grep -q "^ *$1="
}
# Of all processes: workers are threads of QEMU or of the kernel.
workers() {
	cat /proc/[0-9]*/task/*/comm 2>/dev/null | grep -c '^vhost-[0-9]'
}
no_workers() {
	(($(workers) == 0))
}
disks_are() {
	[[ $(guest_disks "$1" | grep -c .) == "$2" ]]
}
note "$("$qemu" --version | head -n 1)"

# The standard port belongs to the guest "main".
opt_wwn=naa.5001405000000071
ramdisk_create rd_mcp_71/opt0 16
ramdisk_create rd_mcp_72/opt1 16
tpg_create "$opt_wwn" 1
lun_add "$opt_wwn" 1 0 rd_mcp_71/opt0
device=vhost-scsi-pci,wwpn=$opt_wwn,num_queues=2
guest_stop main

if has_property worker_per_virtqueue; then
	guest_start opt -device "$device,worker_per_virtqueue=on"
	# The first one serves the control and the event queue, too.
	same 'each request queue has a worker of its own' 2 "$(workers)"
	check 'data is right with them' guest_verify opt "$(guest_disk opt 1 0)" 4
	guest_stop opt
	check 'the workers ended with QEMU' within 10 no_workers
else
	echo 'ok - a worker for each queue # SKIP this QEMU has no worker_per_virtqueue'
fi

if has_property hotplug; then
	guest_start opt -device "$device,hotplug=on"
	lun_add "$opt_wwn" 1 1 rd_mcp_72/opt1
	check 'a LUN that is added appears without a scan' within 20 disks_are opt 2
	check 'it can be used' guest_verify opt "$(guest_disk opt 1 1)" 4
	lun_remove "$opt_wwn" 1 1
	check 'one that is removed goes' within 20 disks_are opt 1
	check 'the other stays' guest_verify opt "$(guest_disk opt 1 0)" 4
	guest_stop opt
else
	echo 'ok - LUNs come and go without a scan # SKIP this QEMU has no hotplug property'
fi

# Root opens the device, nobody uses it; and must be able to read what it needs.
# The host VM's root is its own, so this changes nothing on the machine.
let_all_reach() {
	local path=$1
	until [[ $path == / || $path == . ]]; do
		path=$(dirname "$path")
		chmod a+x "$path"
	done
}
for path in "$VHOST_GUEST_KERNEL" "$VHOST_GUEST_INITRAMFS" \
	"$(command -v "$qemu")" ${VHOST_GUEST_QEMU_ROOT:+"$VHOST_GUEST_QEMU_ROOT/usr"}; do
	let_all_reach "$path"
done
chmod a+r "$VHOST_GUEST_KERNEL" "$VHOST_GUEST_INITRAMFS"
chmod 666 /dev/kvm
exec {device_fd}<>/dev/vhost-scsi
guest_as=(setpriv --reuid 65534 --regid 65534 --clear-groups
	--inh-caps=-all --bounding-set=-all)
if guest_start opt -device "$device,vhostfd=$device_fd"; then
	same 'QEMU is nobody' 65534 "$(stat -c %u "/proc/$(<"$work/opt/pid")")"
	check 'a QEMU that may not open the device is given it' \
		guest_verify opt "$(guest_disk opt 1 0)" 4
else
	echo 'not ok - a QEMU that may not open the device is given it'
fi
exec {device_fd}>&-
guest_as=()
guest_stop opt
wwn_remove "$opt_wwn"
store_remove rd_mcp_71/opt0
store_remove rd_mcp_72/opt1
