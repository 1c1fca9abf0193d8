# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
# fence_scsi fences a node of a two-node cluster: its writes fail, and none of them arrives once the agent has returned.

# Two guests with a port each, and a LUN that both have, on a disk that can stall.
cluster_ports=(naa.5001405000000081 naa.5001405000000082)
stall_create iblock_81/cluster 16
for i in 0 1; do
	mkdir -p "$configfs/vhost/${cluster_ports[i]}/tpgt_1"
	echo "naa.500140500000009$i" >"$configfs/vhost/${cluster_ports[i]}/tpgt_1/nexus"
	lun_add "${cluster_ports[i]}" 1 0 iblock_81/cluster
done
trap 'stall_end cluster' EXIT # nobody can leave while it does not answer

cat "$VHOST_GUEST_INITRAMFS" "$VHOST_GUEST_NODES" >/tmp/node.initramfs
for i in 0 1; do
	guest_memory=512 guest_initramfs=/tmp/node.initramfs guest_boot "node$((i + 1))" \
		-device "vhost-scsi-pci,wwpn=${cluster_ports[i]},num_queues=2"
done
guest_ready node1
guest_ready node2
rm /tmp/node.initramfs
disk1=$(guest_disk node1 1 0) disk2=$(guest_disk node2 1 0)

# agent NODE OPTION=VALUE...: run the agent as Pacemaker does, which tells it its options on
# standard input. It kills what takes longer than power_timeout.
agent() {
	local node=$1
	shift
	guest "$node" "printf '%s\n' $* power_timeout=$((100 * slow)) | /sbin/fence_scsi 2>&1" 120
}
# Pacemaker has each node do this for itself when it joins.
unfence_both() {
	local other status=0
	agent node2 action=on key=1002 "devices=/dev/$disk2" &
	other=$!
	agent node1 action=on key=1001 "devices=/dev/$disk1" || status=1
	wait "$other" && return "$status"
}
keys() { # as node1 sees them
	guest node1 "sg_persist -n -i -k /dev/$disk1" | grep -oE '0x[0-9a-f]+$' | sort | xargs
}
check 'both nodes are unfenced, beside each other' unfence_both
same 'both keys are registered' '0x1001 0x1002' "$(keys)"
check 'only registrants may write (type 5)' guest node1 \
	"sg_persist -n -i -r /dev/$disk1 | grep -q 'Write Exclusive, registrants only'"

# The first MiB is what node2 writes, with its mark. Its victim goes on at EBADE (52), which
# Linux makes of RESERVATION CONFLICT; its program ends, as most do. Behind it node1 writes and
# verifies all the time.
# The victim is of many threads, each with a write: before it waits for its rate, fio waits for all
# that a thread has in flight, so on a host that is fast enough one thread never has more than one.
fio="--rw=randwrite --bs=4k --size=1m --ioengine=libaio --direct=1 --randrepeat=0"
theirs="--filename=/dev/$disk2 --time_based --runtime=3600 --norandommap --buffer_pattern=0x32323232"
guest node2 "fio --name=victim $fio $theirs --thread --numjobs=24 --iodepth=1 --rate_iops=12 --ignore_error=52,52 \
	>/tmp/victim 2>&1 &
	(fio --name=program $fio $theirs --iodepth=2 --rate_iops=20 >/tmp/program 2>&1
	echo \$? >/tmp/program.status) >/dev/null 2>&1 &"
guest node1 ": >/tmp/passes; (while [ ! -e /tmp/stop ]; do
		fio --name=survivor $fio --filename=/dev/$disk1 --offset=1m --iodepth=4 --rate_iops=50 \
			--verify=crc32c --verify_fatal=1 >/tmp/survivor 2>&1 || break
		echo >>/tmp/passes
	done; echo >/tmp/ended) >/dev/null 2>&1 &
	tr '\0' 1 </dev/zero | head -c 1048576 >/tmp/mine"
is_all_of() { # DIGIT: the first MiB
	guest node1 "[ \$(dd if=/dev/$disk1 bs=64k count=16 iflag=direct 2>/dev/null | tr -d $1 | wc -c) = 0 ]"
}
check 'node2 writes all of its region' within 60 is_all_of 2
in_flight() {
	guest node2 "set -- \$(cat /sys/block/$disk2/inflight); [ \$2 -ge 16 ]"
}
stall_begin cluster
check 'the backend stalls with its writes in flight' within 30 in_flight

# What node1 does with the disk when its agent has returned is done at once.
guest node1 "rm -f /tmp/off; (printf '%s\n' action=off key=1002 devices=/dev/$disk1 power_timeout=$((100 * slow)) |
	/sbin/fence_scsi >/tmp/off.log 2>&1; echo \$? >/tmp/off.new
	dd if=/tmp/mine of=/dev/$disk1 bs=64k oflag=direct 2>>/tmp/off.log || echo 9 >/tmp/off.new
	mv /tmp/off.new /tmp/off) >/dev/null 2>&1 &"
# The target's own list: a command of node1 may wait for the fence.
key_gone() {
	! grep -qE '0x0*1002' "$configfs/core/iblock_81/cluster/pr/res_pr_registered_i_pts"
}
check 'node1 fences node2: its key is gone' within 60 key_gone
pause $((3 * slow))
check 'the fence is not over while its writes are in the backend' guest node1 '[ ! -e /tmp/off ] && [ ! -e /tmp/off.new ]'
stall_end cluster
check 'it is when they are done' within 60 guest node1 '[ -e /tmp/off ]'
same 'the agent has succeeded, and node1 has written over what node2 wrote' 0 \
	"$(guest node1 '[ $(cat /tmp/off) = 0 ] || cat /tmp/off.log; cat /tmp/off')"

not_good() { # commands of node2
	guest node2 "printf '%d\n' \$(cat /sys/block/$disk2/device/ioerr_cnt)"
}
before=$(not_good)
still_tries() {
	(($(not_good) >= before + 100))
}
check 'node2 still tries, and fails' within 60 still_tries
check 'nothing of it has arrived' is_all_of 1
# EBADE
check 'a program of node2 has ended with RESERVATION CONFLICT' within 20 guest node2 \
	'[ $(cat /tmp/program.status) != 0 ] && grep -q "Invalid exchange" /tmp/program'
same 'only node1 is registered' 0x1001 "$(keys)"
same 'the agent says of node2 that it is off' 2 \
	"$(agent node1 action=status key=1002 "devices=/dev/$disk1" >/dev/null; echo $?)"
check 'the reservation is still there' guest node1 \
	"sg_persist -n -i -r /dev/$disk1 | grep -q 'Write Exclusive, registrants only'"
passes=$(guest node1 'wc -l </tmp/passes')
check 'node1 goes on' within 60 guest node1 "[ \$(wc -l </tmp/passes) -gt $((passes + 1)) ]"
guest node2 'killall -INT fio'
guest node1 'touch /tmp/stop'
check 'and ends' within 60 guest node1 '[ -e /tmp/ended ]'
check 'all that it wrote was there' guest node1 \
	'grep -q "survivor: .*err= *0" /tmp/survivor || { tail -n 5 /tmp/survivor; false; }'

check 'node2 is unfenced again' agent node2 action=on key=1002 "devices=/dev/$disk2"
check 'and may write' guest node2 "dd if=/dev/zero of=/dev/$disk2 bs=64k count=16 oflag=direct"
same 'both keys are there' '0x1001 0x1002' "$(keys)"
check 'clear' guest node1 "sg_persist -n -o -C -K 0x1001 /dev/$disk1"
guest_stop node1
guest_stop node2
for i in 0 1; do
	wwn_remove "${cluster_ports[i]}"
done
trap - EXIT
mapped_remove iblock_81/cluster
