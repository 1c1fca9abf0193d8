# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2317 # inside calls them
# shellcheck disable=SC2154 # inside sets them
# What differs by the engine: NVMe/TCP.

# shellcheck source=tests/hosts/third.sh
. "$tree/tests/hosts/third.sh"

# give HOST, take HOST: on the third host
give() {
	host=$1 step nvme-give
}
take() {
	host=$1 step nvme-take
}

engine_start() {
	third_host 'a target' nvme-target
	must 'a controller of the target' step nvme-connect
	if ((HOST_NUMBER == 1)); then
		must 'this host has the disk' engine_up
		must 'a file system for reservations' step third-first
		must 'and lets go of it' engine_down
	fi
}
engine_ready() {
	grep -qx live /sys/class/nvme-fabrics/ctl/nvme*/state
}
engine_up() {
	there give "host$HOST_NUMBER" && step nvme-up
}
engine_down() {
	there take "host$HOST_NUMBER"
}
engine_take_over() {
	there take "host$peer"
}
engine_report() {
	nvme list-subsys
	ls -l /run/disk0
	there grep -r . /sys/kernel/config/nvmet/subsystems --include=enable
}
refusal_seen() {
	dmesg | grep -qE 'I/O error, dev nvme|no available path - failing I/O'
}
