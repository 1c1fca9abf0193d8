/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests share beside the harness and the guest library. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>

#include "harness.h"
#include "lio.h"
#include "../lib/vsg.h"

#define WWN_A LIO_WWN "0001"
#define WWN_B LIO_WWN "0002"

#define BLOCK 512
#define WAIT_MS (10000 * t_factor())

/**
 * lio_suite() - for suite_setup(): clean up, run commands, say why it failed
 * @script: commands of lio()
 *
 * Return: what suite_setup() should return.
 */
int lio_suite(const char *script);

/* For suite_teardown(). */
void lio_suite_end(void);

/**
 * guest() - a started guest, or the end of the test
 * @wwn: the port
 * @opts: see vsg_open(), or NULL
 */
struct vsg_dev *guest(const char *wwn, const struct vsg_opts *opts);

/**
 * guest_end() - stop and close a guest, and check that all was in order
 * @dev: guest, or NULL
 *
 * Checks that the rings were left consistent and saw no wrong used entry.
 */
void guest_end(struct vsg_dev *dev);

/**
 * request() - a request, or the end of the test
 * @dev: guest
 * @out: bytes of data-out
 * @in: bytes of data-in
 */
struct vsg_req *request(struct vsg_dev *dev, size_t out, size_t in);

/**
 * exec() - run a request; the test ends if it is not answered
 * @r: ring
 * @req: request
 *
 * Return: the response.
 */
struct vsg_result exec(struct vsg_ring *r, struct vsg_req *req);

/**
 * exec_good() - run a request that must succeed
 * @r: ring
 * @req: request
 *
 * Checks status, residual 0, sense length 0 and used.len.
 */
void exec_good(struct vsg_ring *r, struct vsg_req *req);

/**
 * ready() - clear unit attentions; the test ends if the unit is not ready
 * @r: ring
 * @target: target
 * @lun: LUN
 */
void ready(struct vsg_ring *r, uint8_t target, uint16_t lun);

/**
 * write_pattern() - write blocks with vsg_pattern() and check the answer
 * @r: ring
 * @req: request with room for the data
 * @target: target
 * @lun: LUN
 * @lba: first block
 * @blocks: number of blocks
 * @seed: of the pattern
 */
void write_pattern(struct vsg_ring *r, struct vsg_req *req, uint8_t target,
		   uint16_t lun, uint64_t lba, uint32_t blocks, uint32_t seed);

/* Read them back and compare; parameters as for write_pattern(). */
void check_pattern(struct vsg_ring *r, struct vsg_req *req, uint8_t target,
		   uint16_t lun, uint64_t lba, uint32_t blocks, uint32_t seed);

/*
 * Time for what a test cannot see: that a command reaches its backend, and a task
 * management function the commands that it ends. For backends that hang: one that
 * is slow may be done by then.
 */
void reach_backend(void);

/* The value of a line "name value" of a file such as /proc/vmstat, or -1. */
long long stat_value(const char *file, const char *name);

/*
 * Does the kernel keep records of its own about every object (kmemleak)?  Then
 * the amount of memory in use says nothing.
 */
bool memory_is_tracked(void);

/* For faults of a kernel that nothing else tells of. */
bool kernel_is_since(unsigned int major, unsigned int minor);

/*
 * Threads of all processes and of the kernel whose name begins with @prefix: how many, the
 * first @max of them in @tids; -1: /proc cannot be read.
 */
int threads_named(const char *prefix, pid_t *tids, int max);
int thread_count(const char *prefix);

/* The same, of this process only. */
int own_thread_count(const char *prefix);

/**
 * struct hog - a thread that has processor 1 for itself, and another that waits for it
 * @runs: it has the processor
 * @stop: end
 * @thread: at work
 * @throttle: what the kernel allows such threads otherwise
 */
struct hog {
	bool runs;
	bool stop;
	pthread_t thread;
	char throttle[32];
};

/*
 * Has the machine two processors, and goes one of them on without the other? A realtime kernel
 * does much in threads, which the hog keeps from its processor.
 */
bool hog_possible(void);
/* Until hog_end() the thread @tid does nothing. */
void hog_start(struct hog *hog, pid_t tid);
void hog_end(struct hog *hog);

/* Where LIO writes reservations to, with APTPL. Return: 0, or -1. */
int metadata_dir(char *path, size_t size);

/* May pages be huge? Return: 0, also on kernels that have none but those of hugetlbfs; or -1. */
int huge_pages(void *p, size_t size, bool may);

/* Can workers be threads of their owner on this kernel? */
bool have_vhost_tasks(void);

/* Gives the request queue @queue of a guest to a worker. Return: 0 or a negative errno. */
int worker_attach(struct vsg_dev *dev, unsigned int queue, unsigned int id);

/**
 * struct sharer - a process that shares the memory of this one, and has made a worker
 * @dev: guest
 * @id: of the worker, which is killed with the process
 * @pid: the process
 * @ret: what VHOST_NEW_WORKER returned
 * @done: @id and @ret are valid
 * @stack: of the process
 */
struct sharer {
	struct vsg_dev *dev;
	unsigned int id;
	pid_t pid;
	int ret;
	bool done;
	char stack[65536];
};

void sharer_start(struct sharer *sharer, struct vsg_dev *dev);
void sharer_kill(struct sharer *sharer);

/* A new file on the file system of lioctl; it is removed at once. */
int file_new(void);

/* A region of guest memory, with what is in it, becomes a shared mapping of a file. */
void region_to_file(struct vsg_region *region, int fd);

/* The designator of a LUN, of 16 bytes, that INQUIRY tells. */
void designator(struct vsg_dev *dev, struct vsg_req *req, uint8_t target,
		uint16_t lun, uint8_t *naa);

/* An EXTENDED COPY of blocks from 0 on to 100 on, from a designator to another. */
void copy_prepare(struct vsg_req *req, uint8_t target, uint16_t lun,
		  const uint8_t *from, const uint8_t *to, uint8_t blocks);

/* LIO's work item is on the stack, and it does not say so: debug objects report that. */
bool can_copy(void);

/**
 * struct late - a page of a guest that is not there until somebody gives it
 * @uffd: userfaultfd
 * @page: the page
 * @copy: what is in it
 */
struct late {
	int uffd;
	uint8_t *page;
	uint8_t copy[4096];
};

/*
 * The page goes; somebody waits for it, or the test ends; it comes again. The test itself
 * must not touch it meanwhile.
 */
void late_start(struct late *late, void *page);
void late_wait(struct late *late);
void late_end(struct late *late);

/* RLIMIT_MEMLOCK of this process, which has no CAP_IPC_LOCK from now on. */
void memlock_limit(unsigned long bytes);

/* Pages that count as pinned by this process. */
long pinned_pages(void);

/* Pages of guests that are pinned now; and how often one was since the start. */
long long pins(void);
long long pins_acquired(void);

/* Do so many pages stay pinned, so many workers stay, after some time? */
bool pins_settle(long long want, int timeout_ms);
bool threads_settle(int want, int timeout_ms);

#endif /* SUPPORT_H */
