/* SPDX-License-Identifier: GPL-2.0-only */
/* Block devices for backstores that need more than configfs and device-mapper. */
#ifndef DISK_H
#define DISK_H

#include <stddef.h>

/**
 * disk_zram() - make a compressed RAM disk
 * @mib: its size
 * @path: set to its node
 * @size: bytes of @path
 *
 * Return: 0 or a negative errno.
 */
int disk_zram(const char *mib, char *path, size_t size);

/**
 * disk_loop() - make a loop device that does direct I/O
 * @file: a file or a block device
 * @block_size: of the loop device
 * @path: set to its node
 * @size: bytes of @path
 *
 * Return: 0 or a negative errno.
 */
int disk_loop(const char *file, unsigned int block_size, char *path,
	      size_t size);

/**
 * disk_filesystem() - make a file system and mount it
 * @disk: on this block device
 * @type: ext4 or xfs
 * @dir: here
 * @options: of the mount; may be NULL
 *
 * Return: 0 or a negative errno. -ENODEV: the kernel has none of @type.
 */
int disk_filesystem(const char *disk, const char *type, const char *dir,
		    const char *options);

/**
 * disk_pmem() - find the persistent memory that tools/vm/run gives the host VM
 * @path: gets the path of the node
 * @size: of @path
 *
 * Return: 0. -ENODEV: there is none, or no driver.
 */
int disk_pmem(char *path, size_t size);

/**
 * disk_remove() - undo disk_zram() or disk_loop()
 * @path: a node; one of another kind of device stays
 *
 * Return: 0 or a negative errno.
 */
int disk_remove(const char *path);

#endif /* DISK_H */
