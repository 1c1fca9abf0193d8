# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
# A backend stalls beyond the guest's time-outs: the guest and its LUN RESET wait, and no data that it wrote is lost.

guest_main
stall_create iblock_6/stall 32
trap 'stall_end stall' EXIT # nobody can leave while it does not answer
lun_add "$wwn" 1 6 iblock_6/stall
guest_scan main
disk=$(guest_disk main 1 6)
# Linux's driver never aborts: on a time-out it starts the timer again. It retries a
# command that was reset for six time-outs after it began, and then gives it up.
timeout=$((2 + slow))
guest main "echo $timeout >/sys/block/$disk/device/timeout; dmesg -c >/dev/null"

count() { # of the disk's commands: count iodone, or ioerr for those not GOOD
	guest main "printf '%d\n' \$(cat /sys/block/$disk/device/$1_cnt)"
}
waiting() {
	guest main "set -- \$(cat /sys/block/$disk/inflight); [ \$((\$1 + \$2)) -gt 0 ]"
}
goes_on() {
	local before
	before=$(count iodone)
	within 10 eval '(($(count iodone) > before + 50))' && return
	echo "$before commands before, $(count iodone) now, $(count ioerr) not GOOD"
	guest main "echo in flight: \$(cat /sys/block/$disk/inflight); ps | grep [f]io
		tail -n 5 /tmp/fio.log; dmesg | tail -n 10"
	return 1
}

guest_tell main "cd /tmp; while [ ! -e stop ] && fio --name=verify --filename=/dev/$disk --rw=randwrite \
	--bsrange=4k-64k --size=4m --ioengine=libaio --iodepth=16 --direct=1 \
	--verify=crc32c --verify_fatal=1 --randrepeat=0 >fio.log 2>&1; do echo >>passes; done >/dev/null 2>&1 &"
guest_read main "$guest_number" 10
check 'fio writes and verifies, again and again' goes_on

stall_begin stall
check 'the backend stalls with commands in flight' within 10 waiting
before=$(count iodone) errors=$(count ioerr)
sleep $((2 * timeout + 1))
check 'they are in flight after two time-outs of the guest' waiting
same 'none was answered meanwhile' "$before $errors" "$(count iodone) $(count ioerr)"
stall_end stall
check 'the load goes on' goes_on
same 'and no command failed' "$errors" "$(count ioerr)"

check 'LUN RESET under load' guest main "sg_reset -d /dev/$disk" 20
check 'the load goes on after it' goes_on

stall_begin stall
check 'the backend stalls again' within 10 waiting
errors=$(count ioerr)
guest main "(sg_reset -d /dev/$disk; echo \$? >/tmp/reset) >/dev/null 2>&1 &"
sleep 3
check 'LUN RESET waits for the commands that it ends' guest main '[ ! -e /tmp/reset ]'
stall_end stall
check 'it is answered when they are' within 20 guest main '[ -s /tmp/reset ]'
same 'with success' 0 "$(guest main 'cat /tmp/reset')"
check 'the commands that it ended were not GOOD' eval '(($(count ioerr) > errors))'
check 'the load goes on after that' goes_on

guest main 'touch /tmp/stop'
check 'fio ends' within 60 guest main '! pidof fio'
check 'all that it verified was right' guest main \
	'grep -q "err= 0" /tmp/fio.log && [ -s /tmp/passes ] || { tail -n 20 /tmp/fio.log; false; }'
note "$(guest main 'wc -l </tmp/passes') passes"
same 'the guest gave nothing up' '' \
	"$(guest main 'dmesg | grep -iE "I/O error|offline|rejecting|Call Trace|BUG|WARNING"')"
guest_forget main "$disk"
lun_remove "$wwn" 1 6
trap - EXIT
mapped_remove iblock_6/stall
