// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <linux/dm-ioctl.h>
#include <unistd.h>

#include "disk.h"
#include "files.h"
#include "lio.h"
#include "store.h"
#include "util.h"

#define NULLB "/sys/kernel/config/nullb"
#define FILES "/tmp/vsg-files"
#define SCSI_DEBUG "/sys/bus/pseudo/drivers/scsi_debug"
#define SCSI_DEVICES "/sys/bus/scsi/devices"

/* ---- device-mapper ------------------------------------------------------ */

#define DM_BUF 16384

static int dm_ioctl(unsigned long cmd, struct dm_ioctl *io, const char *name,
		    uint32_t flags)
{
	static int fd = -1;

	if (fd < 0) {
		load_module("dm_mod", NULL);
		fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return -errno;
	}
	io->version[0] = DM_VERSION_MAJOR;
	io->data_size = DM_BUF;
	io->data_start = sizeof(*io);
	io->flags = flags;
	if (name)
		snprintf(io->name, sizeof(io->name), "vsg-%s", name);
	return ioctl(fd, cmd, io) ? -errno : 0;
}

static int dm_simple(unsigned long cmd, const char *name, uint32_t flags)
{
	struct dm_ioctl *io = calloc(1, DM_BUF);
	int ret = dm_ioctl(cmd, io, name, flags);

	free(io);
	return ret;
}

/**
 * struct dm_part - a range of a mapped disk
 * @sectors: its length
 * @target: what serves it
 * @params: the target's
 */
struct dm_part {
	uint64_t sectors;
	const char *target;
	char params[512];
};

/* Gives a disk these parts, one after the other, from now on. */
static int dm_load(const char *name, const struct dm_part *part, unsigned int n)
{
	struct dm_ioctl *io = calloc(1, DM_BUF);
	struct dm_target_spec *spec = (void *)(io + 1);
	uint64_t start = 0;
	unsigned int i;
	int ret;

	for (i = 0; i < n; i++) {
		if (!part[i].sectors)
			continue;
		io->target_count++;
		spec->sector_start = start;
		spec->length = part[i].sectors;
		spec->next = sizeof(*spec) + sizeof(part[i].params);
		snprintf(spec->target_type, sizeof(spec->target_type), "%s",
			 part[i].target);
		strcpy((char *)(spec + 1), part[i].params);
		start += part[i].sectors;
		spec = (void *)((char *)spec + spec->next);
	}
	ret = dm_ioctl(DM_TABLE_LOAD, io, name, 0);
	free(io);
	return ret ? ret : dm_simple(DM_DEV_SUSPEND, name,
				     DM_SKIP_LOCKFS_FLAG | DM_NOFLUSH_FLAG);
}

/* A disk of that part; its path in @path. */
static int dm_create(const char *name, const struct dm_part *part, char *path,
		     size_t size)
{
	struct dm_ioctl *io = calloc(1, DM_BUF);
	int ret = dm_ioctl(DM_DEV_CREATE, io, name, 0);

	snprintf(path, size, "/dev/dm-%u", (unsigned int)(io->dev & 0xff) |
		 (unsigned int)(io->dev >> 12 & 0xfff00));
	free(io);
	return ret ? ret : dm_load(name, part, 1);
}

/* Lets go of all disks of ours, and removes them if @remove. */
static int dm_release(bool remove)
{
	struct dm_ioctl *io = calloc(1, DM_BUF);
	struct dm_name_list *list;
	int ret = 0, err;

	if (!exists("/dev/mapper/control") ||
	    dm_ioctl(DM_LIST_DEVICES, io, NULL, 0))
		goto out;
	list = (void *)((char *)io + io->data_start);
	while (list->dev) {
		if (!strncmp(list->name, "vsg-", 4)) {
			dm_simple(DM_DEV_SUSPEND, list->name + 4, 0);
			err = remove ? dm_simple(DM_DEV_REMOVE, list->name + 4,
						 0) : 0;
			ret = ret ? ret : err;
		}
		if (!list->next)
			break;
		list = (void *)((char *)list + list->next);
	}
out:
	free(io);
	return ret;
}

/* ---- backstores --------------------------------------------------------- */

/* What all kinds have in common; the serial follows from the name alone. */
static int backstore(const char *type, const char *name, const char *control,
		     const char *udev_path)
{
	char dir[PATH_MAX], path[PATH_MAX + 32], serial[40];
	uint64_t h = 0xcbf29ce484222325ULL;
	const char *p;
	int ret;

	for (p = name; *p; p++)
		h = (h ^ (uint8_t)*p) * 0x100000001b3ULL;
	snprintf(serial, sizeof(serial), "%016llx%016llx",
		 (unsigned long long)h, (unsigned long long)~h);

	snprintf(dir, sizeof(dir), LIO_ROOT "/core/%s_" LIO_HBA, type);
	ret = make_dir(dir);
	if (ret)
		return ret;
	snprintf(dir, sizeof(dir), LIO_ROOT "/core/%s_" LIO_HBA "/%s", type,
		 name);
	if (mkdir(dir, 0755))
		return -errno;
	snprintf(path, sizeof(path), "%s/control", dir);
	ret = write_file(path, control);
	snprintf(path, sizeof(path), "%s/wwn/vpd_unit_serial", dir);
	/* A device that is passed through has its own. */
	if (!ret && strcmp(type, "pscsi"))
		ret = write_file(path, serial);
	snprintf(path, sizeof(path), "%s/udev_path", dir);
	if (!ret && udev_path)
		ret = write_file(path, udev_path);
	snprintf(path, sizeof(path), "%s/enable", dir);
	if (!ret)
		ret = write_file(path, "1");
	return ret;
}

static int cmd_ramdisk(char **arg)
{
	char control[64];

	snprintf(control, sizeof(control), "rd_pages=%d", atoi(arg[1]) * 256);
	return backstore("rd_mcp", arg[0], control, NULL);
}

/* Without an answer of user space to what is said by netlink. */
static int cmd_user(char **arg)
{
	char control[128];
	int ret = load_module("target_core_user", NULL);

	if (ret)
		return ret;
	snprintf(control, sizeof(control),
		 "dev_config=vsg,dev_size=%lld,hw_block_size=512,nl_reply_supported=-1",
		 atoll(arg[1]) << 20);
	return backstore("user", arg[0], control, NULL);
}

/* How it reaches the file: written through, "buffered" or "direct". */
static int fileio(const char *name, const char *path, long long size,
		  const char *how)
{
	char control[512];
	int ret = load_module("target_core_file", NULL);

	if (ret)
		return ret;
	if (!how)
		how = "";
	else if (!strcmp(how, "buffered"))
		how = ",fd_buffered_io=1";
	else if (!strcmp(how, "direct"))
		how = ",fd_async_io=1";
	else
		return -EINVAL;
	snprintf(control, sizeof(control),
		 "fd_dev_name=%s,fd_dev_size=%lld%s", path, size, how);
	return backstore("fileio", name, control, NULL);
}

/* A file without blocks. */
static int sparse_file(const char *name, long long size, char *path, size_t len)
{
	int fd, ret;

	ret = make_dir(FILES);
	if (ret)
		return ret;
	snprintf(path, len, FILES "/%s", name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	ret = ftruncate(fd, size) ? -errno : 0;
	close(fd);
	return ret;
}

static int cmd_fileio(char **arg)
{
	long long size = atoll(arg[1]) << 20;
	char path[256];
	int ret = sparse_file(arg[0], size, path, sizeof(path));

	return ret ? ret : fileio(arg[0], path, size, arg[2]);
}

static int iblock(const char *name, const char *disk, bool readonly)
{
	char control[PATH_MAX + 32];
	int ret = load_module("target_core_iblock", NULL);

	if (ret)
		return ret;
	snprintf(control, sizeof(control), "udev_path=%s%s", disk,
		 readonly ? ",readonly=1" : "");
	return backstore("iblock", name, control, disk);
}

/* The disk and its data stay. */
static int cmd_again(char **arg)
{
	char dir[512], file[600], disk[256];
	int ret;

	ret = store_path(arg[0], dir, sizeof(dir));
	snprintf(file, sizeof(file), "%s/udev_path", dir);
	if (!ret)
		ret = read_file(file, disk, sizeof(disk));
	if (!ret && rmdir(dir))
		ret = -errno;
	if (!ret && arg[1] && strcmp(arg[1], "readonly"))
		ret = -EINVAL;
	return ret ? ret : iblock(arg[0], disk, arg[1]);
}

/* Where the null_blk disk of that name is. */
static int null_path(const char *name, char *path, size_t size)
{
	char file[PATH_MAX], index[32];
	int ret;

	snprintf(file, sizeof(file), NULLB "/vsg_%s/index", name);
	ret = read_file(file, index, sizeof(index));
	if (ret)
		return ret;
	/* Newer kernels name the disk like its directory. */
	snprintf(path, size, "/dev/vsg_%s", name);
	if (!exists(path))
		snprintf(path, size, "/dev/nullb%s", index);
	return 0;
}

/*
 * Where null_blk could be told to fail, fail-nth of a task counts, too: without
 * a stack in the log, that is.
 */
static void null_be_quiet(const char *name)
{
	static const char *const faults[] = { "timeout_inject", "requeue_inject",
					      "init_hctx_fault_inject" };
	char file[PATH_MAX];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(faults); i++) {
		snprintf(file, sizeof(file), NULLB "/vsg_%s/%s/verbose", name,
			 faults[i]);
		if (exists(file))
			write_file(file, "0");
	}
}

/* A null_blk disk with @depth tags that keeps its data; its path in @path. */
static int null_tags(const char *name, const char *mib, const char *nsec,
		     const char *block_size, const char *depth, char *path,
		     size_t size)
{
	const char *attrs[][2] = {
		{ "size", mib }, { "memory_backed", "1" },
		{ "blocksize", block_size ? block_size : "512" },
		{ "queue_mode", "2" },
		{ "irqmode", nsec && atoi(nsec) ? "2" : "0" },
		{ "completion_nsec", nsec ? nsec : "0" },
		{ "hw_queue_depth", depth }, { "power", "1" },
	};
	char file[PATH_MAX];
	unsigned int i;
	int ret;

	ret = load_module("null_blk", "nr_devices=0");
	if (ret)
		return ret;
	snprintf(file, sizeof(file), NULLB "/vsg_%s", name);
	if (mkdir(file, 0755))
		return -errno;
	null_be_quiet(name);
	for (i = 0; i < ARRAY_SIZE(attrs) && !ret; i++) {
		snprintf(file, sizeof(file), NULLB "/vsg_%s/%s", name,
			 attrs[i][0]);
		ret = write_file(file, attrs[i][1]);
	}
	return ret ? ret : null_path(name, path, size);
}

static int null_disk(const char *name, const char *mib, const char *nsec,
		     const char *block_size, char *path, size_t size)
{
	return null_tags(name, mib, nsec, block_size, "256", path, size);
}

static int cmd_block(char **arg)
{
	char disk[256];
	int ret = null_disk(arg[0], arg[1], arg[2], arg[2] ? arg[3] : NULL, disk,
			    sizeof(disk));

	return ret ? ret : iblock(arg[0], disk, false);
}

/* Sets a limit of the queue of a null_blk disk. */
static int set_queue(const char *name, const char *attr, const char *value)
{
	char disk[256], file[PATH_MAX];
	int ret = null_path(name, disk, sizeof(disk));

	snprintf(file, sizeof(file), "/sys/block/%s/queue/%s",
		 disk + strlen("/dev/"), attr);
	return ret ? ret : write_file(file, value);
}

static int cmd_narrow(char **arg)
{
	char disk[256];
	int ret = null_tags(arg[0], arg[1], arg[2], NULL, arg[3], disk,
			    sizeof(disk));

	/* A tag for each command. */
	if (!ret)
		ret = set_queue(arg[0], "nomerges", "2");
	return ret ? ret : iblock(arg[0], disk, false);
}

static int cmd_throttle(char **arg)
{
	return set_queue(arg[0], "wbt_lat_usec", arg[1]);
}

static uint64_t sectors(const char *mib)
{
	return (uint64_t)atoi(mib) << 11;
}

/*
 * A device-mapper disk over a null_blk disk of the same name. @params are the target's,
 * with one or more %1$s for that disk.
 */
__printf(4, 0)
static int mapped(const char *name, const char *mib, const char *target,
		  const char *params, char *path, size_t size)
{
	struct dm_part part = { .sectors = sectors(mib), .target = target };
	char disk[128];
	int ret;

	ret = null_disk(name, mib, NULL, NULL, disk, sizeof(disk));
	if (ret)
		return ret;
	/* dm-integrity keeps checksums there, too. */
	if (!strcmp(target, "integrity"))
		part.sectors /= 2;
	snprintf(part.params, sizeof(part.params), params, disk);
	return dm_create(name, &part, path, size);
}

/* iblock on a disk of 4096-byte sectors that encrypts or checks what it is given. */
static int cmd_crypt(char **arg)
{
	char path[64], params[256];
	int ret = load_module("dm_crypt", NULL);

	snprintf(params, sizeof(params),
		 "aes-xts-plain64 %064d%064d 0 %%1$s 0 1 sector_size:4096", 1, 2);
	if (!ret)
		ret = mapped(arg[0], arg[1], "crypt", params, path, sizeof(path));
	return ret ? ret : iblock(arg[0], path, false);
}

static int cmd_integrity(char **arg)
{
	char path[64];
	int ret = load_module("dm_integrity", NULL);

	if (!ret)
		ret = mapped(arg[0], arg[1], "integrity",
			     "%1$s 0 - D 2 block_size:4096 internal_hash:crc32c",
			     path, sizeof(path));
	return ret ? ret : iblock(arg[0], path, false);
}

static int cmd_disk(char **arg)
{
	return iblock(arg[0], arg[1], false);
}

static int cmd_zram(char **arg)
{
	char path[64];
	int ret = disk_zram(arg[1], path, sizeof(path));

	return ret ? ret : iblock(arg[0], path, false);
}

static int cmd_loop(char **arg)
{
	char disk[128], path[64];
	int ret = null_disk(arg[0], arg[1], NULL, arg[2], disk, sizeof(disk));

	if (!ret)
		ret = disk_loop(disk, atoi(arg[2]), path, sizeof(path));
	return ret ? ret : iblock(arg[0], path, false);
}

static int cmd_sparse(char **arg)
{
	char file[256], path[64];
	int ret = sparse_file(arg[0], atoll(arg[1]) << 20, file, sizeof(file));

	if (!ret)
		ret = disk_loop(file, 512, path, sizeof(path));
	return ret ? ret : iblock(arg[0], path, false);
}

static int cmd_filesystem(char **arg)
{
	char disk[128];
	int ret = null_disk(arg[0], arg[1], NULL, arg[2], disk, sizeof(disk));

	return ret ? ret : disk_filesystem(disk, arg[3] ? arg[3] : "ext4", FILES, NULL);
}

static int cmd_dax(char **arg)
{
	char disk[64];
	int ret = disk_pmem(disk, sizeof(disk));

	return ret ? ret : disk_filesystem(disk, arg[0], FILES, "dax");
}

static int cmd_pull(char **arg)
{
	char file[PATH_MAX];

	snprintf(file, sizeof(file), NULLB "/vsg_%s/power", arg[0]);
	return write_file(file, "0");
}

static int cmd_hangable(char **arg)
{
	char path[64];
	int ret = mapped(arg[0], arg[1], "linear", "%1$s 0", path, sizeof(path));

	return ret ? ret : iblock(arg[0], path, false);
}

static int cmd_jammed(char **arg)
{
	char dm[64], path[64];
	int ret = mapped(arg[0], arg[1], "linear", "%1$s 0", dm, sizeof(dm));

	if (!ret)
		ret = disk_loop(dm, 512, path, sizeof(path));
	return ret ? ret : iblock(arg[0], path, false);
}

static int cmd_sleepy(char **arg)
{
	char path[64];
	int ret = mapped(arg[0], arg[1], "linear", "%1$s 0", path, sizeof(path));

	return ret ? ret : fileio(arg[0], path, 0, arg[2]);
}

static int delay(char **arg, char *path, size_t size)
{
	char params[128];

	snprintf(params, sizeof(params), "%%1$s 0 %s %%1$s 0 %s", arg[2], arg[3]);
	return mapped(arg[0], arg[1], "delay", params, path, size);
}

static int cmd_delayed(char **arg)
{
	char path[64];
	int ret = delay(arg, path, sizeof(path));

	return ret ? ret : iblock(arg[0], path, false);
}

static int cmd_tardy(char **arg)
{
	char path[64];
	int ret = delay(arg, path, sizeof(path));

	return ret ? ret : fileio(arg[0], path, 0, NULL);
}

static int cmd_broken(char **arg)
{
	struct dm_part part = { .sectors = sectors(arg[1]), .target = "error" };
	char path[64];
	int ret = dm_create(arg[0], &part, path, sizeof(path));

	return ret ? ret : iblock(arg[0], path, false);
}

/* All of a mapped disk is good again but @count sectors from @from. */
static int set_errors(const char *name, const char *mib, uint64_t from,
		      uint64_t count)
{
	struct dm_part part[3] = {
		{ .sectors = from, .target = "linear" },
		{ .sectors = count, .target = "error" },
		{ .sectors = sectors(mib) - from - count, .target = "linear" },
	};
	char disk[128];
	int ret = null_path(name, disk, sizeof(disk));

	if (ret)
		return ret;
	snprintf(part[0].params, sizeof(part[0].params), "%s 0", disk);
	snprintf(part[2].params, sizeof(part[2].params), "%s %llu", disk,
		 (unsigned long long)(from + count));
	return dm_load(name, part, ARRAY_SIZE(part));
}

static int cmd_fail(char **arg)
{
	if (!arg[2] || !arg[3])
		return set_errors(arg[0], arg[1], 0, sectors(arg[1]));
	return set_errors(arg[0], arg[1], strtoull(arg[2], NULL, 0),
			  strtoull(arg[3], NULL, 0));
}

static int cmd_heal(char **arg)
{
	return set_errors(arg[0], arg[1], 0, 0);
}

/* What dm-flakey does wrong in its bad times is what follows the times. */
static int cmd_flaky(char **arg)
{
	struct dm_part part = { .sectors = sectors(arg[1]), .target = "flakey" };
	char disk[128], features[128] = "";
	unsigned int i, n = 0;
	int ret = load_module("dm_flakey", NULL);

	if (!ret)
		ret = null_path(arg[0], disk, sizeof(disk));
	if (ret)
		return ret;
	for (i = 4; arg[i]; i++, n++) {
		strcat(features, " ");
		strncat(features, arg[i], sizeof(features) - strlen(features) - 2);
	}
	snprintf(part.params, sizeof(part.params), "%s 0 %s %s %u%s", disk,
		 arg[2], arg[3], n, features);
	return dm_load(arg[0], &part, 1);
}

static int cmd_hang(char **arg)
{
	return dm_simple(DM_DEV_SUSPEND, arg[0], DM_SUSPEND_FLAG |
			 DM_SKIP_LOCKFS_FLAG | DM_NOFLUSH_FLAG);
}

static int cmd_unhang(char **arg)
{
	return dm_simple(DM_DEV_SUSPEND, arg[0], 0);
}

/* ---- scsi_debug --------------------------------------------------------- */

static int highest;	/* host number of a device of scsi_debug */
static char newest[NAME_MAX + 1];
static unsigned int scsi_hosts;

static int scsi_newest(const char *dir, const char *name)
{
	char path[PATH_MAX], model[32];
	int host;

	if (sscanf(name, "%d:0:0:0", &host) != 1)
		return 0;
	snprintf(path, sizeof(path), "%s/%s/model", dir, name);
	if (!read_file(path, model, sizeof(model)) &&
	    !strncmp(model, "scsi_debug", 10) && host > highest) {
		highest = host;
		snprintf(newest, sizeof(newest), "%s", name);
	}
	return 0;
}

static int disk_name(const char *dir, const char *name)
{
	int fd;

	/* The node is there before the disk can be opened. */
	snprintf(newest, sizeof(newest), "/dev/%s", name);
	fd = open(newest, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	close(fd);
	return 1;
}

/*
 * The address of a device on a host behind @last and, for a disk, its path;
 * both come late.
 */
static int scsi_find(int last, bool disk, char *address, size_t size)
{
	char dir[PATH_MAX];
	unsigned int i;

	for (i = 0; i < 1000; i++, usleep(10000)) {
		*newest = 0;
		highest = last;
		for_each(SCSI_DEVICES, "", scsi_newest);
		if (!*newest)
			continue;
		snprintf(address, size, "%s", newest);
		snprintf(dir, sizeof(dir), SCSI_DEVICES "/%s/block", newest);
		if (!disk || for_each(dir, "sd", disk_name) > 0)
			return 0;
	}
	return -ENODEV;
}

/* A device on a host adapter of its own, as all of them are. */
static int scsi_create(const char *name, const char *type)
{
	char address[NAME_MAX + 1], control[128];
	unsigned int host;
	int last, ret;

	/* The host's own driver for it, as on a machine that has such a device. */
	if (!strcmp(type, "1"))
		load_module("st", NULL);
	if (!strcmp(type, "5"))
		load_module("sr_mod", NULL);
	ret = load_module("scsi_debug", "add_host=0");
	if (!ret)
		ret = load_module("target_core_pscsi", NULL);
	if (!ret)
		ret = write_file(SCSI_DEBUG "/ptype", type);
	highest = -1;
	for_each(SCSI_DEVICES, "", scsi_newest);
	last = highest;
	if (!ret)
		ret = write_file(SCSI_DEBUG "/add_host", "1");
	if (!ret)
		ret = scsi_find(last, !strcmp(type, "0"), address, sizeof(address));
	if (ret)
		return ret;
	host = strtoul(address, NULL, 10);
	snprintf(control, sizeof(control),
		 "scsi_host_id=%u,scsi_channel_id=0,scsi_target_id=0,scsi_lun_id=0",
		 host);
	return backstore("pscsi", name, control, newest);
}

static bool scsi_has(const char *parameter)
{
	char path[PATH_MAX], value[16] = "";

	snprintf(path, sizeof(path), "/sys/module/scsi_debug/parameters/%s", parameter);
	read_file(path, value, sizeof(value));
	return *value == 'Y' || atoi(value);
}

/* Did scsi_special() load it? A test after this one must not get its disks, nor their way. */
static bool scsi_is_special(void)
{
	return exists("/sys/module/scsi_debug") && !scsi_has("delay");
}

/* It holds no disk of ours any more; who looks at a new disk may still do so. */
static int scsi_unload(void)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < 1000; i++, usleep(10000)) {
		if (!syscall(SYS_delete_module, "scsi_debug", O_NONBLOCK))
			return 0;
		ret = -errno;
		if (ret == -ENOENT)
			return 0;
	}
	return ret;
}

/* READ and WRITE (10) and (16), by which the kernel reads and writes. */
static const unsigned int block_codes[] = { 0x28, 0x2a, 0x88, 0x8a };

/*
 * iblock on a disk of scsi_debug, which is loaded anew, without a delay. Older ones may not know
 * @needed.
 */
static int scsi_special(char *name, const char *options, const char *needed)
{
	char address[NAME_MAX + 1], param[128];
	char *disk[2];
	int ret;

	disk[0] = name;
	disk[1] = newest;
	snprintf(param, sizeof(param), "add_host=1 dev_size_mb=16 delay=0 %s", options);
	ret = scsi_unload();
	if (!ret)
		ret = load_module("scsi_debug", param);
	if (!ret)
		ret = scsi_find(-1, true, address, sizeof(address));
	if (!ret && needed && !scsi_has(needed)) {
		ret = scsi_unload();
		return ret ? ret : -EOPNOTSUPP;
	}
	return ret ? ret : cmd_disk(disk);
}

/* Since Linux 6.7 scsi_debug can be told what it answers to a command. */
static int cmd_reserved(char **arg)
{
	char path[PATH_MAX], what[64];
	unsigned int i;
	int ret;

	ret = scsi_special(arg[0], "", NULL);
	if (ret)
		return ret;
	highest = -1;
	for_each(SCSI_DEVICES, "", scsi_newest);
	snprintf(path, sizeof(path), "/sys/kernel/debug/scsi_debug/%s/error", newest);
	if (!exists(path))
		return -EOPNOTSUPP;
	for (i = 0; i < ARRAY_SIZE(block_codes) && !ret; i++) {
		/*
		 * Fail a command, always, by its code. The third byte is the status. The sense
		 * key is there so that sd does not take it for a mistake, and try again for ever.
		 */
		snprintf(what, sizeof(what), "2 1 0x%x 0 0 0x18 5 0 0", block_codes[i]);
		ret = write_file(path, what);
	}
	return ret;
}

static int cmd_protected(char **arg)
{
	char options[64];

	snprintf(options, sizeof(options), "dix=1 dif=%s", arg[1]);
	return scsi_special(arg[0], options, "dif");
}

static int cmd_atomic(char **arg)
{
	char options[64];

	snprintf(options, sizeof(options), "atomic_wr=1 atomic_wr_max_length=%s", arg[1]);
	return scsi_special(arg[0], options, "atomic_wr");
}

static int cmd_scsi(char **arg)
{
	return scsi_create(arg[0], arg[1] ? arg[1] : "0");
}

int lio_scsi_file(const char *name, const char *file, void *buf, int size)
{
	char path[PATH_MAX], info[512];
	unsigned int host;
	const char *p;
	int fd, ret;

	snprintf(path, sizeof(path), LIO_ROOT "/core/pscsi_" LIO_HBA "/%s/info",
		 name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = read(fd, info, sizeof(info) - 1);
	close(fd);
	if (ret < 0)
		return -errno;
	info[ret] = 0;
	p = strstr(info, "Host ID: ");
	if (!p || sscanf(p, "Host ID: %u", &host) != 1)
		return -EINVAL;
	snprintf(path, sizeof(path), SCSI_DEVICES "/%u:0:0:0/%s", host, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = read(fd, buf, size);
	close(fd);
	return ret < 0 ? -errno : ret;
}

static int cmd_inject(char **arg)
{
	int ret = write_file(SCSI_DEBUG "/every_nth", arg[1] ? arg[1] : "0");

	return ret ? ret : write_file(SCSI_DEBUG "/opts", arg[0]);
}

/* They are of one type, whatever they were created as. */
static int cmd_pose(char **arg)
{
	return write_file(SCSI_DEBUG "/ptype", arg[0]);
}

static int scsi_count(const char *dir, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s/enable", dir, name);
	scsi_hosts += exists(path);
	return 0;
}

/* Each backstore has a host; the newest ones of scsi_debug are ours. */
static int scsi_remove(void)
{
	char remove[16];

	if (!scsi_hosts)
		return 0;
	write_file(SCSI_DEBUG "/opts", "0");
	write_file(SCSI_DEBUG "/every_nth", "0");
	write_file(SCSI_DEBUG "/ptype", "0");
	snprintf(remove, sizeof(remove), "-%u", scsi_hosts);
	return write_file(SCSI_DEBUG "/add_host", remove);
}

/* ---- all of them -------------------------------------------------------- */

int store_path(const char *name, char *path, size_t size)
{
	static const char * const types[] = {
		"rd_mcp", "fileio", "iblock", "pscsi", "user",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		snprintf(path, size, LIO_ROOT "/core/%s_" LIO_HBA "/%s",
			 types[i], name);
		if (exists(path))
			return 0;
	}
	return -ENOENT;
}

static int remove_dir(const char *dir, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	/* A backstore's HBA has attributes beside its directories. */
	return rmdir(path) && errno != ENOTDIR ? -errno : 0;
}

static int store_remove(const char *dir, const char *name)
{
	char path[PATH_MAX], disk[256] = "";
	int ret;

	snprintf(path, sizeof(path), "%s/%s/udev_path", dir, name);
	if (exists(path))
		read_file(path, disk, sizeof(disk));
	ret = remove_dir(dir, name);
	return ret ? ret : disk_remove(disk);
}

static int hba_remove(const char *dir, const char *name)
{
	const char *number = strrchr(name, '_');
	char path[PATH_MAX];
	int ret;

	if (!number || strcmp(number + 1, LIO_HBA))
		return 0;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	ret = for_each(path, "", store_remove);
	return ret ? ret : remove_dir(dir, name);
}

static int remove_file(const char *dir, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return unlink(path) ? -errno : 0;
}

void store_release(void)
{
	dm_release(false);
}

int store_cleanup(void)
{
	int ret, err;

	scsi_hosts = 0;
	for_each(LIO_ROOT "/core/pscsi_" LIO_HBA, "", scsi_count);
	ret = for_each(LIO_ROOT "/core", "", hba_remove);
	err = scsi_is_special() ? scsi_unload() : scsi_remove();
	ret = ret ? ret : err;
	err = dm_release(true);
	ret = ret ? ret : err;
	for_each(FILES, "", remove_file);
	/* One may be mounted over another. */
	while (!umount(FILES))
		;
	err = for_each(NULLB, "vsg_", remove_dir);
	ret = ret ? ret : err;
	rmdir(FILES);
	return ret;
}

const struct lio_command store_commands[] = {
	{ "ramdisk", 2, cmd_ramdisk },
	{ "fileio", 2, cmd_fileio },
	{ "block", 2, cmd_block },
	{ "hangable", 2, cmd_hangable },
	{ "jammed", 2, cmd_jammed },
	{ "narrow", 4, cmd_narrow },
	{ "pull", 1, cmd_pull },
	{ "throttle", 2, cmd_throttle },
	{ "crypt", 2, cmd_crypt },
	{ "integrity", 2, cmd_integrity },
	{ "disk", 2, cmd_disk },
	{ "zram", 2, cmd_zram },
	{ "loop", 3, cmd_loop },
	{ "sparse", 2, cmd_sparse },
	{ "filesystem", 3, cmd_filesystem },
	{ "dax", 1, cmd_dax },
	{ "sleepy", 2, cmd_sleepy },
	{ "delayed", 4, cmd_delayed },
	{ "tardy", 4, cmd_tardy },
	{ "broken", 2, cmd_broken },
	{ "scsi", 1, cmd_scsi },
	{ "user", 2, cmd_user },
	{ "protected", 2, cmd_protected },
	{ "atomic", 2, cmd_atomic },
	{ "reserved", 1, cmd_reserved },
	{ "inject", 1, cmd_inject },
	{ "pose", 1, cmd_pose },
	{ "fail", 2, cmd_fail },
	{ "heal", 2, cmd_heal },
	{ "flaky", 4, cmd_flaky },
	{ "again", 1, cmd_again },
	{ "hang", 1, cmd_hang },
	{ "unhang", 1, cmd_unhang },
	{}
};
