# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
# A guest that is short of memory swaps to a LUN: every page comes back as it was written.

guest_main
ramdisk_create rd_mcp_6/swap 192
lun_add "$wwn" 1 6 rd_mcp_6/swap
guest_scan main
disk=$(guest_disk main 1 6)
check 'swap space on a LUN' guest main "dmesg -c >/dev/null; mkswap /dev/$disk && swapon /dev/$disk"
# Huge pages are memory that cannot be swapped: they leave the guest little.
check 'the guest has little memory' guest main '
	sync; echo 3 >/proc/sys/vm/drop_caches
	free=$(awk "/MemFree/ { print \$2 }" /proc/meminfo)
	echo $(((free - 40960) / 2048)) >/proc/sys/vm/nr_hugepages
	free=$(awk "/MemFree/ { print \$2 }" /proc/meminfo)
	echo "$free KiB are free"; [ "$free" -lt 65536 ]' 60
swapped() {
	guest main "awk '/^pswp(in|out)/ { print \$2 }' /proc/vmstat" | xargs
}
read -r in out < <(swapped)
# stress-ng fills memory and looks at it; meanwhile a file in memory is written,
# all of it, and then verified, by blocks that know their place.
pressure() {
	guest main "cd /tmp
	stress-ng --vm 1 --vm-bytes 32m --vm-keep --vm-method rand-set --verify --vm-ops 4200 \
		--timeout $((150 * slow)) --metrics-brief >stress.log 2>&1 &
	fio --name=swap --filename=/tmp/memory --size=64m --rw=write --bs=64k --ioengine=psync \
		--verify=crc32c --verify_fatal=1 --output=fio.log || { cat fio.log; exit 1; }
	rm memory
	wait \$! && awk '/ vm  / { ops = \$5 } END { exit (ops < 4096) }' stress.log &&
		! grep -qi fail stress.log || { cat stress.log; exit 1; }" 160
}
enough() {
	read -r in_now out_now < <(swapped)
	((out_now - out > 4096 && in_now - in > 1024))
}
# How much of it has to come back depends on who runs when.
pressure_until_enough() {
	for _ in 1 2 3 4; do
		pressure || return
		! enough || break
	done
}
check 'what was in memory comes back right' pressure_until_enough
enough || true
note "$((out_now - out)) pages went out, $((in_now - in)) came in"
check 'at least 16 MiB of it went out, and 4 MiB came in' enough
# What is left in it is read by this.
check 'the swap space is let go' guest main "echo 0 >/proc/sys/vm/nr_hugepages; swapoff /dev/$disk" 60
same 'nothing went wrong in the guest' '' \
	"$(guest main 'dmesg | grep -iE "I/O error|swap.*(bad|error)|Read-error|Write-error|Out of memory|Call Trace|BUG|WARNING"')"
guest_forget main "$disk"
lun_remove "$wwn" 1 6
store_remove rd_mcp_6/swap
