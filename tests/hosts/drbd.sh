# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2016,SC2317 # the guest's shell expands it; inside calls them
# shellcheck disable=SC2154 # inside sets them
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
	must 'DRBD starts' step drbd-start
	on 1 must 'the first synchronisation begins' step drbd-first
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
	must 'DRBD had the other host switched off' test -e /run/acks.after
}

hang_begin() {
	stall_begin vg0-disk0
}
hang_end() {
	stall_end vg0-disk0
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
	must 'the guest still answers' guest main 'kill $(pidof records)
		while pidof records; do sleep 0.1; done
		umount /mnt && mount /dev/'"$disk"' /mnt'
	found=$(guest main 'records check /mnt/records' 60)
	must 'no acknowledged record is lost' test "$found" -ge "$last"
	guest_stop main
}
