# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
# LUNs are added and removed while a guest runs and uses another one.

guest_main
ramdisk_create rd_mcp_5/late 16
check 'load on LUN 0' guest_load main "$(guest_disk main 1 0)"
check 'a LUN is added' lun_add "$wwn" 1 9 rd_mcp_5/late
guest_scan main
disk=$(guest_disk main 1 9)
same 'the guest finds it after a scan' late \
	"$(guest main "cat /sys/block/${disk:-none}/device/model" | xargs)"
check 'fio writes and verifies it' guest_verify main "$disk" 4
check 'it is removed in use' lun_remove "$wwn" 1 9
check 'the guest gets an error for it, not silence' guest main \
	"! dd if=/dev/$disk of=/dev/null bs=4k count=1 iflag=direct" 30
check 'the other LUN goes on' guest main \
	"d=$(guest_disk main 1 0); a=\$(awk '{ print \$5 }' /sys/block/\$d/stat); sleep 1
	b=\$(awk '{ print \$5 }' /sys/block/\$d/stat); [ \$b -gt \$a ]"
guest main "echo 1 >/sys/block/$disk/device/delete" >/dev/null
check 'it comes back as another backstore' lun_add "$wwn" 1 9 rd_mcp_2/disk5
guest_scan main
same 'and the guest finds that one' disk5 \
	"$(guest main "cat /sys/block/$(guest_disk main 1 9)/device/model" | xargs)"
guest main 'killall -9 fio; true' >/dev/null 2>&1
lun_remove "$wwn" 1 9
store_remove rd_mcp_5/late
check 'a port group in use cannot be removed' bash -c \
	"! rmdir $configfs/vhost/$wwn/tpgt_7 2>/dev/null"
