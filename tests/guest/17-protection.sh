# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
# A guest with t10_pi=on protects its data: from ramdisks, files, a disk that keeps it, and by the port alone; what is wrong on the medium or on the way it is told.

pi_wwn=naa.5001405000000091
plain_wwn=naa.5001405000000092
# Targets of the guest: 1 is what keeps protection information, 2 and 3 have it from their
# port group, 4 is the first without the feature.
ram=0 file1=1 file3=2 disk=3

# protected_create HBA/NAME TYPE: a backstore that is made keeps it
protected_create() {
	echo "$2" >"$configfs/core/$1/attrib/pi_prot_type"
	[[ $1 != fileio_* ]] || echo 1 >"$configfs/core/$1/attrib/pi_prot_format"
}

# The disk of scsi_debug, by its parameters
debug_disk() {
	local dir
	for dir in /sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*:*/block/*; do
		[[ ! -e $dir ]] || echo "/dev/${dir##*/}"
	done
}
debug_disk_is_there() {
	head -c 512 "$(debug_disk)"
}

ramdisk_create rd_mcp_91/pi-ram 16
protected_create rd_mcp_91/pi-ram 1
file_create fileio_91/pi-file1 16
protected_create fileio_91/pi-file1 1
file_create fileio_92/pi-file3 16
protected_create fileio_92/pi-file3 3
ramdisk_create rd_mcp_92/pi-none 16
tpg_create "$pi_wwn" 1
lun_add "$pi_wwn" 1 $ram rd_mcp_91/pi-ram
lun_add "$pi_wwn" 1 $file1 fileio_91/pi-file1
lun_add "$pi_wwn" 1 $file3 fileio_92/pi-file3
modprobe scsi_debug dif=1 dix=1 dev_size_mb=16 delay=0
within 10 debug_disk_is_there
modprobe target_core_iblock
mkdir -p "$configfs/core/iblock_91/pi-disk"
echo "udev_path=$(debug_disk)" >"$configfs/core/iblock_91/pi-disk/control"
echo 1 >"$configfs/core/iblock_91/pi-disk/enable"
lun_add "$pi_wwn" 1 $disk iblock_91/pi-disk
for tpgt in 2 3; do
	tpg_create "$pi_wwn" $tpgt
	lun_add "$pi_wwn" $tpgt 0 rd_mcp_92/pi-none
done
echo 1 >"$configfs/vhost/$pi_wwn/tpgt_2/attrib/fabric_prot_type"
echo 3 >"$configfs/vhost/$pi_wwn/tpgt_3/attrib/fabric_prot_type"
tpg_create "$plain_wwn" 4
lun_add "$plain_wwn" 4 0 fileio_91/pi-file1
guest_stop main
guest_start pi -device "vhost-scsi-pci,wwpn=$pi_wwn,t10_pi=on,num_queues=2" \
	-device "vhost-scsi-pci,wwpn=$plain_wwn,t10_pi=off,num_queues=2"

# pi_disk TARGET LUN: its name in the guest
pi_disk() {
	guest_disk pi "$1" "$2"
}
declare -A at
for which in "1 $ram" "1 $file1" "1 $file3" "1 $disk" '2 0' '3 0' '4 0'; do
	# shellcheck disable=SC2086 # two arguments
	at[$which]=$(pi_disk $which)
done

# ---- what it is -------------------------------------------------------------

# what_guest_sees DEVICE: the block layer's profile, INQUIRY, READ CAPACITY (16)
what_guest_sees() {
	guest pi "cat /sys/block/$1/integrity/format /sys/block/$1/integrity/device_is_integrity_capable
		sg_inq /dev/$1 | grep -o Protect=.
		sg_readcap --16 /dev/$1 | grep -o 'prot_en=.*p_type=.'" | xargs
}
for which in "1 $ram" "1 $file1" "1 $disk" '2 0'; do
	same "target:LUN ${which/ /:} is protected, by type 1" \
		'T10-DIF-TYPE1-CRC 1 Protect=1 prot_en=1, p_type=0' "$(what_guest_sees "${at[$which]}")"
done
for which in "1 $file3" '3 0'; do
	same "target:LUN ${which/ /:} is protected, by type 3" \
		'T10-DIF-TYPE3-CRC 1 Protect=1 prot_en=1, p_type=2' "$(what_guest_sees "${at[$which]}")"
done
same 'a device without t10_pi is not, over the same backstore' \
	'none 0 Protect=0 prot_en=0, p_type=0' "$(what_guest_sees "${at[4 0]}")"

# ---- data is right ------------------------------------------------------------

for which in "1 $ram" "1 $file3" "1 $disk" '2 0'; do
	check "fio writes and verifies target:LUN ${which/ /:}" guest_verify pi "${at[$which]}" 2
done

# tuples FILE LBA COUNT: what the host keeps for these blocks of the medium, in hexadecimal
tuples() {
	od -An -v -tx1 -w8 -j $(($2 * 8)) -N $(($3 * 8)) "$1.protection"
}
# tuples_of FILE LBA COUNT REFERENCE: what it should keep, from the medium itself: the guard
# (CRC16 of SBC-4, 4.21.4), application tag 0, and as the reference tag the LBA, or 'none'
tuples_of() {
	perl -e 'my ($file, $lba, $count, $reference) = @ARGV;
		open(my $f, "<", $file) or die;
		seek($f, $lba * 512, 0);
		for my $n (0 .. $count - 1) {
			read($f, my $block, 512) == 512 or die;
			my $crc = 0;
			for my $byte (unpack("C*", $block)) {
				$crc ^= $byte << 8;
				$crc = $crc & 0x8000 ? $crc << 1 ^ 0x18bb7 : $crc << 1 for 1 .. 8;
			}
			print " ", join(" ", unpack("(H2)*", pack("nnN", $crc, 0,
				$reference eq "none" ? 0 : $lba + $n))), "\n";
		}' "$1" "$2" "$3" "$4"
}
# write_blocks DEVICE LBA TEXT: 4096 bytes
write_blocks() {
	guest pi "yes '$3' | dd of=/dev/$1 bs=4k seek=$(($2 / 8)) count=1 iflag=fullblock oflag=direct"
}
# The guest's generator need not set the reference tag for type 3; what it is it leaves open.
without_reference() {
	cut -c 1-12
}
check 'the guest writes' write_blocks "${at[1 $file1]}" 4096 protected
same "the host's file has what the guest made of it" \
	"$(tuples_of /tmp/pi-file1 4096 8 lba)" "$(tuples /tmp/pi-file1 4096 8)"
check 'the guest writes type 3' write_blocks "${at[1 $file3]}" 4096 protected
same "the host's file has what the guest made of it" \
	"$(tuples_of /tmp/pi-file3 4096 8 none | without_reference)" \
	"$(tuples /tmp/pi-file3 4096 8 | without_reference)"
check 'a guest that makes none writes' guest pi "echo 0 >/sys/block/${at[1 $file1]}/integrity/write_generate
	yes unprotected | dd of=/dev/${at[1 $file1]} bs=4k seek=513 count=1 iflag=fullblock oflag=direct
	status=\$?; echo 1 >/sys/block/${at[1 $file1]}/integrity/write_generate; exit \$status"
same "the host's file has what was made for it" \
	"$(tuples_of /tmp/pi-file1 4104 8 lba)" "$(tuples /tmp/pi-file1 4104 8)"
check 'a guest without the feature writes' write_blocks "${at[4 0]}" 4112 feature
same "the host's file has what was made for it" \
	"$(tuples_of /tmp/pi-file1 4112 8 lba)" "$(tuples /tmp/pi-file1 4112 8)"
check 'the guest reads all of it, and verifies it' guest pi \
	"dd if=/dev/${at[1 $file1]} bs=4k skip=512 count=3 iflag=direct | tr -d '\\n' | md5sum"
check 'one that does not want it reads, too' guest pi "echo 0 >/sys/block/${at[1 $file1]}/integrity/read_verify
	dd if=/dev/${at[1 $file1]} of=/dev/null bs=4k skip=512 count=3 iflag=direct
	status=\$?; echo 1 >/sys/block/${at[1 $file1]}/integrity/read_verify; exit \$status"

# ---- what is wrong on the medium -----------------------------------------------

# spoil FILE LBA OFFSET: another value for two bytes of the block's tuple
spoil() {
	local place=$(($2 * 8 + $3)) bytes
	bytes=$(od -An -tu1 -j "$place" -N 2 "$1.protection")
	# shellcheck disable=SC2059,SC2046,SC2086,SC2183 # two numbers, and the bytes are made here
	printf "$(printf '\\%03o\\%03o' $(for byte in $bytes; do echo $((byte ^ 0x5a)); done))" |
		dd of="$1.protection" bs=1 seek="$place" conv=notrunc 2>/dev/null
}
# escape FILE LBA: the tuple says itself that it is not to be checked
escape() {
	printf '\377\377' | dd of="$1.protection" bs=1 seek=$(($2 * 8 + 2)) conv=notrunc 2>/dev/null
}
# read_says DEVICE LBA [RDPROTECT]: what the device says to a READ (10) of 8 blocks: "good",
# or sense key, code and information
read_says() {
	guest pi "sg_raw -r 4096 -o /dev/null /dev/$1 28 $(printf '%x' $((${3:-1} << 5))) \
		$(printf '%02x %02x %02x %02x' $(($2 >> 24)) $(($2 >> 16 & 255)) $(($2 >> 8 & 255)) $(($2 & 255))) 0 0 8 0" \
		>/tmp/says 2>&1 && { echo good; return; }
	sed -nE 's/^ *(Fixed|Descriptor) format, current; Sense key: /key /p
		s/^ *Additional sense: /code /p
		s/^.*Info fld=(0x[0-9a-f]+).*/at \1/p' /tmp/says | xargs
}
# guest_reads_not DEVICE LBA WORDS: a read fails, and the guest's log says why
guest_reads_not() {
	guest pi "dmesg -c >/dev/null
		! dd if=/dev/$1 of=/dev/null bs=4k skip=$(($2 / 8)) count=1 iflag=direct || { echo it was read; exit 1; }
		dmesg | grep -F '$3' || { dmesg; exit 1; }"
}
guest_reads() {
	guest pi "dd if=/dev/$1 of=/dev/null bs=4k skip=$(($2 / 8)) count=1 iflag=direct"
}
guard='Logical block guard check failed'
reference='Logical block reference tag check failed'
for which in 1 3; do
	device=${at[1 $file1]}
	((which == 1)) || device=${at[1 $file3]}
	for lba in 8192 8200 8208 8216; do
		write_blocks "$device" $lba spoilt
	done >/dev/null 2>&1
	spoil /tmp/pi-file$which 8195 0
	spoil /tmp/pi-file$which 8203 2
	spoil /tmp/pi-file$which 8211 6
	spoil /tmp/pi-file$which 8219 0
	escape /tmp/pi-file$which 8219
	check "type $which: a wrong guard is found, and the guest's log says so" \
		guest_reads_not "$device" 8192 "$guard"
	same 'with its sense and its block' "key Aborted Command code $guard at 0x2003" \
		"$(read_says "$device" 8192)"
	same 'but not if the guest says no' good "$(read_says "$device" 8192 3)"
	check 'an application tag is the guest'\''s' guest_reads "$device" 8200
	if ((which == 1)); then
		check 'a wrong reference tag is found' guest_reads_not "$device" 8208 "$reference"
		same 'with its sense and its block' "key Aborted Command code $reference at 0x2013" \
			"$(read_says "$device" 8208)"
		check 'a block that says that it is not protected is read' guest_reads "$device" 8216
	else
		check 'a reference tag is the guest'\''s, too' guest_reads "$device" 8208
	fi
	check 'a new write mends it' write_blocks "$device" 8192 mended
	check 'and it is read' guest_reads "$device" 8192
done

check 'type 3 by the port alone: the guest writes' write_blocks "${at[3 0]}" 64 port
check 'and reads' guest_reads "${at[3 0]}" 64

# The disk below iblock finds it before the module can; LIO does not pass on what it said.
host_disk=$(debug_disk)
write_blocks "${at[1 $disk]}" 8192 spoilt >/dev/null 2>&1
check 'a disk that keeps it: the guest reads' guest_reads "${at[1 $disk]}" 8192
head -c 512 /dev/urandom >/tmp/other
sg_raw -s 512 -i /tmp/other "$host_disk" 2a 0 0 0 20 3 0 0 1 0 >/dev/null 2>&1
check 'data that changed behind its protection is not read' \
	guest_reads_not "${at[1 $disk]}" 8192 'Logical unit communication failure'
check 'a new write mends it' write_blocks "${at[1 $disk]}" 8192 mended
check 'and it is read' guest_reads "${at[1 $disk]}" 8192

# ---- what goes wrong on the way ----------------------------------------------

# The guest changes what it writes after it made the guards.
for which in "1 $ram" '2 0'; do
	device=${at[$which]}
	check "target:LUN ${which/ /:}: data that changes on its way is found" guest pi "dmesg -c >/dev/null
		fio --name=change --filename=/dev/shm/data --size=512k --rw=randwrite --bs=4k --refill_buffers \
			--time_based --runtime=300 >/dev/null 2>&1 &
		until [ -s /dev/shm/data ]; do sleep 0.1; done
		fio --name=way --filename=/dev/$device --size=4m --io_size=400m --bs=512k --rw=write --direct=1 \
			--mem=mmapshared:/dev/shm/data >/tmp/fio 2>&1
		status=\$?
		kill \$!
		[ \$status != 0 ] || { echo 'all was written'; exit 1; }
		dmesg | grep -F '$guard' || { cat /tmp/fio; dmesg; exit 1; }" 120
	check 'and is not on the medium' guest pi \
		"dd if=/dev/$device of=/dev/null bs=512k count=8 iflag=direct" 60
done

guest_stop pi
wwn_remove "$pi_wwn"
wwn_remove "$plain_wwn"
for store in rd_mcp_91/pi-ram fileio_91/pi-file1 fileio_92/pi-file3 rd_mcp_92/pi-none iblock_91/pi-disk; do
	store_remove "$store"
done
check 'the disk is free' within 10 modprobe -r scsi_debug
