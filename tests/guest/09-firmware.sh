# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
# SeaBIOS boots from LUN 0: it loads the boot sector and reads more sectors with its own driver.

guest_stop main
wwn=naa.5001405000000003 # the other one stays for the next part
# A boot sector that reads 32 sectors from LBA 1 by INT 13h, function 42h, and
# writes them to port 500h, which is a file.
cat >/tmp/boot.s <<'END'
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
as --32 -o /tmp/boot.o /tmp/boot.s
ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o /tmp/boot.bin /tmp/boot.o
head -c 12192 /dev/urandom | base64 -w 127 >/tmp/payload # 32 sectors of text
file_create fileio_9/boot 16
dd if=/tmp/boot.bin of=/tmp/boot conv=notrunc status=none
dd if=/tmp/payload of=/tmp/boot bs=512 seek=1 conv=notrunc status=none
tpg_create "$wwn" 1
lun_add "$wwn" 1 0 fileio_9/boot
guest_qemu firmware -chardev file,id=out,path=/tmp/arrived \
	-device isa-debugcon,iobase=0x500,chardev=out \
	-chardev file,id=bios,path=/tmp/seabios -device isa-debugcon,iobase=0x402,chardev=bios \
	-device "vhost-scsi-pci,wwpn=$wwn,num_queues=2,boot_tpgt=1,bootindex=1"
arrived() { (($(stat -c %s /tmp/arrived) == 32 * 512)); }
seabios_boots() {
	within 45 arrived || { ls -l /tmp/arrived; tail -n 25 /tmp/seabios; return 1; }
}
check 'the boot sector runs and 32 sectors arrive' seabios_boots
check 'they are what is on the LUN' cmp /tmp/arrived /tmp/payload
guest_kill firmware
wwn_remove "$wwn"
store_remove fileio_9/boot
