# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
# libiscsi's conformance tests pass in a guest, on a file, a RAM disk and a block device; what fails is listed with its reason.

# expected_failures BACKSTORE: tests that fail there without a fault of the module; testing.rst
# says why
expected_failures() {
	awk -v store="$1" 'index("," $1 ",", "," store ",") { print $2 }' <<'LIST'
fileio,rd_mcp CompareAndWrite.Simple
fileio,rd_mcp CompareAndWrite.Miscompare
fileio,rd_mcp,iblock ReceiveCopyResults.CopyStatus
rd_mcp MultipathIO.CompareAndWrite
rd_mcp WriteSame10.Simple
rd_mcp WriteSame10.BeyondEol
rd_mcp WriteSame10.Check
rd_mcp WriteSame16.Simple
rd_mcp WriteSame16.BeyondEol
rd_mcp WriteSame16.Check
LIST
}

# Suites that take a few seconds. VHOST_GUEST_CONFORMANCE is others, by name, or all, which
# take many minutes.
suites=${VHOST_GUEST_CONFORMANCE:-ExtendedCopy Inquiry Mandatory ModeSense6 PrinReadKeys PrinReportCapabilities
	ProutRegister ProutReserve ReadCapacity16 ReceiveCopyResults Reserve6 TestUnitReady}
if [[ $suites == all ]]; then
	suites=$(iscsi-test-cu --list | awk -F. '$1 == "SCSI" && NF == 2 { print $2 }' | xargs)
fi

# LIO's work item of an EXTENDED COPY is on the stack, and does not say so: debug objects
# report that.
! has_checkers || suites=$(xargs -n 1 <<<"$suites" | grep -vxE 'ExtendedCopy|ReceiveCopyResults' | xargs)

# By two ports, for some of the tests are about two paths.
conform_ports=(naa.5001405000000086 naa.5001405000000087)
conform_stores=(fileio_86/conform rd_mcp_86/conform iblock_86/conform)
file_create fileio_86/conform 16
ramdisk_create rd_mcp_86/conform 16
stall_create iblock_86/conform 16
for i in 0 1; do
	mkdir -p "$configfs/vhost/${conform_ports[i]}/tpgt_1"
	echo "naa.500140500000008$((8 + i))" >"$configfs/vhost/${conform_ports[i]}/tpgt_1/nexus"
	for lun in "${!conform_stores[@]}"; do
		lun_add "${conform_ports[i]}" 1 "$lun" "${conform_stores[lun]}"
	done
done

# Of the tool's output: "SUITE.TEST RESULT", and what it says of a failure. It prints the
# name of a test first, and the result at the end of a line, or on a line of its own.
cat >/tmp/conform <<'SCRIPT'
suites=$1
shift
for suite in $suites; do
	begin=$(cut -d . -f 1 /proc/uptime)
	# MultipathIO.CompareAndWrite clears 256 blocks, and compares one more (1.19).
	dd if=/dev/zero of=$1 bs=64k count=4 oflag=direct 2>/dev/null
	timeout 600 iscsi-test-cu --dataloss --verbose --test=SCSI.$suite "$@" >/tmp/out 2>&1
	grep -q "Run Summary" /tmp/out || echo "$suite ended early"
	awk -v suite=$suite '
		function tell() {
			if (held != "")
				print held
			held = ""
		}
		/^ *Test: / { tell(); test = $2; skipped = 0; said = "" }
		/\[SKIPPED\]/ { skipped = 1 }
		/\[FAILED\]/ && said == "" { said = substr($0, index($0, "[FAILED]") + 9) }
		/(passed|FAILED)$/ && test != "" {
			if (/FAILED$/) held = suite "." test " FAILED " said
			else held = suite "." test (skipped ? " skipped" : " passed")
			test = ""
		}
		/^ *1\. / && held ~ / FAILED $/ { held = held $2 " " $4 }
		END { tell() }' /tmp/out
	echo "# $suite: $(($(cut -d . -f 1 /proc/uptime) - begin)) s"
done
SCRIPT
# Requests with as many segments as 1 MiB has pages: the guest does not send a command whose
# buffer lies in more, and the tool does not always tell (ExtendedCopy.Simple).
device=vhost-scsi-pci,num_queues=2,virtqueue_size=512
guest_start conform -device "$device,wwpn=${conform_ports[0]}" \
	-device "$device,wwpn=${conform_ports[1]}"
guest conform "echo $(base64 -w 0 /tmp/conform) | base64 -d >/tmp/conform"

# The tool does not expect the unit attentions of a LUN that is new.
paths_of() { # LUN
	guest conform "for d in /sys/class/scsi_device/*:0:1:$1/device/block/*; do
		d=/dev/\${d##*/}; sg_turs -n 3 \$d >/dev/null 2>&1; echo \$d; done" | xargs
}
for lun in "${!conform_stores[@]}"; do
	store=${conform_stores[lun]%_*}
	results=$VM_OUT/conform-$store
	guest conform "sh /tmp/conform '$suites' $(paths_of "$lun")" 3000 >"$results"
	note "$store: $(sed -n 's/^# //p' "$results" | xargs)"
	same "$store: every suite came to its end" '' "$(grep ' ended early' "$results")"
	passed=$(grep -c ' passed$' "$results")
	check "$store: $passed tests passed" test "$passed" -ge "$(wc -w <<<"$suites")"
	same "$store: no other failed than those that are listed" '' "$(awk '
		NR == FNR { known[$1] = 1; next }
		$2 == "FAILED" && !known[$1]' <(expected_failures "$store") "$results")"
	same "$store: none of those that are listed passed" '' "$(awk '
		NR == FNR { known[$1] = 1; next }
		$2 == "passed" && known[$1]' <(expected_failures "$store") "$results")"
done
guest_stop conform
for port in "${conform_ports[@]}"; do
	wwn_remove "$port"
done
store_remove fileio_86/conform
store_remove rd_mcp_86/conform
mapped_remove iblock_86/conform
