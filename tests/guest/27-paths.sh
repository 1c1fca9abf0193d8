# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
# A guest that has two paths to its disk sees one disk, uses the path that the host wants, and loses none of its I/O with a path.

# Four minutes on a machine with other work, half of them of a guest and multipathd that start.
if ((part_limit < 600 * slow)); then
	echo "ok - a guest with two paths # SKIP it may take longer than the $part_limit s of a part; VHOST_GUEST_PART_LIMIT=900 runs it"
	return 0
fi

paths_of_disk=(naa.5001405000000073 naa.5001405000000074)
block_create vg0-disk1 32
export DM_DISABLE_UDEV=1
dmsetup create vg0-disk1 --table "0 65536 linear $(block_device vg0-disk1) 0"
dmsetup mknodes vg0-disk1
check 'the host makes two ports of a disk' step two-paths
store=$(echo "$configfs"/core/iblock_*/disk1)
paths_remove() {
	local port
	for port in "${paths_of_disk[@]}"; do
		find "$configfs/vhost/$port/tpgt_1/lun/lun_0" -type l -delete
		rmdir "$configfs/vhost/$port/tpgt_1/lun/lun_0" "$configfs/vhost/$port/tpgt_1" "$configfs/vhost/$port"
	done
	rmdir "$store"/alua/path[12] "$store" "${store%/*}"
	dmsetup remove vg0-disk1
	block_remove vg0-disk1
}
trap 'guest_kill paths; paths_remove' EXIT

cat "$VHOST_GUEST_INITRAMFS" "$VHOST_GUEST_NODES" >/tmp/node.initramfs
# shellcheck disable=SC2046 # one argument each
guest_memory=512 guest_initramfs=/tmp/node.initramfs guest_start paths $(words two-paths-options)
rm /tmp/node.initramfs

# The controllers are in the order of the options.
read -r path1 path2 < <(guest_disks paths | sort -n | cut -d ' ' -f 2 | xargs)
# In the guest: only PATH OTHER: 40 more writes go by PATH, and none by OTHER. stat's fifth is how many.
guest paths "printf '%s\n' 'writes() { set -- \$(cat /sys/block/\$1/stat); echo \$5; }' \
	'mine=\$(writes \$1) others=\$(writes \$2) i=0' \
	'until [ \$(writes \$1) -ge \$((mine + 40)) ]; do' \
	'i=\$((i + 1)); [ \$i -lt 50 ] || exit 1; sleep 0.1' 'done' '[ \$(writes \$2) = \$others ]' >/tmp/only"
by() { # PATH OTHER
	within 90 guest paths "sh /tmp/only $1 $2"
}
state() { # GROUP STATE: by the host
	echo "$2" >"$store/alua/$1/alua_access_state"
}
seen() { # PATH STATE: as multipathd checked it last
	[[ $(guest paths "/sbin/multipathd show paths raw format '%d %T'" | grep "^$1 ") == "$1 $2" ]]
}

# ---- one disk -------------------------------------------------------------------

check 'multipathd starts' guest paths "mkdir -p /etc/multipath /run
	ln -sf udevadm /bin/systemd-udevd; systemd-udevd --daemon; udevadm trigger --settle
	export DM_DISABLE_UDEV=1 PATH=/bin:/sbin; $(words multipath)" 60
map_of() {
	guest paths 'ls /dev/mapper | grep -v control'
}
check 'it makes a map' within 60 map_of
map=$(map_of)
same 'of one disk, by its identity' "36001405$(backstore_serial "${store#"$configfs/core/"}" | tr -d - | cut -c 1-25)" "$map"
both_ready() {
	[[ $(guest paths '/sbin/multipath -ll' | grep -c ' active ready running') == 2 ]]
}
check 'with two paths' within 30 both_ready
guest paths '/sbin/multipath -ll' | sed 's/^/# /'
same 'in two groups, of which the optimized one is preferred' $'50\n10' \
	"$(guest paths '/sbin/multipath -ll' | grep -oP 'prio=\K[0-9]+')"
port_of() { # PATH: name and relative identifier of the port
	guest paths "sg_vpd -p di_port /dev/$1" | grep -iE 'naa\.|relative target' | sed 's/^ *//' | xargs
}
check 'one path is by the first port' grep -q naa.5001405000000073, <<<"$(port_of "$path1")"
check 'and the other by the second' grep -q naa.5001405000000074, <<<"$(port_of "$path2")"
numbers() { # in decimal, in a line
	sed 's/^/echo $((/; s/$/))/' | bash | xargs
}
relative_of() {
	port_of "$1" | grep -oP 'Relative target port: \K0x[0-9a-f]+' | numbers
}
relative=("$(relative_of "$path1")" "$(relative_of "$path2")")
note "relative target port identifiers ${relative[*]}"
check 'each port has an identifier of its own' test "${relative[0]}" -a "${relative[1]}" -a "${relative[0]}" != "${relative[1]}"
groups_by() { # PATH: what REPORT TARGET PORT GROUPS says: of each port its group, the state of that, and itself
	guest paths "sg_rtpg -d /dev/$1" | awk '
		/group id :/ { group = $6 }
		/access state :/ { state = $8 }
		/^ *0x/ { print group; print state; print $1 }' | numbers
}
wanted="16 0 ${relative[0]} 17 1 ${relative[1]}"
same 'by the first path it knows the groups as the host has set them' "$wanted" "$(groups_by "$path1")"
same 'and by the second' "$wanted" "$(groups_by "$path2")"

check 'mpathpersist registers by both paths' guest paths "/sbin/mpathpersist -o -G -S abc -d /dev/mapper/$map"
check 'and reserves for both' guest paths "/sbin/mpathpersist -o -R -T 7 -K abc -d /dev/mapper/$map"
registered() { # the relative identifiers of the ports that are registered
	guest paths "sg_persist -n -i -s /dev/$1" | grep -oP 'Relative port address: \K0x[0-9a-f]+' | numbers | tr ' ' '\n' | sort | xargs
}
# Before Linux 6.2 a port has another identifier when it gets its LUN again.
both_registered() {
	[[ $(registered "$path2") == "$( (relative_of "$path1"; relative_of "$path2") | sort | xargs)" ]]
}
check 'each port is registered' both_registered

# ---- what the host says of the paths --------------------------------------------

guest paths "(load /dev/mapper/$map 2 16 read >/tmp/load.out 2>&1; echo \$? >/tmp/load.status) >/dev/null 2>&1 &"
check 'the optimized path is used alone' by "$path1" "$path2"
check 'it is set to standby' step path-standby
check 'the other one is used alone' by "$path2" "$path1"
check 'it is optimized' step path-optimized
check 'and is used again, alone' by "$path1" "$path2"
check 'it is unavailable' state path1 3
check 'the other one is used alone' by "$path2" "$path1"
check 'that one is unavailable, too' state path2 3
stands_still() {
	guest paths 'a=$(cat /tmp/load.0); sleep 2; [ "$(cat /tmp/load.0)" = "$a" ]'
}
check 'nothing goes on without a path' within 30 stands_still
echo 4000 >"$store/alua/path2/trans_delay_msecs"
check 'one of them is in transition for some seconds, and optimized then' state path2 0
check 'the guest goes on by it' by "$path2" "$path1"
echo 0 >"$store/alua/path2/trans_delay_msecs"
state path1 0
state path2 1
check 'the first one is used again, alone' by "$path1" "$path2"

# ---- a path is lost ---------------------------------------------------------------

lun=$configfs/vhost/${paths_of_disk[0]}/tpgt_1/lun/lun_0
link=$(find "$lun" -type l)
check 'the host takes the LUN from the first port' rm "$link"
check 'the other path is used alone' by "$path2" "$path1"
check 'the first one is seen as lost' within 60 seen "$path1" faulty
same 'its port is not registered any more' "${relative[1]}" "$(registered "$path2")"
check 'the reservation is there' guest paths \
	"sg_persist -n -i -r /dev/$path2 | grep -q 'Write Exclusive, all registrants'"
check 'the LUN is back' ln -s "$store" "$link"
echo path1 >"$lun/alua_tg_pt_gp"
check 'its path is used again, alone' by "$path1" "$path2"
check 'and its port is registered again' both_registered
check 'the host sets the first port offline' eval 'echo 1 >"$lun/alua_tg_pt_offline"'
check 'the other path is used alone' by "$path2" "$path1"
check 'and online' eval 'echo 0 >"$lun/alua_tg_pt_offline"'
check 'its path is used again, alone' by "$path1" "$path2"

check 'no I/O has failed, and all that was written is there' guest paths 'touch /tmp/stop
	while [ ! -e /tmp/load.status ]; do sleep 0.2; done
	cat /tmp/load.out; [ "$(cat /tmp/load.status)" = 0 ]' 60
note "$(guest paths 'tail -n 1 /tmp/load.out')"
guest_stop paths
trap - EXIT
paths_remove
