# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
# QEMU is killed under load: its threads and its binding end with it, and a new QEMU can bind to the target at once.

guest_main
check 'load runs' guest_load main "$(guest_disk main 1 0)"
pid=$(<"$work/main/pid")
kill -KILL "$pid"
check 'the process is gone within 2 s' guest_gone main 2
check 'its vhost threads are gone within 2 s' within 2 \
	bash -c "! grep -lsE '^vhost-$pid' /proc/[0-9]*/comm"
check 'a new QEMU works on the same target' guest_main
check 'fio writes and verifies' guest_verify main "$(guest_disk main 1 0)" 4
