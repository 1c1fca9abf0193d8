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
 * disk_filesystem() - make an ext4 file system and mount it
 * @disk: on this block device
 * @dir: here
 *
 * Return: 0 or a negative errno.
 */
int disk_filesystem(const char *disk, const char *dir);

/**
 * disk_remove() - undo disk_zram() or disk_loop()
 * @path: a node; one of another kind of device stays
 *
 * Return: 0 or a negative errno.
 */
int disk_remove(const char *path);

#endif /* DISK_H */
