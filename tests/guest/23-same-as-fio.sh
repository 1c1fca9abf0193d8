# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
# What vhost-scsi top and latency say of a disk is what fio in the guest says: commands, bytes, latencies.

guest_main
slow_create iblock_6/slow 32 100 300
lun_add "$wwn" 1 6 iblock_6/slow
guest_scan main
disk=$(guest_disk main 1 6)
look=$work/look
mkdir -p "$look"

more_than() {
	(($(wc -l <"$look/top") > $1))
}

# both WHAT BYTES: fio, and what is seen of it
both() {
	"$tree/tools/vhost-scsi/vhost-scsi" top --json -d 1 --by lun --measure >"$look/top" &
	top=$!
	# The first look is over when the second is printed.
	within 20 test -s "$look/top"
	guest main "fio --name=$1 --filename=/dev/$disk --rw=rand$1 --bsrange=4k-64k --io_size=$2 --size=16m \
		--ioengine=libaio --iodepth=8 --direct=1 --output-format=json" 60 >"$look/fio"
	# A span that begins when fio has ended has all before it.
	within 20 more_than "$(wc -l <"$look/top")"
	"$tree/tools/vhost-scsi/vhost-scsi" latency --json --split --by lun >"$look/latency"
	kill "$top"
	wait "$top" || :
}

both read 8m
/usr/bin/python3 "$here/same_as_fio" read "$look"
both write 4m
/usr/bin/python3 "$here/same_as_fio" write "$look"

rm -rf "$look"
guest_forget main "$disk"
lun_remove "$wwn" 1 6
mapped_remove iblock_6/slow
