# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016,SC2034
# A guest is migrated to another QEMU while it reads: every byte that the module wrote arrives.

from=naa.5001405000000011 to=naa.5001405000000012
guest_kill main
rm -f "$work"/memory.*
ramdisk_create rd_mcp_5/moving 32
for name in "$from" "$to"; do
	tpg_create "$name" 1
	lun_add "$name" 1 0 rd_mcp_5/moving
done

# Of both ends, which have to be alike but for the port. Their memory is a file, to compare:
# below 3 GB a byte of the guest's memory is there at its address. Not on a kernel with
# checkers, whose VM has no room for two such files and no time: what is logged is the same
# there, and that the guest goes on with what it read is seen there, too.
guest_memory=512
options() {
	echo "-device vhost-scsi-pci,wwpn=$1,num_queues=2,migratable=on"
	((slow > 1)) || echo "-machine memory-backend=memory" \
		"-object memory-backend-file,id=memory,size=${guest_memory}M,share=on,mem-path=$work/memory.$1"
}
# Debian's kernel writes zeroes to a page before the module writes it: KVM would log it.
guest_append=init_on_alloc=0
# shellcheck disable=SC2046 # one argument each
guest_start from $(options "$from")
rm -f "$work/move"
# shellcheck disable=SC2046
guest_qemu to -kernel "$VHOST_GUEST_KERNEL" -initrd "$VHOST_GUEST_INITRAMFS" \
	$(options "$to") -incoming "unix:$work/move" -S

disk=$(guest_disk from 1 0)
clock=$(guest_symbol from wall_clock)
check 'the disk is filled' guest from "dd if=/dev/urandom of=/dev/$disk bs=1M count=32 oflag=direct
	for half in 0 1; do
		dd if=/dev/$disk bs=1M count=16 skip=\$((half * 16)) iflag=direct 2>/dev/null | md5sum >/tmp/sum\$half
	done
	dd if=/dev/$disk bs=1M iflag=direct 2>/dev/null | md5sum >/tmp/sum; cat /tmp/sum" 60
sum=$(guest from 'cat /tmp/sum')
# The page cache of one half of the disk is written by the module, then only read; then
# that of the other half, in the memory that the first had. A page that is stale after
# the move has the other half's bytes. While it is only read, little is left to move,
# and that is when QEMU moves the guest.
guest from "(half=0; while [ ! -e /tmp/stop ]; do
	echo 1 >/proc/sys/vm/drop_caches
	for look in 1 2 3; do
		[ ! -e /tmp/stop ] || break
		found=\$(dd if=/dev/$disk bs=1M count=16 skip=\$((half * 16)) 2>/dev/null | md5sum)
		[ \"\$found\" = \"\$(cat /tmp/sum\$half)\" ] || echo half \$half, look \$look >>/tmp/wrong
		echo look >>/tmp/looks
	done
	half=\$((1 - half))
done; : >/tmp/stopped) >/dev/null 2>&1 &"
within 20 test -S "$work/move"
guest_monitor from 'migrate_set_parameter max-bandwidth 24M'
guest_monitor from "migrate -d unix:$work/move"
moved() {
	guest_monitor from 'info migrate'
	sleep 0.5
	grep -qE '[Ss]tatus:[[:space:]]*completed' "$work/from/monitor.log"
}
check 'the guest is moved' within 90 moved || {
	tail -n 20 "$work/from/monitor.log" "$work/to/qemu.log" | sed 's/^/#   /'
	return 1
}
# page_diff PAGE: what it has at both ends: is it the disk's, which the module writes, or
# the guest's own?
page_diff() {
	local name
	for name in "$from" "$to"; do
		dd if="$work/memory.$name" bs=4096 skip="$1" count=1 status=none |
			od -A x -v -t x8z >"$work/page.$name"
	done
	diff -U 0 "$work/page.$from" "$work/page.$to" | sed -n '3,14p'
}
# Both stand still. All is the same but for the time of day, which KVM writes for who comes.
memory_same() {
	local differ
	differ=$(cmp -l "$work/memory.$from" "$work/memory.$to" 2>&1 | awk -v clock="$clock" '
		/^cmp:/ { print; exit }
		{ at = $1 - 1 }
		at < clock || at >= clock + 12 { pages[int(at / 4096)]++ }
		END { for (page in pages) printf "page %d: %d bytes differ\n", page, pages[page] }')
	[[ $differ ]] || return 0
	head -n 15 <<<"$differ"
	[[ ! $differ =~ ^page\ ([0-9]+): ]] || page_diff "${BASH_REMATCH[1]}"
	return 1
}
if ((slow > 1)); then
	echo 'ok - its memory is the same # SKIP on a slow kernel'
else
	check 'its memory is the same' memory_same
fi
guest_kill from
rm -f "$work/memory.$from"
guest_monitor to cont
# What the guest waits for, if it does not go on: it answers as long as its time goes on.
check 'it goes on' guest to "touch /tmp/stop
	now() { cut -d . -f 1 /proc/uptime; }
	end=\$((\$(now) + 40 * $slow))
	until [ -e /tmp/stopped ]; do
		[ \$(now) -lt \$end ] || break
		sleep 0.2
	done
	[ ! -e /tmp/stopped ] || exit 0
	grep -H . /sys/block/*/inflight; grep virtio /proc/interrupts
	for task in /proc/[0-9]*; do
		[ ! -s \$task/cmdline ] || { tr '\\0' ' ' <\$task/cmdline; cat \$task/stack; }
	done 2>&1
	exit 1" 60 || {
	guest_where to | sed 's/^/#   /'
	return 1
}
check 'it looked meanwhile' guest to 'test -s /tmp/looks'
note "$(guest to 'wc -l </tmp/looks') looks at half of the disk"
same 'no page of it was stale' '' "$(guest to 'cat /tmp/wrong 2>/dev/null || :')"
# From the page cache, and from the disk.
same 'what it read before is right' "$sum" "$(guest to "dd if=/dev/$disk bs=1M 2>/dev/null | md5sum" 60)"
same 'what it reads now is right' "$sum" \
	"$(guest to "dd if=/dev/$disk bs=1M iflag=direct 2>/dev/null | md5sum" 60)"
check 'fio writes and verifies' guest_verify to "$disk" 4
guest_stop to
rm -f "$work/memory.$to"
wwn_remove "$from"
wwn_remove "$to"
store_remove rd_mcp_5/moving
