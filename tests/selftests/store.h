/* SPDX-License-Identifier: GPL-2.0-only */
/* Backstores for lio.c: the disks, and LIO's objects on them. */
#ifndef STORE_H
#define STORE_H

#include <stddef.h>

/**
 * struct lio_command - a command of lio()
 * @name: its first word, NULL at the end of a table
 * @nargs: how many more it needs
 * @fn: gets them, NULL after the last one; returns 0 or a negative errno
 */
struct lio_command {
	const char *name;
	int nargs;
	int (*fn)(char **arg);
};

extern const struct lio_command store_commands[];

/* Where in configfs the backstore of that name is. */
int store_path(const char *name, char *path, size_t size);

/* Has disks that hang answer. */
void store_release(void);

/* Removes all of ours; nothing may use it any more. */
int store_cleanup(void);

#endif /* STORE_H */
