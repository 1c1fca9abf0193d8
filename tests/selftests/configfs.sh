#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Proves: configfs accepts and refuses names, port groups, nexus and attributes as
# targetcli and its saved configurations expect.

cd "$(dirname "$0")" || exit 1
# shellcheck source=tests/selftests/tap.sh
. ./tap.sh

((EUID == 0)) || tap_skip_all 'needs root'
./lioctl init 2>/dev/null || tap_skip_all 'no vhost-scsi on this machine'
./lioctl cleanup || exit 1

vhost=/sys/kernel/config/target/vhost
naa=naa.5001405760000001 iqn=iqn.2003-01.org.linux-iscsi.vsg:sn.1 fc=fc.21000024ff000001
trap 'rmdir $vhost/{$iqn,$fc}/tpgt_* $vhost/{$iqn,$fc} 2>/dev/null; ./lioctl cleanup' EXIT

ok 'fabric has a version' read_file $vhost/version

for name in $naa $iqn $fc; do
	ok "name $name" mkdir "$vhost/$name"
done
for name in eui.0123456789abcdef naa xnaa.5001405760000009 '.naa.' disk0; do
	fail_with 'Invalid argument' "name $name is refused" mkdir "$vhost/$name"
done
# 223 characters are those that fit into the ioctl's field, with its end.
long=iqn.$(printf '%0219d' 0)
ok 'a name of 223 characters' mkdir "$vhost/$long"
ok 'it is removed' rmdir "$vhost/$long"
fail_with 'Invalid argument' 'a name of 224 characters is refused' mkdir "$vhost/${long}0"
fail_with 'File exists' 'a name twice' mkdir $vhost/$naa

for tag in 0 1 255; do
	ok "tpgt_$tag" mkdir $vhost/$naa/tpgt_$tag
done
for tag in 256 65536 -1 x '' 01 +1 ' 1' 0x1 1x; do
	fail_with 'Invalid argument' "tpgt_$tag is refused" mkdir "$vhost/$naa/tpgt_$tag"
done
fail_with 'Invalid argument' 'tpg_1 is refused' mkdir $vhost/$naa/tpg_1

# Since 6.7 a fabric says how it wants commands submitted and completed: 1 is directly.
for param in {direct,default}_{submit,complete}_{supported,type}; do
	[[ -e $vhost/$naa/param/$param ]] || continue
	is "$param is 1" 1 "$(<"$vhost/$naa/param/$param")"
done

tpg=$vhost/$naa/tpgt_1
ok 'nexus is set' write naa.5001405760000abc $tpg/nexus
is 'nexus is shown' naa.5001405760000abc "$(<$tpg/nexus)"
fail_with 'File exists' 'a second nexus' write naa.5001405760000abd $tpg/nexus
ok 'nexus is cleared' write NULL $tpg/nexus
fail_with 'No such device' 'a cleared nexus is not shown' read_file $tpg/nexus
fail_with 'No such device' 'nexus cleared twice' write NULL $tpg/nexus
fail_with 'Invalid argument' 'nexus of another protocol' write $iqn $tpg/nexus
fail_with 'Invalid argument' 'nexus without a protocol' write disk $tpg/nexus
fail_with 'Invalid argument' 'nexus with too long a name' write "naa.$(printf '%0252d' 0)" $tpg/nexus
fail_with 'Invalid argument' 'nexus of two words' write 'naa.5001405760000abc d' $tpg/nexus
# The shell would write each line for itself.
write_once() { printf '%s\n' "$1" | dd of="$2" bs=4096 iflag=fullblock status=none; }
fail_with 'Invalid argument' 'nexus of two lines' write_once $'naa.5001405760000abc\nnaa.1' $tpg/nexus
ok 'nexus is set again' write naa.5001405760000abe $tpg/nexus

# LIO's own name for the initiator, without the prefix.
mkdir $vhost/$fc/tpgt_1 $vhost/$iqn/tpgt_1
ok 'FC nexus' write fc.21000024ff0000aa $vhost/$fc/tpgt_1/nexus
ok 'iSCSI nexus' write iqn.1994-05.com.example:guest $vhost/$iqn/tpgt_1/nexus
is 'iSCSI nexus is shown' iqn.1994-05.com.example:guest "$(<$vhost/$iqn/tpgt_1/nexus)"

# attribute NAME DEFAULT GOOD BAD: what it takes, each in turn, and what it does not
attribute() {
	local attrib=$tpg/attrib/$1 value
	is "$1 is $2 at first" "$2" "$(<"$attrib")"
	for value in $3; do
		ok "$1 $value" write "$value" "$attrib"
		is "$1 $value is shown" "$value" "$(<"$attrib")"
	done
	for value in $4; do
		fail_with 'Invalid argument' "$1 $value" write "$value" "$attrib"
	done
	fail_with 'Invalid argument' "$1 of nothing" write '' "$attrib"
	is "$1 stays what it was" "${3##* }" "$(<"$attrib")"
}
attribute fabric_prot_type 0 '1 3 0' '2 4 -1 x'
attribute bind_uid -1 '0 4294967294 -1 1000' '-2 4294967295 4294967296 root 1000x'
is 'bind_uid of another port group is its own' -1 "$(<$vhost/$naa/tpgt_0/attrib/bind_uid)"
attribute pin_memory 0 '1 0' 'x 2'
attribute poll_us 0 '1 10000 0' '10001 -1 x'

./lioctl 'ramdisk a 4'
store=/sys/kernel/config/target/core/rd_mcp_760/a
for lun in 0 255 256 16383; do
	ok "lun_$lun" ./lioctl "lun $naa 1 $lun a"
done
fail_with 'Device or resource busy' 'nexus of a port with LUNs stays' write NULL $tpg/nexus
ok 'the backstore knows its port' test -d "$store"
for lun in 0 255 256 16383; do
	ok "lun_$lun is removed" ./lioctl "unlun $naa 1 $lun"
done
ok 'nexus goes when the LUNs are gone' write NULL $tpg/nexus
ok 'port group is removed' rmdir $tpg

# As EVE-OS does it, without rtslib: the LUN's directory comes first, the nexus has the name of
# the port and stays when the port group goes.
own=naa.5001405760000e5e
ok 'a LUN before the nexus' mkdir -p $vhost/$own/tpgt_1/lun/lun_0
ok 'a nexus with the name of its port' write "$own" $vhost/$own/tpgt_1/nexus
ok 'its backstore' ln -s $store $vhost/$own/tpgt_1/lun/lun_0/iblock
is 'a guest writes and reads' $'write GOOD\nread GOOD' "$(./nexus $own 0 write read)"
ok 'its backstore goes' rm $vhost/$own/tpgt_1/lun/lun_0/iblock
ok 'the LUN goes' rmdir $vhost/$own/tpgt_1/lun/lun_0
ok 'the port group goes with its nexus' rmdir $vhost/$own/tpgt_1
ok 'the port goes' rmdir $vhost/$own
ok 'port with its groups is removed' ./lioctl "dropwwn $naa"

tap_end
