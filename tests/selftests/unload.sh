#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Proves: the module can be unloaded after use and not during use, and leaves no
# thread, pinned page or memory behind.

cd "$(dirname "$0")" || exit 1
# shellcheck source=tests/selftests/tap.sh
. ./tap.sh

((EUID == 0)) || tap_skip_all 'needs root'
./lioctl init 2>/dev/null || tap_skip_all 'no vhost-scsi on this machine'
[[ -d /sys/module/vhost_scsi && -e /sys/module/vhost_scsi/refcnt ]] ||
	tap_skip_all 'vhost_scsi is built in'

# What to load again: a file that is not in the module tree (VHOST_SCSI_KO), or
# the module of that name.
load() {
	if [[ -n ${VHOST_SCSI_KO-} ]]; then
		insmod "$VHOST_SCSI_KO"
	else
		modprobe vhost_scsi
	fi
}

unload() {
	rmdir /sys/kernel/config/target/vhost 2>/dev/null
	rmmod vhost_scsi
}

# Where starting a program is slow, many of them are: the shell reads itself.
# The functions set the variable of their name.

pins() {
	local key value

	# The counters are gathered from the processors now, not once a second.
	echo 1 >/proc/sys/vm/stat_refresh
	pins=0
	while read -r key value; do
		case $key in
		nr_foll_pin_acquired) pins=$((pins + value)) ;;
		nr_foll_pin_released) pins=$((pins - value)) ;;
		esac
	done </proc/vmstat
}

threads() {
	local file comm

	threads=0
	for file in /proc/[0-9]*/comm; do
		{ read -r comm <"$file"; } 2>/dev/null || continue
		[[ $comm != vhost-* ]] || threads=$((threads + 1))
	done
}

slab() {
	local key value

	while read -r key value _; do
		[[ $key != SUnreclaim: ]] || slab=$value
	done </proc/meminfo
}

# What was loaded: the version of its source; where that is not kept, the size.
identity() {
	identity=$(</sys/module/vhost_scsi/coresize)
	[[ ! -e /sys/module/vhost_scsi/srcversion ]] ||
		identity=$(</sys/module/vhost_scsi/srcversion)
}

# One use of everything: load, I/O, LUNs that come and go, a TMF, remove.
round() {
	[[ -d /sys/module/vhost_scsi ]] || load || return
	./layout event_idx >/dev/null && ./event plug_and >/dev/null &&
		./tmf lun_reset_without >/dev/null && unload
}

./lioctl cleanup || exit 1
unload
load || exit 1
identity
first=$identity

ok 'a port keeps the module' ./lioctl 'init; tpg naa.5001405760000001 1'
fail_with 'in use' 'removal is refused meanwhile' rmmod vhost_scsi
./lioctl cleanup

exec 9</dev/vhost-scsi || exit 1
rmdir /sys/kernel/config/target/vhost
fail_with 'in use' 'an open device keeps the module' rmmod vhost_scsi
exec 9<&-

pins
before=$pins
ok 'used once' round
slab
slab_before=$slab
for i in 2 3; do
	ok "used $i times" round
done
for ((i = 0; i < 20; i++)); do
	threads
	((threads)) || break
	sleep 0.1
done
is 'no thread is left' 0 "$threads"
pins
is 'no pin is left' "$before" "$pins"
slab
grown=$((slab - slab_before))
echo "# unreclaimable slab: $grown KiB more after two rounds"
# kmemleak's own records are slab objects, too.
if [[ -e /sys/kernel/debug/kmemleak ]]; then
	tap_skip 'no memory is left' 'kmemleak keeps records'
else
	ok 'no memory is left' test $grown -lt 2048
fi
ok 'loaded again' load
./lioctl init
identity
is 'it is the same module' "$first" "$identity"

tap_end
