/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Targets and backstores for the tests, by configfs and device-mapper ioctls:
 * no program is started but modprobe, so that it is fast on slow machines too.
 *
 * Everything that is made has a name of its own kind: backstores are on the HBAs
 * with number LIO_HBA, names of ports begin with LIO_WWN, names of block devices
 * with vsg. The command "cleanup" removes everything with such a name.
 */
#ifndef LIO_H
#define LIO_H

#define LIO_ROOT "/sys/kernel/config/target"
#define LIO_HBA "760"
#define LIO_WWN "naa.500140576000"

/**
 * lio() - run commands
 * @fmt: commands as for printf(), with ';' or a line's end between them
 *
 * init				load what is needed, make the fabric's directory
 * cleanup			remove everything of ours
 * ramdisk NAME MIB		backstores
 * fileio NAME MIB [buffered|direct]
 * block NAME MIB [NSEC [SIZE]]	  iblock on a null_blk disk that keeps its data; a
 *				  timer's interrupt completes commands after NSEC, or
 *				  the submission if that is 0; blocks of SIZE bytes
 * crypt NAME MIB		  iblock on dm-crypt with sectors of 4096 bytes
 * integrity NAME MIB		  the same with dm-integrity; half of MIB is for data
 * zram NAME MIB		  iblock on a compressed RAM disk
 * loop NAME MIB SIZE		  iblock on a loop device with direct I/O, over null_blk;
 *				  blocks of SIZE bytes
 * sparse NAME MIB		  iblock on a loop device over a sparse file, which writes
 *				  zeroes itself
 * disk NAME PATH		  iblock on a disk that is there
 * filesystem NAME MIB SIZE [TYPE]  ext4, or xfs, on null_blk with blocks of SIZE bytes, for
 *				  the files of later fileio backstores
 * dax TYPE			the same on persistent memory, of which files are mapped
 *				  directly
 * hangable NAME MIB		  the same, with hang and unhang
 * jammed NAME MIB		  iblock on a loop device over one that hangs: 128 commands
 *				  have its tags then, and the next one's submission sleeps
 * narrow NAME MIB NSEC DEPTH	  block, with that many tags
 * pull NAME			a block or narrow disk goes, while its backstore stays
 * throttle NAME USEC		  a block or narrow disk's queue throttles writes that
 *				  take it longer
 * delayed NAME MIB RD WR	  the same, with so many ms for each command
 * sleepy NAME MIB [HOW]	  the same, by fileio, which waits for the disk
 * tardy NAME MIB RD WR		  delayed, by fileio, which waits for the disk
 * broken NAME MIB		  iblock on a disk that answers with errors only
 * scsi NAME [TYPE]		pscsi on a disk of scsi_debug, or another type of
 *				  device (SPC: 1 tape, 5 CD-ROM)
 * user NAME MIB		user: whoever opens its uio device plays the disk
 * protected NAME TYPE		iblock on a disk of scsi_debug that keeps protection
 *				  information of TYPE; scsi_debug is loaded anew
 * atomic NAME BLOCKS		iblock on a disk of scsi_debug that writes up to BLOCKS
 *				  as one; likewise
 * reserved NAME		iblock on a disk of scsi_debug that another host has reserved;
 *				  likewise
 * inject OPTS [NTH]		what scsi_debug does wrong (its parameters opts and
 *				  every_nth)
 * pose TYPE			what scsi_debug's devices say they are
 * hang NAME			commands are not answered from now on
 * unhang NAME			... until now
 * fail NAME MIB [FROM COUNT]	commands to a hangable or sleepy disk fail from now
 *				  on, or those to some of its sectors
 * flaky NAME MIB UP DOWN [WHAT]	  likewise, for DOWN s after every UP s of none,
 *				  in the way that WHAT says (dm-flakey)
 * heal NAME MIB			... until now
 * again NAME [readonly]	an iblock backstore is removed and made anew; no
 *				  LUN may use it
 * acl WWN TAG NEXUS		a port group that lets in NEXUS; before its tpg
 * map WWN TAG NEXUS LUN N	NEXUS sees the port group's LUN N as LUN
 * unmap WWN TAG NEXUS LUN
 * tpg WWN TAG [NEXUS]		a port group
 * lun WWN TAG LUN NAME		a LUN with a backstore behind it
 * unlun WWN TAG LUN
 * droptpg WWN TAG		a port group with its LUNs
 * dropwwn WWN			a port with all that it has
 *
 * Return: 0, or the negative errno of the first command that failed; the rest is
 * not run.  Says on stderr which one it was, except for -EBUSY.
 */
__printf(1, 2) int lio(const char *fmt, ...);

/**
 * lio_write() - write a word to a file below LIO_ROOT
 * @text: what to write
 * @fmt: path relative to LIO_ROOT
 *
 * Return: 0 or a negative errno.
 */
__printf(2, 3) int lio_write(const char *text, const char *fmt, ...);

/**
 * lio_scsi_file() - read a file that the kernel has about a scsi backstore
 * @name: the backstore
 * @file: in the device's directory in sysfs
 * @buf: filled
 * @size: bytes of @buf
 *
 * Return: bytes read, or a negative errno.
 */
int lio_scsi_file(const char *name, const char *file, void *buf, int size);

/**
 * lio_rmdir() - remove a directory below LIO_ROOT
 * @fmt: path relative to LIO_ROOT
 *
 * Return: 0 or a negative errno.
 */
__printf(1, 2) int lio_rmdir(const char *fmt, ...);

#endif /* LIO_H */
