# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
# Persistent reservations work from a guest, including PREEMPT AND ABORT, and no command hangs.

guest_main
disk=/dev/$(guest_disk main 1 5)
check 'register a key' guest main "sg_persist --no-inquiry --out --register --param-sark=0xabc $disk"
check 'reserve' guest main "sg_persist --no-inquiry --out --reserve --param-rk=0xabc --prout-type=3 $disk"
same 'the key is there' 0xabc \
	"$(guest main "sg_persist --no-inquiry --in --read-keys $disk" | grep -oE '0x[0-9a-f]+$' | head -n 1)"
check 'the reservation is there' guest main \
	"sg_persist --no-inquiry --in --read-reservation $disk | grep -qE 'Key ?= ?0xabc'"
check 'PREEMPT AND ABORT of the own key is answered' guest main \
	"sg_persist --no-inquiry --out --preempt-abort --param-rk=0xabc --param-sark=0xabc --prout-type=3 $disk" 20
check 'I/O goes on after it' guest main "dd if=$disk of=/dev/null bs=64k count=16 iflag=direct"
check 'clear' guest main "sg_persist --no-inquiry --out --clear --param-rk=0xabc $disk"
check 'no key is left' guest main \
	"sg_persist --no-inquiry --in --read-keys $disk | grep -qiE 'no registered|no registrants|there are NO'"
