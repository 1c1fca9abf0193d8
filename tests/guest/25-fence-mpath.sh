# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
# fence_mpath fences a node that has two paths to its disk: mpathpersist keeps both in step, and both are fenced.

# Five minutes on a machine with other work, most of them of two guests that Python runs in.
if ((part_limit < 600 * slow)); then
	echo "ok - fence_mpath # SKIP it may take longer than the $part_limit s of a part; VHOST_GUEST_PART_LIMIT=900 runs it"
	return 0
fi

# Two guests with two ports each. A port is a nexus, so a guest registers twice.
mpath_ports=(naa.5001405000000091 naa.5001405000000092 naa.5001405000000093 naa.5001405000000094)
stall_create iblock_91/paths 16
for i in "${!mpath_ports[@]}"; do
	mkdir -p "$configfs/vhost/${mpath_ports[i]}/tpgt_1"
	echo "naa.50014050000000a$i" >"$configfs/vhost/${mpath_ports[i]}/tpgt_1/nexus"
	lun_add "${mpath_ports[i]}" 1 0 iblock_91/paths
done

cat "$VHOST_GUEST_INITRAMFS" "$VHOST_GUEST_NODES" >/tmp/node.initramfs
for i in 0 1; do
	guest_memory=512 guest_initramfs=/tmp/node.initramfs guest_boot "path$((i + 1))" \
		-device "vhost-scsi-pci,wwpn=${mpath_ports[2 * i]},num_queues=2" \
		-device "vhost-scsi-pci,wwpn=${mpath_ports[2 * i + 1]},num_queues=2"
done
guest_ready path1
guest_ready path2
rm /tmp/node.initramfs

# multipath_setup NODE KEY: multipath asks udev for devices, and mpathpersist the file for the key.
# There is no daemon, which would look for paths that come back: none goes here. Nor are there
# udev's rules for the device mapper, which its library would wait for. Both paths are used in turns,
# whatever ALUA says.
multipath_setup() {
	guest "$1" "printf '%s\n' 'defaults {' 'find_multipaths no' 'retrigger_tries 0' 'reservation_key 0x$2' '}' \
		'blacklist_exceptions {' 'property \".*\"' '}' \
		'devices {' 'device {' 'vendor LIO-ORG' 'product \".*\"' 'path_grouping_policy multibus' \
		'path_selector \"round-robin 0\"' 'hardware_handler 0' 'detect_prio no' 'prio const' '}' '}' \
		>/etc/multipath.conf
	ln -sf udevadm /bin/systemd-udevd
	[ -e /run/udev/control ] || systemd-udevd --daemon
	udevadm trigger --settle && DM_DISABLE_UDEV=1 /sbin/multipath" 60
}
map_of() { # NODE
	guest "$1" 'ls /dev/mapper | grep -v control'
}
paths_of() { # NODE: of its map
	guest "$1" "/sbin/multipath -ll 2>/dev/null | grep -c ' active ready running'"
}
# both COMMAND: for each node with its key, beside each other
both() {
	local other status=0
	"$1" path2 2002 &
	other=$!
	"$1" path1 2001 || status=1
	wait "$other" && return "$status"
}
check 'both nodes have multipath' both multipath_setup
map=$(map_of path1)
same 'both have the same disk' "$map" "$(map_of path2)"
same 'path1 has two paths' 2 "$(paths_of path1)"
same 'path2 has two paths' 2 "$(paths_of path2)"
map=/dev/mapper/$map

# As for fence_scsi; its own default is where Debian has the program.
agent() {
	local node=$1
	shift
	guest "$node" "printf '%s\n' $* devices=$map mpathpersist_path=/sbin/mpathpersist power_timeout=$((100 * slow)) |
		/sbin/fence_mpath 2>&1" 120
}
persist() { # NODE OPTION...
	local node=$1
	shift
	guest "$node" "/sbin/mpathpersist $* -d $map 2>&1"
}
keys() { # each path's
	persist path1 -i -k | grep -oE '0x[0-9a-f]{4,}$' | sort | xargs
}
unfence() { # NODE KEY
	agent "$1" action=on "key=$2"
}
check 'both nodes are unfenced' both unfence
same 'each registered by both paths' '0x2001 0x2001 0x2002 0x2002' "$(keys)"
check 'only registrants may write' eval "persist path1 -i -r | grep -q 'Write Exclusive, registrants only'"

# By both paths, for the map sends to them in turns.
guest path2 "(fio --name=victim --filename=$map --rw=randwrite --bs=4k --size=1m --ioengine=libaio --iodepth=8 \
	--direct=1 --time_based --runtime=3600 --norandommap --randrepeat=0 --buffer_pattern=0x32323232 \
	>/tmp/victim 2>&1; echo \$? >/tmp/victim.status) >/dev/null 2>&1 &
	tr '\0' 1 </dev/zero | head -c 1048576 >/tmp/ones" # for path1, too
guest path1 "tr '\0' 1 </dev/zero | head -c 1048576 >/tmp/ones"
is_all_of() { # DIGIT: the first MiB
	guest path1 "[ \$(dd if=$map bs=64k count=16 iflag=direct 2>/dev/null | tr -d $1 | wc -c) = 0 ]"
}
check 'path2 writes' within 60 is_all_of 2
check 'path1 fences it' agent path1 action=off key=2002
check 'and writes over what it wrote' guest path1 "dd if=/tmp/ones of=$map bs=64k oflag=direct"
check 'the program of path2 has failed' within 60 guest path2 '[ -e /tmp/victim.status ] && [ $(cat /tmp/victim.status) != 0 ]'
check 'neither of its paths may write' guest path2 "for d in /sys/class/scsi_device/*:0:1:0/device/block/*; do
		! dd if=/tmp/ones of=/dev/\${d##*/} bs=4k count=1 oflag=direct 2>/dev/null || exit 1
	done"
check 'nothing of it has arrived' is_all_of 1
same 'only path1 is registered, by both paths' '0x2001 0x2001' "$(keys)"
same 'the agent says of path2 that it is off' 2 "$(agent path1 action=status key=2002 >/dev/null; echo $?)"

check 'path2 is unfenced again' agent path2 action=on key=2002
check 'and may write' guest path2 "dd if=/tmp/ones of=$map bs=64k oflag=direct"
check 'mpathpersist releases' persist path1 -o -L -T 5 -K 2001
check 'reserves otherwise' persist path1 -o -R -T 7 -K 2001
check 'which reads so' eval "persist path2 -i -r | grep -q 'Write Exclusive, all registrants'"
check 'preempts' persist path2 -o -P -T 5 -K 2002 -S 2001
same 'path1 is not registered any more' '0x2002 0x2002' "$(keys)"
check 'and clears' persist path2 -o -C -K 2002
same 'nobody is registered' '' "$(keys)"
guest_stop path1
guest_stop path2
for i in "${!mpath_ports[@]}"; do
	wwn_remove "${mpath_ports[i]}"
done
mapped_remove iblock_91/paths
