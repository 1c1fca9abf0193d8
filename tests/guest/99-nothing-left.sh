# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
# After all other parts the module unloads, and leaves no thread, no pinned page and no reference behind.

guest_stop main
target_clear
pins() {
	awk '/nr_foll_pin_/ { sum += ($1 ~ /acquired/) ? $2 : -$2 } END { print sum }' /proc/vmstat
}
no_pins() { (($(pins) == pins_before)); }
check 'no page is pinned that was not before' within 5 no_pins
check 'no thread of a device is left' bash -c "! grep -sE '^vhost-' /proc/[0-9]*/comm"
rmdir "$configfs/vhost"
same 'nobody holds a reference to the module' 0 "$(cat /sys/module/vhost_scsi/refcnt)"
check 'the module unloads' module_unload
check 'no thread of the module is left' within 5 bash -c "! grep -sE '^vhost' /proc/[0-9]*/comm"
check 'no /dev/vhost-scsi is left' test ! -e /dev/vhost-scsi
check 'no cache of it is left' bash -c "! grep -i vhost /proc/slabinfo"
check 'it loads and unloads again' bash -c \
	". '$tree/tests/guest/lib.sh'; module_load && module_unload"
