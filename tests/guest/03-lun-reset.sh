# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
# A LOGICAL UNIT RESET under load is answered, and data that is written afterwards is correct.

guest_main
disk=$(guest_disk main 1 0)
check 'load runs' guest_load main "$disk"
for i in 1 2 3; do
	check "reset $i under load" guest main "sg_reset -d /dev/$disk" 20
done
check 'load still runs' guest main \
	"a=\$(awk '{ print \$5 }' /sys/block/$disk/stat); sleep 1
	b=\$(awk '{ print \$5 }' /sys/block/$disk/stat); [ \$b -gt \$a ]"
guest main 'killall fio; sleep 1; killall -9 fio; true' >/dev/null 2>&1
check 'fio writes and verifies afterwards' guest_verify main "$disk" 4
