// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "lio.h"
#include "store.h"

#define ARGS_MAX 12

int lio_write(const char *text, const char *fmt, ...)
{
	char path[PATH_MAX] = LIO_ROOT "/";
	size_t n = strlen(path);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(path) - n, fmt, ap);
	va_end(ap);
	return write_file(path, text);
}

int lio_rmdir(const char *fmt, ...)
{
	char path[PATH_MAX] = LIO_ROOT "/";
	size_t n = strlen(path);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(path) - n, fmt, ap);
	va_end(ap);
	return rmdir(path) ? -errno : 0;
}

/* ---- ports -------------------------------------------------------------- */

static int cmd_init(char **arg)
{
	(void)arg;
	load_module("target_core_mod", NULL);
	if (!exists(LIO_ROOT))
		mount("none", "/sys/kernel/config", "configfs", 0, NULL);
	if (!exists("/dev/vhost-scsi"))
		load_module("vhost_scsi", NULL);
	if (!exists("/dev/vhost-scsi"))
		return -ENODEV;
	return make_dir(LIO_ROOT "/vhost");
}

static int cmd_tpg(char **arg)
{
	char path[PATH_MAX];
	int ret;

	snprintf(path, sizeof(path), LIO_ROOT "/vhost/%s", arg[0]);
	ret = make_dir(path);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), LIO_ROOT "/vhost/%s/tpgt_%s", arg[0],
		 arg[1]);
	ret = make_dir(path);
	if (ret)
		return ret;
	return lio_write(arg[2] ? arg[2] : arg[0], "vhost/%s/tpgt_%s/nexus",
			 arg[0], arg[1]);
}

/* An ACL is taken while there is no nexus; the port group's is made later. */
static int cmd_acl(char **arg)
{
	char path[PATH_MAX];
	int ret;

	snprintf(path, sizeof(path), LIO_ROOT "/vhost/%s", arg[0]);
	ret = make_dir(path);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), LIO_ROOT "/vhost/%s/tpgt_%s", arg[0],
		 arg[1]);
	ret = make_dir(path);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), LIO_ROOT "/vhost/%s/tpgt_%s/acls/%s",
		 arg[0], arg[1], arg[2]);
	return make_dir(path);
}

static int cmd_map(char **arg)
{
	char path[512], lun[512], link[600];

	snprintf(path, sizeof(path),
		 LIO_ROOT "/vhost/%s/tpgt_%s/acls/%s/lun_%s", arg[0], arg[1],
		 arg[2], arg[3]);
	if (mkdir(path, 0755))
		return -errno;
	snprintf(lun, sizeof(lun), LIO_ROOT "/vhost/%s/tpgt_%s/lun/lun_%s",
		 arg[0], arg[1], arg[4]);
	snprintf(link, sizeof(link), "%s/vsg", path);
	return symlink(lun, link) ? -errno : 0;
}

static int cmd_unmap(char **arg)
{
	char path[512], link[600];

	snprintf(path, sizeof(path),
		 LIO_ROOT "/vhost/%s/tpgt_%s/acls/%s/lun_%s", arg[0], arg[1],
		 arg[2], arg[3]);
	snprintf(link, sizeof(link), "%s/vsg", path);
	if (unlink(link))
		return -errno;
	return rmdir(path) ? -errno : 0;
}

static int cmd_lun(char **arg)
{
	char path[512], store[256], link[600];
	int ret = store_path(arg[3], store, sizeof(store));

	if (ret)
		return ret;
	snprintf(path, sizeof(path), LIO_ROOT "/vhost/%s/tpgt_%s/lun/lun_%s",
		 arg[0], arg[1], arg[2]);
	if (mkdir(path, 0755))
		return -errno;
	snprintf(link, sizeof(link), "%s/vsg", path);
	return symlink(store, link) ? -errno : 0;
}

static int lun_remove(const char *dir, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s/vsg", dir, name);
	if (unlink(path) && errno != ENOENT)
		return -errno;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return rmdir(path) ? -errno : 0;
}

static int cmd_unlun(char **arg)
{
	char dir[512], name[64];

	snprintf(dir, sizeof(dir), LIO_ROOT "/vhost/%s/tpgt_%s/lun", arg[0],
		 arg[1]);
	snprintf(name, sizeof(name), "lun_%s", arg[2]);
	return lun_remove(dir, name);
}

static int acl_unmap(const char *dir, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return for_each(path, "lun_", lun_remove);
}

static int for_nothing(const char *dir, const char *name)
{
	(void)dir;
	(void)name;
	return 1;
}

static int acl_remove(const char *dir, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return rmdir(path) ? -errno : 0;
}

/* The mappings before their LUNs, the session before its ACL. */
static int tpg_remove(const char *dir, const char *name)
{
	char path[PATH_MAX], acls[PATH_MAX];
	int ret;

	snprintf(acls, sizeof(acls), "%s/%s/acls", dir, name);
	ret = for_each(acls, "", acl_unmap);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "%s/%s/lun", dir, name);
	ret = for_each(path, "lun_", lun_remove);
	if (ret)
		return ret;
	if (for_each(acls, "", for_nothing)) {
		snprintf(path, sizeof(path), "%s/%s/nexus", dir, name);
		ret = write_file(path, "NULL");
		if (ret && ret != -ENODEV)
			return ret;
		ret = for_each(acls, "", acl_remove);
		if (ret)
			return ret;
	}
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return rmdir(path) ? -errno : 0;
}

static int cmd_droptpg(char **arg)
{
	char dir[512], name[64];

	snprintf(dir, sizeof(dir), LIO_ROOT "/vhost/%s", arg[0]);
	snprintf(name, sizeof(name), "tpgt_%s", arg[1]);
	return tpg_remove(dir, name);
}

static int wwn_remove(const char *dir, const char *name)
{
	char path[PATH_MAX];
	int ret;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	ret = for_each(path, "tpgt_", tpg_remove);
	if (ret)
		return ret;
	return rmdir(path) ? -errno : 0;
}

static int cmd_dropwwn(char **arg)
{
	return wwn_remove(LIO_ROOT "/vhost", arg[0]);
}

/* A step of the way down may be busy until a dead guest's last command ended. */
static int cmd_cleanup(char **arg)
{
	int i, ret = 0, err;

	(void)arg;
	store_release();
	for (i = 0; i < 100; i++) {
		ret = for_each(LIO_ROOT "/vhost", LIO_WWN, wwn_remove);
		if (!ret)
			break;
		usleep(100000);
	}
	err = store_cleanup();
	return ret ? ret : err;
}

/* ---- commands ----------------------------------------------------------- */

static const struct lio_command port_commands[] = {
	{ "init", 0, cmd_init },
	{ "cleanup", 0, cmd_cleanup },
	{ "acl", 3, cmd_acl },
	{ "map", 5, cmd_map },
	{ "unmap", 4, cmd_unmap },
	{ "tpg", 2, cmd_tpg },
	{ "lun", 4, cmd_lun },
	{ "unlun", 3, cmd_unlun },
	{ "droptpg", 2, cmd_droptpg },
	{ "dropwwn", 1, cmd_dropwwn },
	{}
};

static const struct lio_command *find(const struct lio_command *c,
				      const char *name, int nargs)
{
	while (c->name && (strcmp(c->name, name) || nargs < c->nargs))
		c++;
	return c->name ? c : NULL;
}

static int run_one(char *line)
{
	char *arg[ARGS_MAX + 1] = {}, *save, *word;
	const struct lio_command *c;
	int n = 0;

	for (word = strtok_r(line, " \t", &save); word && n < ARGS_MAX;
	     word = strtok_r(NULL, " \t", &save))
		arg[n++] = word;
	if (!n)
		return 0;
	c = find(port_commands, arg[0], n - 1);
	if (!c)
		c = find(store_commands, arg[0], n - 1);
	return c ? c->fn(arg + 1) : -EINVAL;
}

int lio(const char *fmt, ...)
{
	char script[4096], line[512], *p = script;
	va_list ap;
	int ret = 0;

	va_start(ap, fmt);
	vsnprintf(script, sizeof(script), fmt, ap);
	va_end(ap);
	while (*p && !ret) {
		size_t n = strcspn(p, ";\n");

		snprintf(line, sizeof(line), "%.*s", (int)n, p);
		ret = run_one(line);
		if (ret && ret != -EBUSY)
			fprintf(stderr, "# %.*s: %s\n", (int)n, p,
				strerror(-ret));
		p += n + !!p[n];
	}
	return ret;
}
