# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the hosts of tools/vm/group say to each other. Nobody waits for ever: when one does not
# come, the others fail, and the group ends.

# meet_within SECONDS COMMAND...: until COMMAND succeeds, at most so long
meet_within() {
	local end=$((SECONDS + $1 * ${VHOST_TEST_TIMEOUT_FACTOR:-1}))
	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.2
	done
}

# host_tell WHAT [WORDS]: for all; hosts that are killed afterwards have said it
host_tell() {
	printf '%s\n' "${2-}" >"$MEET/.$1.$HOST_NUMBER"
	mv "$MEET/.$1.$HOST_NUMBER" "$MEET/$1"
}

# host_hear WHAT [SECONDS]: wait until one says it, and print the words
host_hear() {
	meet_within "${2:-300}" test -e "$MEET/$1" || { echo "no host said $1" >&2; return 1; }
	cat "$MEET/$1"
}

# hosts_meet WHERE [SECONDS]: go on when all hosts are there; a place serves once
hosts_meet() {
	local n
	host_tell "$1.at.$HOST_NUMBER"
	for ((n = 1; n <= HOST_COUNT; n++)); do
		host_hear "$1.at.$n" "${2:-300}" >/dev/null || return
	done
}

# host_kill N: its VM ends without a word, as one whose power fails; goes on when it is gone
host_kill() {
	: >"$MEET/kill.$1"
	meet_within 60 test -e "$MEET/killed.$1" || { echo "host $1 was not killed" >&2; return 1; }
}

# host_boot N: one that was killed starts anew; goes on at once
host_boot() {
	: >"$MEET/boot.$1"
	meet_within 60 test ! -e "$MEET/boot.$1" || { echo "host $1 was not started" >&2; return 1; }
}
