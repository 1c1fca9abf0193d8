# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
# UNMAP, WRITE SAME, EXTENDED COPY, COMPARE AND WRITE and WRITE ATOMIC of a guest do on the host's backstore what they should.

file=50 thin=51 ram=52

debug_disk() {
	local dir
	for dir in /sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*:*/block/*; do
		[[ ! -e $dir ]] || echo "/dev/${dir##*/}"
	done
}
debug_disk_is_there() {
	head -c 512 "$(debug_disk)"
}
atomic=''
[[ $(modinfo -F parm scsi_debug) != *atomic_wr:* ]] || atomic=atomic_wr=1
modprobe scsi_debug lbpu=1 lbpws=1 lbprz=1 dev_size_mb=32 delay=0 $atomic
within 10 debug_disk_is_there
host_disk=$(debug_disk)
file_create fileio_95/blocks-file 32
ramdisk_create rd_mcp_95/blocks-ram 16
modprobe target_core_iblock
mkdir -p "$configfs/core/iblock_95/blocks-thin"
echo "udev_path=$host_disk" >"$configfs/core/iblock_95/blocks-thin/control"
echo 1 >"$configfs/core/iblock_95/blocks-thin/enable"
cat /proc/sys/kernel/random/uuid >"$configfs/core/iblock_95/blocks-thin/wwn/vpd_unit_serial"
echo 1 | tee "$configfs"/core/{fileio_95/blocks-file,iblock_95/blocks-thin}/attrib/emulate_{tpu,tpws} >/dev/null
lun_add "$wwn" 1 $file fileio_95/blocks-file
lun_add "$wwn" 1 $thin iblock_95/blocks-thin
lun_add "$wwn" 1 $ram rd_mcp_95/blocks-ram
guest_main
check 'the guest finds the disks' guest_scan main
file_disk=$(guest_disk main 1 $file) thin_disk=$(guest_disk main 1 $thin) ram_disk=$(guest_disk main 1 $ram)

# on_host WHICH LBA COUNT: the blocks of the backstore itself
on_host() {
	local path=/tmp/blocks-file flag=()
	[[ $1 == file ]] || path=$host_disk flag=(iflag=direct)
	dd if="$path" bs=512 skip="$2" count="$3" "${flag[@]}" 2>/dev/null
}
# zeros_on_host WHICH LBA COUNT
zeros_on_host() {
	on_host "$@" | cmp - <(head -c $(($3 * 512)) /dev/zero)
}
sum_on_host() {
	on_host "$@" | md5sum
}
# mapped WHICH: KiB that the backstore has room for
mapped() {
	if [[ $1 == file ]]; then
		echo $(($(stat -c %b /tmp/blocks-file) / 2))
	else
		# The blocks that scsi_debug has, as 1-100,200
		awk -v RS=, -F - '{ sum += $2 == "" ? 1 : $2 - $1 + 1 } END { print sum / 2 }' \
			/sys/bus/pseudo/drivers/scsi_debug/map
	fi
}
is_mapped() { # WHICH KIB
	same_words "$2" "$(mapped "$1")"
}
same_words() {
	[[ $1 == "$2" ]] || { echo "wanted: $1, found: $2"; return 1; }
}

# blocks TEXT COUNT: such blocks
blocks() {
	perl -e 'print substr("$ARGV[0]\n" x 512, 0, 512) x $ARGV[1]' "$1" "$2"
}

# ---- UNMAP, WRITE SAME ----------------------------------------------------------

for which in file thin; do
	device=$file_disk
	[[ $which == file ]] || device=$thin_disk
	# Its driver takes UNMAP or WRITE SAME with UNMAP, by the limits that LIO names.
	check "$which: the guest sees a disk that can be unmapped" guest main \
		"grep -xE 'unmap|writesame_16' /sys/block/$device/device/scsi_disk/*/provisioning_mode"
	check 'it writes 4 MiB' guest main \
		"yes $which | dd of=/dev/$device bs=64k count=64 iflag=fullblock oflag=direct 2>/dev/null"
	before=$(sum_on_host $which 0 2048) behind=$(sum_on_host $which 7168 1024) had=$(mapped $which)
	check 'blkdiscard of 2 MiB in it' guest main "/bin/blkdiscard -o 1M -l 2M /dev/$device"
	check 'the backstore has 2 MiB less' is_mapped $which $((had - 2048))
	check 'UNMAP of the first half of what is behind them' guest main \
		"sg_unmap --lba=6144 --num=1024 --force /dev/$device"
	check 'the backstore has 512 KiB less' is_mapped $which $((had - 2048 - 512))
	check 'they read as zeros' zeros_on_host $which 2048 5120
	same 'what is before and behind them is as it was' "$before $behind" \
		"$(sum_on_host $which 0 2048) $(sum_on_host $which 7168 1024)"
	before=$(sum_on_host $which 0 512)
	check 'blkdiscard --zeroout of 512 KiB' guest main "/bin/blkdiscard -z -o 256K -l 512K /dev/$device"
	check 'they are zeros' zeros_on_host $which 512 1024
	same 'what is before them is as it was' "$before" "$(sum_on_host $which 0 512)"
	on_host $which 0 7 >/tmp/before
	on_host $which 1007 17 >/tmp/behind
	check 'WRITE SAME of a block to 1000' guest main "yes same | head -c 512 >/tmp/block
		sg_write_same --16 --lba=7 --num=1000 --in=/tmp/block --xferlen=512 /dev/$device"
	same 'each is it, and those around are not' \
		"$({ cat /tmp/before; blocks same 1000; cat /tmp/behind; } | md5sum)" "$(sum_on_host $which 0 1024)"
	check 'WRITE SAME with UNMAP' guest main \
		"sg_write_same --16 --unmap --lba=0 --num=1024 --in=/dev/zero --xferlen=512 /dev/$device"
	check 'they are zeros, too' zeros_on_host $which 0 1024

	# ---- COMPARE AND WRITE ------------------------------------------------------

	check 'COMPARE AND WRITE of what is there' guest main "yes same | head -c 512 >/tmp/pair
		yes other | head -c 512 >>/tmp/pair
		sg_write_same --16 --lba=4096 --num=4 --in=/tmp/block --xferlen=512 /dev/$device &&
		sg_compare_and_write --lba=4097 --num=1 --in=/tmp/pair --xferlen=1024 /dev/$device"
	written=$({ blocks same 1; blocks other 1; blocks same 2; } | md5sum)
	same 'writes that block, and that alone' "$written" "$(sum_on_host $which 4096 4)"
	# sg_compare_and_write ends with 14 when they differ.
	same 'of what is not: it is told that' 14 "$(guest main \
		"sg_compare_and_write --lba=4097 --num=1 --in=/tmp/pair --xferlen=1024 /dev/$device >/dev/null 2>&1
		echo \$?")"
	same 'and nothing is written' "$written" "$(sum_on_host $which 4096 4)"
done

# A file system, of which the guest's fstrim gives back what a file had. All that ext4 writes for
# itself is there before.
check 'a file comes and goes on ext4' guest main "
	mkfs.ext4 -q -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 /dev/$thin_disk && mount /dev/$thin_disk /mnt &&
	yes file | dd of=/mnt/file bs=1M count=8 iflag=fullblock conv=fsync 2>/dev/null && umount /mnt" 60
had=$(mapped thin)
check 'fstrim' guest main "mount /dev/$thin_disk /mnt && rm /mnt/file && sync && fstrim /mnt && umount /mnt"
now=$(mapped thin)
check "gives back its 8 MiB: there were $had KiB, and now $now" test $((had - now)) -ge 8192

# ---- EXTENDED COPY ----------------------------------------------------------------

# copy FROM SKIP TO SEEK COUNT: by the nodes of sg, which need no links of udev's
copy() {
	guest main "from=\$(echo /sys/block/$1/device/scsi_generic/*) to=\$(echo /sys/block/$3/device/scsi_generic/*)
		sg_xcopy if=/dev/\${from##*/} skip=$2 of=/dev/\${to##*/} seek=$4 count=$5 bs=512 2>/tmp/says ||
		{ cat /tmp/says; exit 1; }"
}
check 'the guest writes 1 MiB' guest main \
	"seq 100000 300000 | dd of=/dev/$ram_disk bs=64k count=16 iflag=fullblock oflag=direct 2>/dev/null"
if has_checkers; then
	echo "ok - EXTENDED COPY # SKIP debug objects report LIO's work item"
else
	check 'EXTENDED COPY of 1 MiB from a ramdisk to a file' copy "$ram_disk" 0 "$file_disk" 10000 2048
	same 'it is there' "$(seq 100000 300000 | head -c 1M | md5sum)" "$(sum_on_host file 10000 2048)"
	check 'from there to a disk' copy "$file_disk" 10001 "$thin_disk" 333 2000
	same 'it is there' "$(sum_on_host file 10001 2000)" "$(sum_on_host thin 333 2000)"
fi

# ---- WRITE ATOMIC (16) ------------------------------------------------------------

# atomic DEVICE LBA BLOCKS BOUNDARY: what the guest is told
atomic() {
	guest main "yes atomic | head -c $(($3 * 512)) >/tmp/data
		sg_raw -s $(($3 * 512)) -i /tmp/data /dev/$1 9c 0 0 0 0 0 $(printf '%02x %02x %02x %02x' \
			$(($2 >> 24)) $(($2 >> 16 & 255)) $(($2 >> 8 & 255)) $(($2 & 255))) \
			$(printf '%02x %02x %02x %02x' $(($4 >> 8)) $(($4 & 255)) $(($3 >> 8)) $(($3 & 255))) 0 0" \
		>/tmp/says 2>&1 && { echo good; return; }
	sed -nE 's/^.*Sense key: //p; s/^ *Additional sense: //p' /tmp/says | xargs
}
same 'WRITE ATOMIC to a file, which cannot' 'Illegal Request Invalid command operation code' \
	"$(atomic "$file_disk" 64 8 0)"
longest=$configfs/core/iblock_95/blocks-thin/attrib/atomic_max_len
if [[ ! -e $longest ]]; then
	same 'to a disk: LIO of this kernel has no WRITE ATOMIC' 'Illegal Request Invalid command operation code' \
		"$(atomic "$thin_disk" 64 8 0)"
else
	longest=$(<"$longest")
	check "LIO has it, for up to $longest blocks" test "$longest" -gt 0
	trace=/sys/kernel/tracing/instances/atomic
	mkdir "$trace"
	echo 'opcode == 0x9c' >"$trace/events/scsi/scsi_dispatch_cmd_start/filter"
	echo 1 >"$trace/events/scsi/scsi_dispatch_cmd_start/enable"
	same 'the guest sees how long one may be' "$longest" "$(guest main "sg_vpd -H --page=0xb0 /dev/$thin_disk" |
		awk '/^ *[0-9a-f]+ / { for (i = 2; i <= 17; i++) b = b $i } END { print substr(b, 89, 8) }' |
		{ read -r hex; echo $((16#$hex)); })"
	same 'WRITE ATOMIC of 4 KiB to a disk' good "$(atomic "$thin_disk" 64 8 0)"
	same 'it is there' "$(yes atomic | head -c 4096 | md5sum)" "$(sum_on_host thin 64 8)"
	same 'of 64 KiB' good "$(atomic "$thin_disk" 128 128 0)"
	same 'it is there' "$(yes atomic | head -c 64K | md5sum)" "$(sum_on_host thin 128 128)"
	same 'the disk got each as one' 2 "$(grep -c scsi_dispatch_cmd_start "$trace/trace")"
	same 'at a block that it cannot begin at' 'Illegal Request Invalid field in cdb' "$(atomic "$thin_disk" 65 8 0)"
	same 'with a boundary' 'Illegal Request Invalid field in cdb' "$(atomic "$thin_disk" 64 8 2)"
	same 'the disk got none of these' 2 "$(grep -c scsi_dispatch_cmd_start "$trace/trace")"
	rmdir "$trace"
fi

for lun in $file $thin $ram; do
	guest_forget main "$(guest_disk main 1 "$lun")"
	lun_remove "$wwn" 1 "$lun"
done
store_remove fileio_95/blocks-file
store_remove iblock_95/blocks-thin
store_remove rd_mcp_95/blocks-ram
rm /tmp/blocks-file
check 'the disk is free' within 10 modprobe -r scsi_debug
