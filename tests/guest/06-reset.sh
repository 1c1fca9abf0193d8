# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
# A guest that is reset with I/O in flight boots again, and its disks work.

guest_main
check 'load runs' guest_load main "$(guest_disk main 1 0)"
guest_monitor main system_reset
check 'the guest comes up again' guest_ready main
same 'every LUN is there' 6 "$(guest_disks main | grep -c .)"
check 'fio writes and verifies' guest_verify main "$(guest_disk main 1 0)" 4
