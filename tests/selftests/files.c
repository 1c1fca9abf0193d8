// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"

int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

int read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	close(fd);
	if (n < 0)
		return -errno;
	buf[n] = 0;
	buf[strcspn(buf, "\n")] = 0;
	return 0;
}

bool exists(const char *path)
{
	return !access(path, F_OK);
}

int make_dir(const char *path)
{
	return mkdir(path, 0755) && errno != EEXIST ? -errno : 0;
}

int for_each(const char *dir, const char *prefix,
	     int (*fn)(const char *dir, const char *name))
{
	char (*names)[NAME_MAX + 1] = NULL;
	struct dirent *e;
	int n = 0, i, ret = 0, err;
	DIR *d = opendir(dir);

	if (!d)
		return 0;
	/* First all names, then the calls, which change the directory. */
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.' ||
		    strncmp(e->d_name, prefix, strlen(prefix)))
			continue;
		names = realloc(names, (n + 1) * sizeof(*names));
		snprintf(names[n++], sizeof(*names), "%s", e->d_name);
	}
	closedir(d);
	for (i = 0; i < n; i++) {
		err = fn(dir, names[i]);
		if (err && !ret)
			ret = err;
	}
	free(names);
	return ret;
}

int load_module(const char *name, const char *param)
{
	char path[PATH_MAX], *argv[16] = { "modprobe", "-q", (char *)name };
	unsigned int n = 3;
	int status;
	pid_t pid;

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	if (exists(path))
		return 0;
	fflush(NULL);
	pid = fork();
	if (!pid) {
		snprintf(path, sizeof(path), "%s", param ? param : "");
		for (argv[n] = strtok(path, " "); argv[n] && n < 14;)
			argv[++n] = strtok(NULL, " ");
		execvp("modprobe", argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		return -ENOENT;
	return 0;
}
