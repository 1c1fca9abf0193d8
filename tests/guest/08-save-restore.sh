# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
# targetcli's saveconfig and restoreconfig clear_existing restore a target as it was.

guest_stop main
shape() { # what of a target a guest or an administrator would notice
	local lun tpg
	for tpg in "$configfs/vhost/$wwn"/tpgt_*; do
		echo "${tpg##*/} $(<"$tpg/attrib/bind_uid")"
		for lun in "$tpg"/lun/lun_*; do
			[[ -d $lun ]] || continue
			echo "  ${lun##*/} $(cat "$(find "$lun" -maxdepth 1 -type l)/wwn/vpd_unit_serial")"
		done
	done
}
check 'targetcli sets who may bind' target_cli <<<"/vhost/$wwn/tpg1 set attribute bind_uid=1000"
same 'in configfs' 1000 "$(<"$configfs/vhost/$wwn/tpgt_1/attrib/bind_uid")"
before=$(shape)
# targetcli writes into the saved file what the backstore itself has no word for.
check 'saveconfig' target_cli <<<'saveconfig /tmp/save.json'
check 'restoreconfig clear_existing' target_cli <<<'restoreconfig /tmp/save.json clear_existing=True'
same 'port groups, who may bind, LUNs and serials are the same' "$before" "$(shape)"
for tpg in "$configfs/vhost/$wwn"/tpgt_*; do
	check "${tpg##*/} has a nexus" test -s "$tpg/nexus"
done
check 'a guest starts on it' guest_main
same 'every LUN is there' 6 "$(guest_disks main | grep -c .)"
check 'fio writes and verifies' guest_verify main "$(guest_disk main 1 0)" 4
