# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2016,SC2317 # the guest's shell expands it; inside calls them
# shellcheck disable=SC2034,SC2154 # inside sets and uses them
# What differs by the engine: DRBD.

# Whoever is told to switch the other host off says first and last how much had been
# acknowledged then.
power_off_peer() {
	cat >/usr/local/sbin/power-off-peer <<TEXT
#!/bin/bash
export MEET='$MEET' VHOST_TEST_TIMEOUT_FACTOR='$slow'
. '$tree/tools/vm/meet.sh'
wc -l <'$acks' >/run/acks.before
host_kill $peer || exit 1
wc -l <'$acks' >/run/acks.after
exit 7
TEXT
	chmod +x /usr/local/sbin/power-off-peer
}

engine_start() {
	volumes
	power_off_peer
	must 'a resource' step drbd-config
	if ((HOST_STARTS == 1)); then
		must 'DRBD starts' step drbd-start
		on 1 must 'the first synchronisation begins' step drbd-first
	else
		must 'DRBD starts again' step drbd-back
	fi
}
engine_ready() {
	step drbd-ready
}
engine_up() {
	step drbd-up
}
engine_down() {
	step drbd-down
	same 'DRBD is Secondary' Secondary "$(drbdadm role disk0/0 | cut -d / -f 1)"
}
engine_take_over() {
	step drbd-take-over
}
engine_report() {
	drbdadm status
}
engine_end() {
	((HOST_STARTS > 1)) || must 'DRBD had the other host switched off' test -e /run/acks.after
}

hang_begin() {
	stall_begin vg0-disk0
}
hang_end() {
	stall_end vg0-disk0
}

# The bytes of the disk that this host has. A Secondary does not let anyone open DRBD's device.
copy() {
	dd if=/dev/mapper/vg0-disk0 bs=1M iflag=direct,count_bytes count="$(($(</sys/block/drbd0/size) * 512))" \
		status=none | sha256sum
}
same_copies() {
	local mine
	mine=$(copy) || return
	host_tell "copy.$HOST_NUMBER" "$mine"
	[[ $(host_hear "copy.$peer") == "$mine" ]]
}

# comes_back DEAD: the host that was killed, to which the guest moves back
comes_back() {
	local dead=$1 found last
	disk=$(host_hear disk)
	if ((HOST_NUMBER != dead)); then
		must 'the dead host starts again' host_boot "$dead"
		must 'records are written again' records_go_on
		host_hear again >/dev/null || exit 1
		must 'DRBD connects' step reconnect
	else
		host_tell again
	fi
	must 'it is synchronised' within 300 engine_ready
	move "$((3 - dead))" again
	if ((HOST_NUMBER != dead)); then
		hosts_meet end
	else
		last=$(last_acknowledged)
		must 'the guest still answers' records_end
		found=$(guest main 'records check /mnt/records' 60)
		note "record $last was acknowledged, $found are there"
		must 'no acknowledged record is lost' test "$found" -ge "$last"
		guest_stop main
		leave
		hosts_meet end
	fi
	must 'both hosts have the same bytes' same_copies
}

run_cut() {
	on 1 first_guest
	if ((HOST_NUMBER == 2)); then
		# It is killed.
		sleep 900
		exit 1
	fi
	local start last found
	must 'a file system' records_begin
	must '100 records are acknowledged' within 120 acknowledged 100
	ip link set "$HOST_CARD" down
	start=$SECONDS
	must 'the other host is switched off' within 180 test -s /run/acks.after
	must_same 'until then nothing is acknowledged' "$(</run/acks.before)" "$(</run/acks.after)"
	must 'then the guest goes on' within 60 acknowledged $(($(</run/acks.after) + 50))
	note "it stood still for $((SECONDS - start)) s or less"
	last=$(last_acknowledged)
	must 'the guest still answers' records_end
	found=$(guest main 'records check /mnt/records' 60)
	must 'no acknowledged record is lost' test "$found" -ge "$last"
	guest_stop main
}
