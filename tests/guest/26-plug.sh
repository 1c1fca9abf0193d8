# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
# A device is plugged into a running guest, and pulled out under load, twice.

guest_main
plug_wwn=naa.5001405000000261
ramdisk_create rd_mcp_26/plug 16
tpg_create "$plug_wwn" 1
lun_add "$plug_wwn" 1 0 rd_mcp_26/plug
disks=$(guest_disks main | grep -c .)
disks_are() {
	[[ $(guest_disks main | grep -c .) == "$1" ]]
}
port_is_free() {
	! grep -sqx "$plug_wwn" /sys/class/misc/vhost-scsi/devices/*/wwpn
}
for time in first second; do
	guest_monitor main "device_add vhost-scsi-pci,id=plug,wwpn=$plug_wwn,num_queues=2"
	check "the $time time its disk appears" within 30 disks_are $((disks + 1))
	disk=$(guest main 'grep -lx "plug *" /sys/block/*/device/model' | cut -d / -f 4)
	check 'fio writes and verifies it' guest_verify main "$disk" 2
	check 'load runs' guest_load main "$disk"
	guest_monitor main 'device_del plug'
	check 'the disk goes with the device' within 30 disks_are "$disks"
	check 'the load is told, and ends' within 30 guest main '! pidof fio'
	check 'the port is free' within 10 port_is_free
done
check 'the other disks go on' guest_verify main "$(guest_disk main 1 0)" 2
check 'the port can be removed' wwn_remove "$plug_wwn"
store_remove rd_mcp_26/plug
