# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
# SeaBIOS and OVMF boot from LUN 0 of a port as targetcli makes it: they load a program and read more by their own drivers.

guest_stop main
wwn=naa.5001405000000003 # the other one stays for the next part
cd /tmp || return
# What is booted writes this to port 500h, which is a file: 32 sectors of text.
head -c 12192 /dev/urandom | base64 -w 127 >payload
# A boot sector reads them from LBA 1 by INT 13h, function 42h.
cat >boot.s <<'END'
	.code16
	.globl	_start
_start:	xor	%ax, %ax
	mov	%ax, %ds
	mov	$0x42, %ah
	mov	$packet, %si
	int	$0x13
	jc	stop
	mov	$0x1000, %ax
	mov	%ax, %ds
	xor	%si, %si
	mov	$32 * 512, %cx
	cld
	mov	$0x500, %dx
	rep	outsb
stop:	hlt
	jmp	stop
packet:	.byte	16, 0
	.word	32, 0, 0x1000
	.quad	1
	.org	510
	.word	0xaa55
END
as --32 -o boot.o boot.s
ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o boot.bin boot.o
file_create fileio_9/bios 16
dd if=boot.bin of=bios conv=notrunc status=none
dd if=payload of=bios bs=512 seek=1 conv=notrunc status=none
# An application of UEFI is loaded as a whole, from a file system.
cat >efi.s <<'END'
	.globl	_start
_start:	lea	payload(%rip), %rsi
	mov	$32 * 512, %ecx
	mov	$0x500, %edx
	cld
	rep	outsb
stop:	hlt
	jmp	stop
payload: .incbin "payload"
END
as --64 -o efi.o efi.s
objcopy -I elf64-x86-64 -O pe-x86-64 efi.o efi.obj
ld -m i386pep --subsystem 10 -e _start -o BOOTX64.EFI efi.obj
file_create fileio_10/efi 16
mformat -i efi ::
mmd -i efi ::/EFI ::/EFI/BOOT
mcopy -i efi BOOTX64.EFI ::/EFI/BOOT

arrived() { (($(stat -c %s arrived) == 32 * 512)); }
# boots QEMUOPTIONS...
boots() {
	: >arrived
	guest_qemu firmware -chardev file,id=out,path=arrived \
		-device isa-debugcon,iobase=0x500,chardev=out \
		-chardev file,id=log,path=firmware.log -device isa-debugcon,iobase=0x402,chardev=log "$@"
	within 120 arrived || {
		ls -l arrived
		tail -n 25 firmware.log
		tail -c 2000 "$work/firmware/console"
		return 1
	}
	cmp arrived payload
}
device=vhost-scsi-pci,wwpn=$wwn,num_queues=2
for firmware in bios efi; do
	options=() name=SeaBIOS store=fileio_9/bios
	if [[ $firmware == efi ]]; then
		options=(-bios /usr/share/ovmf/OVMF.fd) name=OVMF store=fileio_10/efi
	fi
	tpg_create "$wwn" 1
	lun_add "$wwn" 1 0 "$store"
	begin=$SECONDS
	check "$name boots from it" boots "${options[@]}" -device "$device"
	note "$((SECONDS - begin)) s"
	guest_kill firmware
	# OVMF takes half a minute, and minutes on a kernel with checkers.
	if [[ $firmware == bios ]] || ((slow == 1)); then
		check "$name boots by a bootindex" boots "${options[@]}" \
			-device "$device,boot_tpgt=1,bootindex=1"
		guest_kill firmware
	fi
	wwn_remove "$wwn"
	store_remove "$store"
done
