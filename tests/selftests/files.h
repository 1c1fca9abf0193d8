/* SPDX-License-Identifier: GPL-2.0-only */
/* Files of configfs and sysfs. All but exists() return 0 or a negative errno. */
#ifndef FILES_H
#define FILES_H

#include <stdbool.h>
#include <stddef.h>

bool exists(const char *path);
int write_file(const char *path, const char *text);

/* The first line of a file. */
int read_file(const char *path, char *buf, size_t size);

/* A directory that may be there already. */
int make_dir(const char *path);

/*
 * Calls @fn for every entry of a directory whose name begins with @prefix, and
 * returns the first value that is not 0.
 */
int for_each(const char *dir, const char *prefix,
	     int (*fn)(const char *dir, const char *name));

/*
 * Loads a module unless it is there; for modules that may be built in. Between its
 * parameters there are blanks.
 */
int load_module(const char *name, const char *param);

#endif /* FILES_H */
