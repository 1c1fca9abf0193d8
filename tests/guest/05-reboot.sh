# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
# A guest that reboots by itself finds its disks again, with the data that it wrote.

guest_main
disk=$(guest_disk main 1 2)
sum=$(guest main "dd if=/dev/urandom of=/dev/$disk bs=64k count=32 oflag=direct 2>/dev/null
	dd if=/dev/$disk bs=64k count=32 iflag=direct 2>/dev/null | md5sum" 60)
boot=$(guest main 'cat /proc/sys/kernel/random/boot_id')
guest_tell main 'reboot -f'
check 'the guest comes up again' guest_ready main
check 'it is another boot' test "$boot" != "$(guest main 'cat /proc/sys/kernel/random/boot_id')"
disk=$(guest_disk main 1 2)
same 'what it wrote is there' "$sum" \
	"$(guest main "dd if=/dev/$disk bs=64k count=32 iflag=direct 2>/dev/null | md5sum" 60)"
same 'every LUN is there' 6 "$(guest_disks main | grep -c .)"
