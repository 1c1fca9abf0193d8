# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
# A guest finds several port groups behind one name, tpgt_0 included, and LUNs with gaps between them.

guest_main
same 'the guest finds target:LUN as they are configured' '0:0 1:0 1:2 1:5 1:300 7:2' \
	"$(guest_disks main | cut -d ' ' -f 1 | cut -d : -f 3- | xargs)"
same 'a LUN above 255 is the backstore it should be' disk300 \
	"$(guest main "cat /sys/block/$(guest_disk main 1 300)/device/model" | xargs)"
same 'the host sees one backstore behind two port groups as one serial' \
	"$(guest main "sg_inq -u /dev/$(guest_disk main 0 0)" | grep -i serial)" \
	"$(guest main "sg_inq -u /dev/$(guest_disk main 7 2)" | grep -i serial)"
check 'a write through one port group' guest main \
	"printf through-target-0 | dd of=/dev/$(guest_disk main 0 0) bs=512 conv=sync oflag=direct"
same 'is read through the other' through-target-0 \
	"$(guest main "dd if=/dev/$(guest_disk main 7 2) bs=512 count=1 iflag=direct 2>/dev/null | tr -d '\\000'")"
for lun in 2 300; do
	check "fio writes and verifies LUN $lun" guest_verify main "$(guest_disk main 1 "$lun")" 4
done
