#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Proves: names, port groups, nexus and attributes in configfs are taken and
# refused as targetcli and its saved configurations know it.

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
ok 'nexus is set again' write naa.5001405760000abe $tpg/nexus

# LIO's own name for the initiator, without the prefix.
mkdir $vhost/$fc/tpgt_1 $vhost/$iqn/tpgt_1
ok 'FC nexus' write fc.21000024ff0000aa $vhost/$fc/tpgt_1/nexus
ok 'iSCSI nexus' write iqn.1994-05.com.example:guest $vhost/$iqn/tpgt_1/nexus
is 'iSCSI nexus is shown' iqn.1994-05.com.example:guest "$(<$vhost/$iqn/tpgt_1/nexus)"

attrib=$tpg/attrib/fabric_prot_type
is 'fabric_prot_type is 0 at first' 0 "$(<$attrib)"
for value in 1 3 0; do
	ok "fabric_prot_type $value" write $value $attrib
	is "fabric_prot_type $value is shown" $value "$(<$attrib)"
done
for value in 2 4 -1 x; do
	fail_with 'Invalid argument' "fabric_prot_type $value" write $value $attrib
done

attrib=$tpg/attrib/bind_uid
is 'bind_uid is -1 at first' -1 "$(<$attrib)"
for value in 0 1000 4294967294 -1; do
	ok "bind_uid $value" write $value $attrib
	is "bind_uid $value is shown" $value "$(<$attrib)"
done
write 1000 $attrib
for value in -2 4294967295 4294967296 root '' 1000x; do
	fail_with 'Invalid argument' "bind_uid '$value'" write "$value" $attrib
done
is 'bind_uid stays what it was' 1000 "$(<$attrib)"
is 'bind_uid of another port group is its own' -1 "$(<$vhost/$naa/tpgt_0/attrib/bind_uid)"

attrib=$tpg/attrib/pin_memory
is 'pin_memory is 0 at first' 0 "$(<$attrib)"
for value in 1 0; do
	ok "pin_memory $value" write $value $attrib
	is "pin_memory $value is shown" $value "$(<$attrib)"
done
fail_with 'Invalid argument' 'pin_memory x' write x $attrib

attrib=$tpg/attrib/poll_us
is 'poll_us is 0 at first' 0 "$(<$attrib)"
for value in 1 10000 0; do
	ok "poll_us $value" write $value $attrib
	is "poll_us $value is shown" $value "$(<$attrib)"
done
for value in 10001 -1 x; do
	fail_with 'Invalid argument' "poll_us $value" write $value $attrib
done

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
ok 'port with its groups is removed' ./lioctl "dropwwn $naa"

tap_end
