# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2317 # inside calls them
# shellcheck disable=SC2034,SC2154 # inside uses and sets them
# What differs by the engine: Ceph, whose cluster is on host 3.

# shellcheck source=tests/hosts/third.sh
. "$tree/tests/hosts/third.sh"

# krbd has none: a write is answered when it is on the disks of all copies.
cache=$'write through\n0'

# Of the host that has the cluster: the OSDs' files need one with direct I/O, which the VM's own has not.
volumes() {
	mkdir -p /var/lib/ceph/osd
	must 'a file system for the OSDs' eval 'mkfs.ext4 -q /dev/vda && mount /dev/vda /var/lib/ceph/osd'
}

engine_start() {
	must 'the configuration of Ceph' step ceph-config
	third_host 'a cluster' ceph-cluster
	if ((HOST_NUMBER == 1)); then
		must 'this host has the disk' engine_up
		must 'a file system for reservations' step third-first
		must 'and lets go of it' engine_down
	fi
}
engine_ready() {
	timeout "$((60 * slow))" rbd info disk0
}
# While no OSD answers it waits for ever, and can be killed.
engine_up() {
	timeout "$((20 * slow))" bash -c ". '$tree/tests/hosts/lib.sh'; step ceph-up"
}
engine_down() {
	step ceph-down
}
engine_take_over() {
	step ceph-take-over
}
engine_report() {
	timeout 60 ceph -s
	timeout 60 rbd lock ls disk0
	rbd device list
}

# Not the disks that other engines have there. signal NAME NUMBER: to an OSD, or to all, as *
signal() {
	there bash -c "kill -$1 \$(cat /run/ceph/osd.$2.pid)"
}
hang_begin() {
	signal STOP '*'
}
hang_end() {
	signal CONT '*'
}

# One of three OSDs dies, with all that it has.
loses_part() {
	must 'an OSD is killed' signal KILL 0
	there rm /run/ceph/osd.0.pid >/dev/null
}
