# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Completion of vhost-scsi for bash

_vhost_scsi() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} found=''
	if ((COMP_CWORD == 1)); then
		found='list top latency inflight slow trace check metrics --help --version'
	else
		case $before in
		--by) found='device lun queue' ;;
		--sort) found='iops mb p99 flight errors name' ;;
		--stage) found='submit backend answer total' ;;
		--textfile)
			mapfile -t COMPREPLY < <(compgen -f -- "$word")
			return
			;;
		--device)
			# Numbers of devices, and names of ports
			found=$(
				cd /sys/class/misc/vhost-scsi/devices 2>/dev/null || exit 0
				printf '%s\n' *
				cat ./*/wwpn 2>/dev/null
			)
			;;
		-d | --delay | -n | --count | -t | --time | --older | --event | --filter | --listen) return ;;
		*)
			case ${COMP_WORDS[1]} in
			list | check) found='' ;;
			top) found='-b --batch -d --delay -n --count --by --sort --measure' ;;
			latency) found='--device -t --time --by --stage --split' ;;
			inflight) found='--device --older' ;;
			slow) found='--device' ;;
			trace) found='--event --filter -t --time --list' ;;
			metrics) found='--textfile --listen' ;;
			*) return ;;
			esac
			found+=' --json -h --help'
			;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$found" -- "$word")
}
complete -F _vhost_scsi vhost-scsi
