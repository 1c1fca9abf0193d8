# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2016,SC2154 # the guest's shell expands it; disk and acks are the caller's
# What the tests of several hosts share, in their VMs.

# shellcheck source=tests/guest/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../guest/lib.sh"
# shellcheck source=tools/vm/meet.sh
. "$tree/tools/vm/meet.sh"

# on HOST COMMAND...: only there
on() {
	((HOST_NUMBER == $1)) || return 0
	shift
	"$@"
}

# must WHAT COMMAND...: a test case without which there is no sense in the rest
must() {
	check "$@" || exit 1
}
must_same() {
	same "$@" || exit 1
}

# time_of WORD: when it was said, by the clock of the machine that has all hosts
time_of() {
	stat -c %.Y "$MEET/$1"
}
# between WORD WORD: seconds
between() {
	awk -v a="$(time_of "$1")" -v b="$(time_of "$2")" 'BEGIN { printf "%.1f", b - a }'
}

# ---- a host -----------------------------------------------------------------

# volume NAME DEVICE: a logical volume
volume() {
	dmsetup create "$1" --table "0 $(blockdev --getsz "$2") linear $2 0" &&
		dmsetup mknodes "$1"
}

# ---- a guest with its disk, $disk, whose acknowledgements are in $acks --------------------

reservation() {
	guest main "sg_persist --no-inquiry -k /dev/$disk; sg_persist --no-inquiry -r /dev/$disk" |
		grep -v PR.generation
}
# Records, each of which is acknowledged to whoever reads the console; on a file system, which
# records_begin makes.
records_begin() {
	guest main "mkfs.ext4 -q /dev/$disk && mount /dev/$disk /mnt" 60 && records_go_on
}
records_go_on() {
	guest main 'for dir in /sys/class/virtio-ports/*; do
			[ $(cat $dir/name) != acks ] || port=/dev/${dir##*/}
		done
		records write /mnt/records $port >/tmp/records.out 2>&1 &' 60
}
# Of the disk, for which the file system is mounted anew.
records_end() {
	guest main 'kill $(pidof records)
		while pidof records; do sleep 0.1; done
		umount /mnt && mount /dev/'"$disk"' /mnt'
}
acknowledged() {
	(($(wc -l <"$acks") >= $1))
}
last_acknowledged() {
	tail -n 2 "$acks" | sed -n '/^[0-9][0-9]*$/h; ${x;p}'
}
