# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2016,SC2317 # the guest's shell expands it; inside calls them
# shellcheck disable=SC2154 # inside sets them
# What the engines share whose disk is on a third host, which both hosts reach over the network.

# third_host WHAT STEP: host 3 does that, and then what the others ask it for, until they are done:
# for them it comes back when host 3 is there. One thing may wait for another.
third_host() {
	local ask name
	if ((HOST_NUMBER < 3)); then
		host_hear third >/dev/null || exit 1
		return
	fi
	volumes
	must "$1" step "$2"
	host_tell third
	host_tell set-up.at.3
	until [[ -e $MEET/over ]]; do
		for ask in "$MEET"/ask.*; do
			[[ -e $ask ]] || continue
			name=${ask##*/ask.}
			mv "$ask" "$MEET/asked.$name"
			answer "$name" &
		done
		pause 0.2
	done
	exit 0
}
answer() {
	local output status=0
	output=$(eval "$(<"$MEET/asked.$1")" 2>&1) || status=$?
	host_tell "answer.$1" "$status $output"
}
engine_end() {
	host_tell over
}

# there COMMAND...: on the third host, as ssh would do it
there() {
	local name=$HOST_NUMBER.$EPOCHREALTIME answer
	host_tell "ask.$name" "$(printf '%q ' "$@")"
	answer=$(host_hear "answer.$name" 120) || return
	printf '%s\n' "${answer#* }"
	return "${answer%% *}"
}

hang_begin() {
	there stall_begin vg0-disk0
}
hang_end() {
	there stall_end vg0-disk0
}

# It is not started again.
comes_back() {
	guest_stop main
}

# Not what the third host remembers of it: the disk.
sum_of_disk() {
	dd if=/dev/mapper/vg0-disk0 bs=1M iflag=direct status=none | md5sum
}

# late LETTER OPTIONS...: 4096 of them into the guest's file of that name
late() {
	local letter=$1
	shift
	printf '%s' "tr '\\000' $letter </dev/zero | dd of=/mnt/late bs=4k count=1 iflag=fullblock $* 2>/dev/null"
}
late_is() {
	guest main "[ \$(tr -d $1 </mnt/late | wc -c) = 0 ] && [ \$(wc -c </mnt/late) = 4096 ]"
}
stands_still() {
	local before
	before=$(last_acknowledged)
	pause 3
	[[ $(last_acknowledged) == "$before" ]]
}
# The other host looks at the disk, whatever the guest was told.
late_writes_failed() {
	check 'it fails' guest main '[ "$(cat /tmp/late.status)" != 0 ]' &&
		check 'so do its records' within 60 guest main '! pidof records >/dev/null' &&
		same 'none of them is acknowledged' "$1" "$(last_acknowledged)" &&
		check 'the third host refused them' within 60 refusal_seen
}

# Host 1 cannot be reached, and nobody switches it off: the other one takes over, once what host 1
# has sent to the third host is on the disk. What it has not sent yet is refused when it is back.
run_cut() {
	local last found start
	on 1 first_guest
	if ((HOST_NUMBER == 1)); then
		must 'a file system' records_begin
		must '100 records are acknowledged' within 120 acknowledged 100
		must 'a file has what is to stay' guest main "$(late a conv=fsync)"
		must 'the disk of the third host hangs' hang_begin
		must 'so nothing is acknowledged' within 60 stands_still
		ip link set "$HOST_CARD" down
		last=$(last_acknowledged)
		guest main "($(late z oflag=direct conv=notrunc); echo \$? >/tmp/late.status) >/dev/null 2>&1 &"
		host_tell alone "$last"
		host_hear taken 600 >/dev/null || exit 1
		must_same 'the guest still waits' "$last" "$(last_acknowledged)"
		must 'with all that it writes' guest main 'pidof records && [ ! -e /tmp/late.status ]'
		ip link set "$HOST_CARD" up
		must 'its late write ends when the network is back' within 180 guest main '[ -s /tmp/late.status ]'
		late_writes_failed "$last"
		host_tell ended
		host_hear over 600 >/dev/null || exit 1
		guest_kill main
		exit 0
	fi
	disk=$(host_hear disk 900) || exit 1
	last=$(host_hear alone 300) || exit 1
	start=$SECONDS
	{
		engine_take_over
		echo $? >/run/taken
	} >/run/taken.log 2>&1 &
	pause 5
	must 'what the other host has sent is waited for' test ! -e /run/taken
	must 'the disk of the third host goes on' hang_end
	must 'then the other host is given up' within 120 grep -qx 0 /run/taken
	note "after $((SECONDS - start)) s"
	serve
	note "the disk is served after $((SECONDS - start)) s"
	must 'the guest starts here' start guest_start
	must_same 'it finds its registration and its reservation' "$(host_hear reservation)" "$(reservation)"
	must 'its file system is right' guest main "mount /dev/$disk /mnt"
	found=$(guest main 'records check /mnt/records' 60)
	note "record $last was acknowledged, $found are there"
	must 'no acknowledged record is lost' test "$found" -ge "$last"
	must 'its file system is at rest' guest main 'umount /mnt'
	local before
	before=$(there sum_of_disk)
	must 'the third host has read the disk' test "$before"
	host_tell taken
	host_hear ended 400 >/dev/null || exit 1
	same 'the disk has not changed since the other host is back' "$before" "$(there sum_of_disk)"
	must 'the file system is still right' guest main "mount /dev/$disk /mnt"
	check 'and has what was to stay' late_is a
	guest_stop main
}
