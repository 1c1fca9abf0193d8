# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2317 # inside calls them
# shellcheck disable=SC2154 # inside sets them
# What differs by the engine: iSCSI.

# shellcheck source=tests/hosts/third.sh
. "$tree/tests/hosts/third.sh"

engine_start() {
	third_host 'a target' iscsi-target
	must 'the name of this host' step iscsi-name
	must 'iscsid' iscsid # a service elsewhere
	must 'a session with the target' step iscsi-login
	on 1 must 'a file system for reservations' step third-first
}
engine_ready() {
	test -b /run/disk0/data && test -b /run/disk0/reservations
}
engine_up() {
	step iscsi-up
}
engine_down() {
	step iscsi-down
}
engine_take_over() {
	step iscsi-take-over
}
engine_report() {
	iscsiadm -m session -P 1
	sg_persist --no-inquiry -r /run/disk0/data
}
refusal_seen() {
	dmesg | grep -q 'reservation conflict'
}
