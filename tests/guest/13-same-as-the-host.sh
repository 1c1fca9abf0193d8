# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
# sg3_utils get the same answers, byte for byte, in a guest and on the host from the same backstore, except for fields that describe the port.

# The same backstores with the same LUNs behind a port of the host itself.
loop=$configfs/loopback/naa.5001405000000021/tpgt_1
loop_remove() {
	local lun
	for lun in "$loop"/lun/lun_*; do
		rm -f "$lun/storage"
		rmdir "$lun"
	done
	echo NULL >"$loop/nexus"
	rmdir "$loop" "${loop%/*}" "$configfs/loopback"
	rmmod tcm_loop
}
modprobe tcm_loop
mkdir -p "$loop"
trap loop_remove EXIT # also when the part fails
echo naa.5001405000000022 >"$loop/nexus"
for lun in "$configfs/vhost/$wwn/tpgt_1"/lun/lun_*; do
	mkdir "$loop/lun/${lun##*/}"
	ln -s "$(readlink -f "$(find "$lun" -maxdepth 1 -type l)")" "$loop/lun/${lun##*/}/storage"
done
# A file can be unmapped, a ramdisk not. A restore may have changed its HBA.
echo 1 | tee "$configfs"/core/fileio_*/file2/attrib/emulate_{tpu,tpws} >/dev/null
host_disk() { # LUN
	local dir
	for dir in "/sys/class/scsi_device/$(<"$loop/address"):$1"/device/block/*; do
		[[ ! -e $dir ]] || echo "/dev/${dir##*/}"
	done
}
guest_main

# Runs in the guest and in the host; prints what each program said, and how it
# ended. -v has them say also the sense data, and how much less data came.
cat >/tmp/battery <<'END'
disk=$1
run() {
	echo "---- $*"
	"$@" $disk >/tmp/out 2>&1
	echo "---- status $?"
	sed "s,$disk,DISK,g" /tmp/out
}
run_but() {
	change=$1
	shift
	run "$@" | sed -E "$change"
}
sg_turs $disk >/dev/null 2>&1; sg_turs $disk >/dev/null 2>&1
run sg_turs -v
# LIO answers zeros behind the sense data, as many as are asked for.
run sg_requests -v -H --maxlen=18
run sg_inq -v -H
for page in 0x00 0x80 0x81 0x86 0xb1 0xb2 0xb6; do
	run sg_inq -v -H --vpd --page=$page
done
# Bytes 4 to 7 alone. The port has a say in MAXIMUM TRANSFER LENGTH, and the module in what is behind
# it, and in the length (answers.limits).
run_but '/^ [1-9]0 /d; s/^( 00 +00 b0 ).{6}(.{11}).*/\1\2/' sg_vpd -v -H --page=0xb0
run sg_readcap -v -H
run sg_readcap -v -H --16
# The order of LUNs is that of their creation. LIO lists the same LUNs whatever is selected.
run sg_luns -v --select=0 | sort
# Without the number of blocks: LIO has that of the last.
run_modes() {
	run_but 's/^( 00 +(.. ){7}08 ) .{11}/\1/' sg_modes -v -H "$@"
}
run_modes -a
run_modes --page=0x08 --control=1
run_modes --page=0x3f --control=2
run sg_modes -v -H --page=0x21
run sg_opcodes -v -H
run sg_opcodes -v -H --opcode=0x28
run sg_persist -v -H --no-inquiry --in --read-keys
run sg_persist -v -H --no-inquiry --in --read-reservation
# Without SIP_C (08h): LIO has SPEC_I_PT, but not through the port.
run_but 's/^( 00 +00 08 1)[5d] /\1. /' sg_persist -v -H --no-inquiry --in --report-capabilities
run sg_persist -v -H --no-inquiry --in --read-full-status
run sg_rtpg -v -H
run sg_get_lba_status -v -H --lba=0
run sg_verify -v --lba=8 --count=8
run sg_verify -v --16 --lba=8 --count=8
run sg_verify -v --lba=0xffffff --count=8
run sg_sync -v
run sg_sync -v --16 --lba=8 --count=8
END
# These write; each side does, and both must see what the other wrote.
cat >/tmp/writers <<'END'
disk=$1 lba=$2 has_same=$3
run() {
	echo "---- $*"
	"$@" $disk >/tmp/out 2>&1
	echo "---- status $?"
	sed "s,$disk,DISK,g" /tmp/out
}
# A ramdisk lacks it, and LIO says so as of a wrong field.
run_same() { [ $has_same = 0 ] || run "$@"; }
block() { head -c 512 /dev/zero | tr '\0' "$1"; }
block A >/tmp/a
{ block A; block B; } >/tmp/ab
{ block X; block B; } >/tmp/xb
run_same sg_write_same -v --16 --lba=$lba --num=8 --in=/tmp/a --xferlen=512
run_same sg_write_same -v --10 --lba=$((lba + 8)) --num=8 --in=/tmp/a --xferlen=512
run sg_compare_and_write -v --lba=$lba --num=1 --in=/tmp/ab --xferlen=1024
run sg_compare_and_write -v --lba=$((lba + 1)) --num=1 --in=/tmp/xb --xferlen=1024
run sg_unmap -v --lba=$((lba + 8)) --num=8 --force
run_same sg_write_same -v --16 --unmap --lba=$((lba + 2)) --num=2 --in=/dev/zero --xferlen=512
run_same sg_write_same -v --16 --lba=0xffffff --num=8 --in=/tmp/a --xferlen=512
END
chmod +x /tmp/battery /tmp/writers
guest main "echo $(base64 -w 0 /tmp/battery) | base64 -d >/tmp/battery; echo $(base64 -w 0 /tmp/writers) | base64 -d >/tmp/writers"

# hex_bytes: the bytes in a dump of sg_vpd -H
hex_bytes() {
	sed -nE 's/^ *[0-9a-f]+ {2,}(([0-9a-f]{2} +){1,16}).*/\1/p' | xargs
}

# lu_designators BYTE...: of VPD page 83h those that belong to the logical unit.
# The others are the target port's: its name, the relative number that LIO gives
# each port, its group; and the target device's name, which contains the port's.
lu_designators() {
	local i=5 len
	while ((i + 3 <= $#)); do
		len=$((16#${*:i + 3:1} + 4))
		((16#${*:i + 1:1} & 0x30)) || echo "${*:i:len}"
		i=$((i + len))
	done
}

vpd83() { # SIDE LUN: bytes
	if [[ $1 == guest ]]; then
		guest main "sg_vpd -H --page=0x83 /dev/$(guest_disk main 1 "$2")"
	else
		sg_vpd -H --page=0x83 "$(host_disk "$2")"
	fi | hex_bytes
}

max_transfer() { # of sg_vpd --page=bl: blocks
	sed -nE 's/.*Maximum transfer length: ([0-9]+).*/\1/p'
}

differ() { # FILE FILE
	diff "$1" "$2" || { echo "that is the guest's (<) and the host's (>)"; return 1; }
}

# Unit attentions that earlier parts left, such as for LUNs that came and went, are
# told once, to whoever comes first.
for lun in 0 2; do
	guest main "i=0; until sg_turs /dev/$(guest_disk main 1 "$lun") || [ \$i -gt 9 ]; do i=\$((i + 1)); done" >/dev/null
done
# A key of the guest's, to be seen in the answers.
check 'the guest registers a key' guest main \
	"sg_persist --no-inquiry --out --register --param-sark=0xabc /dev/$(guest_disk main 1 0)"
# On a slow kernel one is enough: what differs is LIO's, not a matter of time.
luns=(0 2)
((slow == 1)) || luns=(0)
for lun in "${luns[@]}"; do
	guest main "sh /tmp/battery /dev/$(guest_disk main 1 "$lun")" 180 >/tmp/by-guest
	sh /tmp/battery "$(host_disk "$lun")" >/tmp/by-host
	cp /tmp/by-guest "$VM_OUT/answers-$lun" # to be looked at
	check "LUN $lun: $(grep -c '^---- status' /tmp/by-host) programs get the same answers" differ /tmp/by-guest /tmp/by-host
	check 'and they are answers' test "$(grep -c '^---- status 0' /tmp/by-host)" -gt 20
	# shellcheck disable=SC2046 # bytes
	same "LUN $lun: the unit's designators in VPD page 83h are the same" \
		"$(lu_designators $(vpd83 host "$lun"))" "$(lu_designators $(vpd83 guest "$lun"))"
	# shellcheck disable=SC2046
	check 'there are some' test "$(lu_designators $(vpd83 guest "$lun") | grep -c .)" -ge 3
	same "the port's name in it is that of the guest's port" 1 \
		"$(guest main "sg_vpd --page=0x83 /dev/$(guest_disk main 1 "$lun")" | grep -ci "$wwn,t,0x0001")"
	limit=$(sg_vpd --page=bl "$(host_disk "$lun")" | max_transfer)
	same "LUN $lun: MAXIMUM TRANSFER LENGTH is the host's, or the 64 MiB of the port" \
		$((limit < 131072 ? limit : 131072)) \
		"$(guest main "sg_vpd --page=bl /dev/$(guest_disk main 1 "$lun")" | max_transfer)"

	has_same=$((lun == 2))
	# Not all of them write; what other parts left there is not the same everywhere.
	dd if=/dev/zero of="$(host_disk "$lun")" bs=64k seek=8 count=16 oflag=direct 2>/dev/null
	guest main "sh /tmp/writers /dev/$(guest_disk main 1 "$lun") 1024 $has_same" >/tmp/by-guest
	sh /tmp/writers "$(host_disk "$lun")" 1024 $has_same >/tmp/by-host
	check "LUN $lun: programs that write get the same answers" differ /tmp/by-guest /tmp/by-host
	guest main "sh /tmp/writers /dev/$(guest_disk main 1 "$lun") 2048 $has_same" >/dev/null
	same "LUN $lun: and did the same" \
		"$(dd if="$(host_disk "$lun")" bs=512 skip=1024 count=16 iflag=direct 2>/dev/null | md5sum)" \
		"$(dd if="$(host_disk "$lun")" bs=512 skip=2048 count=16 iflag=direct 2>/dev/null | md5sum)"
	same "LUN $lun: the guest reads what the host does" \
		"$(dd if="$(host_disk "$lun")" bs=64k count=32 iflag=direct 2>/dev/null | md5sum)" \
		"$(guest main "dd if=/dev/$(guest_disk main 1 "$lun") bs=64k count=32 iflag=direct 2>/dev/null | md5sum")"
done
guest main "sg_persist --no-inquiry --out --clear --param-rk=0xabc /dev/$(guest_disk main 1 0)" >/dev/null
