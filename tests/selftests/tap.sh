# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# TAP for tests that are scripts: source it, call ok and fail_with, end with
# tap_end.

tap_n=0 tap_failed=0

echo 'TAP version 13'

# tap_skip_all REASON: end the script.
tap_skip_all() {
	echo "1..0 # SKIP $*"
	exit 4
}

# tap_skip NAME REASON: one test that cannot be done here.
tap_skip() {
	tap_n=$((tap_n + 1))
	echo "ok $tap_n $1 # SKIP $2"
}

# tap_result STATUS NAME
tap_result() {
	tap_n=$((tap_n + 1))
	if (($1 == 0)); then
		echo "ok $tap_n $2"
	else
		echo "not ok $tap_n $2"
		tap_failed=$((tap_failed + 1))
	fi
}

# ok NAME COMMAND...: the command must succeed.
ok() {
	local name=$1 out status=0

	shift
	out=$("$@" 2>&1) || status=$?
	((status == 0)) || echo "# $*: ${out:-exit status $status}"
	tap_result $status "$name"
}

# fail_with MESSAGE NAME COMMAND...: the command must fail, and say so (part of
# strerror's text, in English).
fail_with() {
	local message=$1 name=$2 out status=0

	shift 2
	out=$(LC_ALL=C "$@" 2>&1) && status=1
	[[ $out == *"$message"* ]] || status=1
	((status == 0)) || echo "# $*: expected '$message', got '$out'"
	tap_result $status "$name"
}

# is NAME EXPECTED SEEN
is() {
	local status=0

	[[ $2 == "$3" ]] || status=1
	((status == 0)) || echo "# expected '$2', seen '$3'"
	tap_result $status "$1"
}

# write TEXT FILE: a command for the above. The shell's own echo writes line by line.
write() {
	/bin/echo "$1" >"$2"
}

# read_file FILE: a command for the above.
read_file() {
	cat "$1"
}

tap_end() {
	echo "1..$tap_n"
	((tap_failed == 0))
}
