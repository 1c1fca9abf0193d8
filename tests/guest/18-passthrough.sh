# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
# A guest uses devices that LIO passes through: a disk and a CD-ROM of scsi_debug by pscsi, a tape and a changer by user; with its drivers sd, sr, st and ch, and sg3_utils.

media=()
media_end() {
	[[ ! ${media[*]} ]] || kill "${media[@]}" 2>/dev/null || :
}
trap media_end EXIT # also when the part fails

# The host's devices of scsi_debug, by their addresses
debug_devices() {
	local dir
	for dir in /sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*:*; do
		[[ ! -e $dir/scsi_generic ]] || echo "${dir##*/}"
	done | sort -n
}
# debug_has COUNT
debug_has() {
	(($(debug_devices | wc -l) == $1))
}
# sg_of ADDRESS: by which programs of the host reach it
sg_of() {
	local dir
	for dir in "/sys/class/scsi_device/$1"/device/scsi_generic/*; do
		echo "/dev/${dir##*/}"
	done
}
# pscsi_create HBA/NAME ADDRESS: a disk is also opened, by the path of its block device
pscsi_create() {
	local dir=$configfs/core/$1 host channel target lun disk
	IFS=: read -r host channel target lun <<<"$2"
	modprobe target_core_pscsi
	mkdir -p "$dir"
	echo "scsi_host_id=$host,scsi_channel_id=$channel,scsi_target_id=$target,scsi_lun_id=$lun" >"$dir/control"
	disk=$(echo "/sys/class/scsi_device/$2"/device/block/sd*)
	[[ -e $disk ]] || disk=$(sg_of "$2")
	echo "/dev/${disk##*/}" >"$dir/udev_path"
	echo 1 >"$dir/enable"
}
# media_create HBA/NAME TYPE: a device that tests/guest/media.py plays
media_create() {
	local dir=$configfs/core/$1 out
	modprobe target_core_user
	mkdir -p "$dir"
	echo 'dev_config=media,dev_size=1048576,hw_block_size=512,nl_reply_supported=-1' >"$dir/control"
	echo 1 >"$dir/enable"
	exec {out}< <(exec python3 "$tree/tests/guest/media.py" "$2" "${1#user_}")
	media+=($!)
	[[ $(read -r -t $((60 * slow)) -u "$out" word; echo "$word") == ready ]]
	exec {out}<&-
}

disk=40 cd=41 tape=42 changer=43
# In blocks of a CD-ROM. All its devices have the same data.
modprobe scsi_debug delay=0 dev_size_mb=8 sector_size=2048
within 10 debug_has 1
disk_address=$(debug_devices)
within 10 eval 'head -c 2048 /dev/"$(ls "/sys/class/scsi_device/$disk_address/device/block")"'
pscsi_create pscsi_81/disk "$disk_address"
media_create user_81/tape tape
media_create user_82/changer changer
lun_add "$wwn" 1 $disk pscsi_81/disk
lun_add "$wwn" 1 $tape user_81/tape
lun_add "$wwn" 1 $changer user_82/changer
guest_main
check 'the guest finds them' guest_scan main

# guest_class LUN CLASS: the name of its device in a class of the guest, as sg3 for scsi_generic
guest_class() {
	guest main "for d in /sys/class/scsi_device/*:0:1:$1/device/$2/*; do
		[ ! -e \$d ] || echo \${d##*/}; done" | head -n 1
}
# guest_leave LUN: the guest forgets its device, and it goes
guest_leave() {
	guest main "echo 1 >\"\$(echo /sys/class/scsi_device/*:0:1:$1/device/delete)\""
	lun_remove "$wwn" 1 "$1"
}
# said: of sg_raw, the sense key and the additional sense code
said() {
	sed -nE 's/.*Sense key: //p; s/.*Additional sense: //p' | xargs
}
sd=$(guest_class $disk block) st=$(guest_class $tape scsi_tape | sed 's/^n//; s/[aml]$//') ch=$(guest_class $changer scsi_changer)
same 'each has its driver: sd, st, ch' 'sd st sch' "$(tr -d 0-9 <<<"${sd%[a-z]} $st $ch")"
sg=()
for lun in $disk $tape $changer; do
	sg[lun]=$(guest_class "$lun" scsi_generic)
done

# ---- sg ------------------------------------------------------------------------

# The same programs on the host, where the device is.
cat >/tmp/battery <<'END'
device=$1
shift
run() {
	echo "---- $*"
	"$@" $device >/tmp/out 2>&1
	echo "---- status $?"
	sed "s,$device,DEVICE,g" /tmp/out
}
sg_turs $device >/dev/null 2>&1; sg_turs $device >/dev/null 2>&1
run sg_turs
run sg_inq -v -H
for page in 0x00 0x80 0x83 $more_pages; do
	run sg_inq -v -H --vpd --page=$page
done
run sg_requests -v -H
run sg_readcap -v -H
run sg_modes -v -H -a
run sg_modes -v -H --page=0x3f --control=2
END
guest main "echo $(base64 -w 0 /tmp/battery) | base64 -d >/tmp/battery"
differ() {
	diff "$1" "$2" || { echo "that is the guest's (<) and the host's (>)"; return 1; }
}
# same_answers WHAT LUN ADDRESS PAGES
same_answers() {
	guest main "more_pages='$4' sh /tmp/battery /dev/${sg[$2]}" 90 >/tmp/by-guest
	more_pages=$4 sh /tmp/battery "$(sg_of "$3")" >/tmp/by-host
	check "$1: $(grep -c '^---- status' /tmp/by-host) programs get the same answers by /dev/sg" \
		differ /tmp/by-guest /tmp/by-host
	check 'and they are answers' test "$(grep -c '^---- status 0' /tmp/by-host)" -ge 7
}
same_answers 'the disk' $disk "$disk_address" '0xb0 0xb1 0xb2'
check 'sg_raw reads a block of the disk' guest main \
	"printf passed-through | dd of=/dev/$sd bs=2048 conv=sync oflag=direct 2>/dev/null &&
	sg_raw -b -r 2048 /dev/${sg[disk]} 28 0 0 0 0 0 0 0 1 0 2>/dev/null | tr -d '\\000' | grep -x passed-through"
same 'and is told what the disk says of a block that it does not have' \
	'Illegal Request Logical block address out of range' \
	"$(guest main "sg_raw -r 2048 /dev/${sg[disk]} 28 0 0 ff ff ff 0 0 1 0 2>&1" | said)"
check 'sg_luns lists all of them' guest main \
	"sg_luns --select=0 -d /dev/${sg[tape]} >/tmp/luns
	for lun in $disk $tape $changer; do grep -q \"lun=\$lun\$\" /tmp/luns || { cat /tmp/luns; exit 1; }; done"
check 'fio writes and verifies the disk' guest_verify main "$sd" 4

# ---- sr --------------------------------------------------------------------------

# The same medium in a CD-ROM drive.
check 'the guest writes an image' guest main \
	"seq 2000000 | dd of=/dev/$sd bs=64k count=128 iflag=fullblock oflag=direct 2>/dev/null"
guest_leave $disk
store_remove pscsi_81/disk
echo 5 >/sys/bus/pseudo/drivers/scsi_debug/ptype
echo 1 >/sys/bus/pseudo/drivers/scsi_debug/add_host
within 10 debug_has 2
cd_address=$(debug_devices | tail -n 1)
pscsi_create pscsi_82/cd "$cd_address"
lun_add "$wwn" 1 $cd pscsi_82/cd
check 'the guest finds a CD-ROM' guest_scan main
sr=$(guest_class $cd block)
sg[cd]=$(guest_class $cd scsi_generic)
same 'its driver is sr' sr "${sr%[0-9]}"
same_answers 'the CD-ROM' $cd "$cd_address" ''
same 'it has as many bytes as the image' $((8 << 20)) "$(guest main "echo \$((\$(cat /sys/block/$sr/size) * 512))")"
check 'the guest reads the image' guest main \
	"seq 2000000 | head -c 8388608 >/tmp/image; dd if=/dev/$sr of=/tmp/read bs=64k iflag=direct 2>/dev/null; cmp /tmp/image /tmp/read
	status=\$?; rm /tmp/image /tmp/read; exit \$status"
check 'it is read-only' guest main "! dd if=/dev/zero of=/dev/$sr bs=2048 count=1 oflag=direct 2>/dev/null"
check 'the guest stops it' guest main "sg_raw /dev/${sg[cd]} 1b 0 0 0 0 0 2>/dev/null"
same 'and is told so' 'Not Ready Logical unit not ready, initializing command required' \
	"$(guest main "sg_raw -r 2048 /dev/${sg[cd]} 28 0 0 0 0 0 0 0 1 0 2>&1" | said)"
check 'it starts it again' guest main "sg_raw /dev/${sg[cd]} 1b 0 0 0 1 0 2>/dev/null"
check 'and reads it' guest main "dd if=/dev/$sr of=/dev/null bs=64k count=2 iflag=direct"

# ---- st ---------------------------------------------------------------------------

# The other two are told once that LUNs have come and gone.
guest main "for sg in ${sg[tape]} ${sg[changer]}; do sg_turs /dev/\$sg; sg_turs /dev/\$sg; done" >/dev/null 2>&1
# Files of blocks of 10240 and 4096 bytes; the last block of the second is shorter.
check 'the guest writes two files on the tape' guest main "
	seq 20000 | head -c 102400 >/tmp/one; seq 50000 70000 | head -c 50000 >/tmp/two
	/bin/mt -f /dev/n$st rewind &&
	dd if=/tmp/one of=/dev/n$st bs=10240 && dd if=/tmp/two of=/dev/n$st bs=4096 && /bin/mt -f /dev/n$st rewind"
# Each READ asks for more than a block has: its length comes with the data, in sense data.
check 'it reads the first one, block for block' guest main "dd if=/dev/n$st of=/tmp/read bs=64k 2>/tmp/dd
	cmp /tmp/one /tmp/read && grep -qx '0+10 records in' /tmp/dd || { cat /tmp/dd; exit 1; }"
check 'and the second one behind the filemark' guest main "dd if=/dev/n$st of=/tmp/read bs=4096 2>/tmp/dd
	cmp /tmp/two /tmp/read && grep -qx '12+1 records in' /tmp/dd || { cat /tmp/dd; exit 1; }"
check 'behind the last there is nothing' guest main "! dd if=/dev/n$st of=/tmp/read bs=64k count=1 || [ ! -s /tmp/read ]"
check 'it spaces over files, and back' guest main "/bin/mt -f /dev/n$st rewind && /bin/mt -f /dev/n$st fsf 1 &&
	dd if=/dev/n$st bs=4096 count=1 2>/dev/null | cmp - /tmp/two 2>&1 | grep -q 'EOF on -' &&
	/bin/mt -f /dev/n$st bsf 1 && /bin/mt -f /dev/n$st bsr 1 &&
	dd if=/dev/n$st bs=64k count=1 2>/dev/null >/tmp/read && tail -c 10240 /tmp/one | cmp - /tmp/read"
check 'it appends a file' guest main "/bin/mt -f /dev/n$st eom && echo third | dd of=/dev/n$st bs=512 2>/dev/null &&
	/bin/mt -f /dev/n$st asf 2 && [ \"\$(dd if=/dev/n$st bs=512 2>/dev/null)\" = third ]"
same 'mt says where it is: behind the third file' 'file number = 3' \
	"$(guest main "/bin/mt -f /dev/n$st status" | grep -o 'file number = [0-9]*')"
# A block that is longer than what is read is an error, and is not cut.
check 'a block that is too long is not read in part' guest main "/bin/mt -f /dev/n$st rewind
	! dd if=/dev/n$st of=/tmp/read bs=512 count=1 2>/tmp/dd && grep -q 'Cannot allocate memory' /tmp/dd"
# READ of 65536 bytes, without SILI: what came, and how much less it was.
same 'sg_raw gets the data of a short block, and the sense data' \
	"10240 No Sense 0xd800" \
	"$(guest main "/bin/mt -f /dev/n$st rewind
		sg_raw -r 65536 -o /tmp/read /dev/${sg[tape]} 08 0 01 00 00 0 >/tmp/says 2>&1
		stat -c %s /tmp/read; sed -nE 's/.*Sense key: //p; s/.*(0xd800).*/\\1/p' /tmp/says" | xargs)"

# ---- ch ---------------------------------------------------------------------------

check 'ch has read what elements there are' guest main "dmesg | grep -F '[${ch#s}]' >/tmp/says
	grep -q 'type #1 (mt): 0x1+1' /tmp/says && grep -q 'type #2 (st): 0x20+4' /tmp/says &&
	grep -q 'type #4 (dt): 0x10+1' /tmp/says || { dmesg | tail -n 20; exit 1; }"
# full_elements: those that READ ELEMENT STATUS says are full, of slots and drive
full_elements() {
	guest main "sg_raw -b -r 512 /dev/${sg[changer]} b8 0 0 0 ff ff 0 0 2 0 0 0 2>/dev/null |
		od -An -v -tx1 | tr -d ' \\n'" | perl -ne '
		my @bytes = unpack("C*", pack("H*", $_));
		my $at = 8;
		while ($at + 8 <= @bytes) {
			my ($size, $all) = ($bytes[$at + 3], $bytes[$at + 6] << 8 | $bytes[$at + 7]);
			last unless $size && $all;
			for (my $e = $at + 8; $e < $at + 8 + $all; $e += $size) {
				push @full, sprintf("%02x", $bytes[$e + 1]) if $bytes[$e + 2] & 1;
			}
			$at += 8 + $all;
		}
		print join(" ", sort @full);'
}
same 'two slots are full' '20 21' "$(full_elements)"
check 'the guest has a medium moved to the drive' guest main "sg_raw /dev/${sg[changer]} a5 0 0 1 0 21 0 10 0 0 0 0"
same 'there it is' '10 20' "$(full_elements)"
same 'a second one does not fit' 'Illegal Request Medium destination element full' \
	"$(guest main "sg_raw /dev/${sg[changer]} a5 0 0 1 0 20 0 10 0 0 0 0 2>&1" | said)"

for lun in $cd $tape $changer; do
	guest_leave "$lun"
done
media_end
for store in pscsi_82/cd user_81/tape user_82/changer; do
	check "$store is free" store_remove "$store"
done
check 'and so are the devices' within 10 modprobe -r scsi_debug
