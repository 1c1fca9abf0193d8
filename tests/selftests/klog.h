/* SPDX-License-Identifier: GPL-2.0-only */
/* Counts the lines that a test adds to the kernel log. */
#ifndef KLOG_H
#define KLOG_H

/**
 * struct klog_known - a line that does not count
 * @text: what it contains; an empty one ends a table
 * @count: how often it came
 */
struct klog_known {
	const char *text;
	unsigned long count;
};

/**
 * struct klog - the log from a moment on
 * @fd: of /dev/kmsg
 * @lines: lines of the kernel that count
 * @lost: lines were overwritten before they were read
 */
struct klog {
	int fd;
	unsigned long lines;
	unsigned long lost;
};

/* From now on; the test ends if the log cannot be read. */
void klog_open(struct klog *log);

/*
 * Reads what came meanwhile, sorts out what @known has, and shows the first
 * lines of the rest.
 */
void klog_read(struct klog *log, struct klog_known *known);

void klog_close(struct klog *log);

#endif /* KLOG_H */
