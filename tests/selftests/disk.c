// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>
#include <linux/loop.h>

#include "disk.h"
#include "files.h"

#define ZRAM_CONTROL "/sys/class/zram-control"

int disk_zram(const char *mib, char *path, size_t size)
{
	char number[16], file[64], bytes[32];
	int ret = load_module("zram", NULL);

	/* To read it makes a device. */
	if (!ret)
		ret = read_file(ZRAM_CONTROL "/hot_add", number, sizeof(number));
	if (ret)
		return ret;
	snprintf(path, size, "/dev/zram%s", number);
	snprintf(file, sizeof(file), "/sys/block/zram%s/disksize", number);
	snprintf(bytes, sizeof(bytes), "%sM", mib);
	return write_file(file, bytes);
}

int disk_loop(const char *file, unsigned int block_size, char *path,
	      size_t size)
{
	struct loop_config config = {
		.block_size = block_size,
		.info.lo_flags = LO_FLAGS_DIRECT_IO,
	};
	int ret = load_module("loop", NULL), control, loop, n;

	if (ret)
		return ret;
	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return -errno;
	n = ioctl(control, LOOP_CTL_GET_FREE);
	close(control);
	if (n < 0)
		return -errno;
	snprintf(path, size, "/dev/loop%d", n);
	loop = open(path, O_RDWR | O_CLOEXEC);
	if (loop < 0)
		return -errno;
	config.fd = open(file, O_RDWR | O_CLOEXEC);
	if ((int)config.fd < 0 || ioctl(loop, LOOP_CONFIGURE, &config))
		ret = -errno;
	if ((int)config.fd >= 0)
		close(config.fd);
	close(loop);
	return ret;
}

int disk_filesystem(const char *disk, const char *type, const char *dir,
		    const char *options)
{
	/* Blocks of a page, as DAX wants them. */
	const char *opts = strcmp(type, "xfs") ? "-F -b 4096" : "-f";
	char command[256];
	int ret = make_dir(dir);

	if (ret)
		return ret;
	load_module(type, NULL);
	snprintf(command, sizeof(command), "mkfs.%s -q %s %s", type, opts, disk);
	if (system(command))
		return -EIO;
	return mount(disk, dir, type, 0, options) ? -errno : 0;
}

int disk_pmem(char *path, size_t size)
{
	int i;

	snprintf(path, size, "/dev/pmem0");
	/* The second makes a device of what the kernel was told to take for persistent. */
	if (load_module("nd_pmem", NULL) || load_module("nd_e820", NULL))
		return -ENODEV;
	/* It is probed by a work item. */
	for (i = 0; i < 100 && !exists(path); i++)
		usleep(20000);
	return exists(path) ? 0 : -ENODEV;
}

static int zram_remove(const char *number)
{
	char file[64];
	int ret;

	snprintf(file, sizeof(file), "/sys/block/zram%s/reset", number);
	ret = write_file(file, "1");
	return ret ? ret : write_file(ZRAM_CONTROL "/hot_remove", number);
}

static int loop_remove(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = ioctl(fd, LOOP_CLR_FD) ? -errno : 0;
	close(fd);
	return ret;
}

int disk_remove(const char *path)
{
	if (!strncmp(path, "/dev/zram", 9))
		return zram_remove(path + 9);
	if (!strncmp(path, "/dev/loop", 9))
		return loop_remove(path);
	return 0;
}
