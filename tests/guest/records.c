// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program that keeps what it acknowledged, as a database does: it appends records to a file,
 * and says so of each when it is on the disk.
 *
 *	records write FILE ACKS		append until it is killed; the number of each record that
 *					is on the disk is a line in ACKS
 *	records check FILE		print how many records FILE has. Each has to be whole and
 *					in its place; the last one may be in part.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS 128

static void make(uint64_t *record, uint64_t number)
{
	unsigned int i;

	for (i = 0; i < WORDS; i++)
		record[i] = (number << 16 | i) * 0x9e3779b97f4a7c15ull;
}

static uint64_t check(int file)
{
	uint64_t wanted[WORDS], found[WORDS], number = 0;
	ssize_t len;

	for (;; number++) {
		make(wanted, number + 1);
		len = pread(file, found, sizeof(found), number * sizeof(found));
		if (len < 0)
			err(1, "record %llu", (unsigned long long)number + 1);
		if (len < (ssize_t)sizeof(found))
			return number;
		if (memcmp(wanted, found, sizeof(found)))
			break;
	}
	/* One that was being written has not been acknowledged; nothing may come after it. */
	if (pread(file, found, 1, (number + 1) * sizeof(found)))
		errx(1, "record %llu is not what was written", (unsigned long long)number + 1);
	return number;
}

int main(int argc, char **argv)
{
	uint64_t record[WORDS], number;
	int file, acks, len;
	char line[32];

	if (argc == 3 && !strcmp(argv[1], "check")) {
		file = open(argv[2], O_RDONLY);
		if (file < 0)
			err(1, "%s", argv[2]);
		printf("%llu\n", (unsigned long long)check(file));
		return 0;
	}
	if (argc != 4 || strcmp(argv[1], "write"))
		errx(2, "records write FILE ACKS, or records check FILE");
	file = open(argv[2], O_RDWR | O_CREAT, 0600);
	if (file < 0)
		err(1, "%s", argv[2]);
	acks = open(argv[3], O_WRONLY);
	if (acks < 0)
		err(1, "%s", argv[3]);
	for (number = check(file) + 1;; number++) {
		make(record, number);
		if (pwrite(file, record, sizeof(record), (number - 1) * sizeof(record)) !=
		    sizeof(record) || fdatasync(file))
			err(1, "record %llu", (unsigned long long)number);
		len = snprintf(line, sizeof(line), "%llu\n", (unsigned long long)number);
		if (write(acks, line, len) != len)
			err(1, "%s", argv[3]);
	}
}
