/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vsg - a vhost-scsi guest in user space.
 *
 * This library does with /dev/vhost-scsi what QEMU and the guest's virtio-scsi
 * driver do together: it owns the memory that the kernel sees as guest memory,
 * drives split virtqueues in it, and speaks the virtio-scsi request formats
 * (virtio 1.2, 2.7 "Split Virtqueues" and 5.6 "SCSI Host Device").  It is made
 * for tests, fuzzers and benchmarks, so every wrong thing that a guest can do
 * can be done with it too, and everything that the device does to a ring is
 * checked (see &struct vsg_errors).
 *
 * A minimal guest::
 *
 *	struct vsg_dev *dev;
 *	struct vsg_opts opts = { .nr_io = 1, .ring_size = 128 };
 *
 *	vsg_open(&dev, &opts);
 *	vsg_start(dev, "naa.5001405...");
 *	req = vsg_req_alloc(dev, 0, 4096, 0);
 *	vsg_cmd_rw(req, 1, 0, false, 0, 8, 512);
 *	vsg_exec(vsg_io(dev, 0), req, 1000);
 *	if (vsg_good(req))
 *		use(req->data_in);
 *	vsg_close(dev);
 *
 * Errors: functions that return int give 0 or a negative errno, unless they
 * say otherwise.  Times are in milliseconds; a negative time is for ever.
 *
 * Threads: a ring, and the requests on it, belong to one thread at a time.
 * Different rings of one device may be driven by different threads at once, and
 * any thread may allocate guest memory.  What changes the device or its memory
 * table has to be serialised by the caller.
 *
 * Byte order: little endian for virtio 1.0; native for legacy guests.
 */
#ifndef VSG_H
#define VSG_H

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_scsi.h>

#include "vsg_uapi.h"

/* ---- guest memory (mem.c) ---------------------------------------------- */

/* What vsg_gpa() returns for a pointer outside guest memory. */
#define VSG_NO_GPA (~0ULL)

#define VSG_MEM_MEMFD	1	/* shared memory file, as with vhost-user */
#define VSG_MEM_HUGE	2	/* huge pages, where the kernel has some */

/**
 * struct vsg_region - a piece of guest memory
 * @gpa: guest physical address
 * @size: bytes
 * @hva: where it is mapped in this process
 * @used: bytes handed out by vsg_mem_alloc_in()
 * @owned: unmapped by vsg_mem_destroy()
 */
struct vsg_region {
	uint64_t gpa;
	size_t size;
	uint8_t *hva;
	size_t used;
	bool owned;
};

/**
 * struct vsg_mem - guest memory: any number of regions
 * @region: array, in the order of vsg_mem_add()
 * @nr: number of regions
 */
struct vsg_mem {
	struct vsg_region *region;
	unsigned int nr;
};

/**
 * vsg_mem_add() - map a new region of guest memory
 * @mem: guest memory
 * @gpa: its guest physical address; may overlap others (for tests)
 * @size: bytes, a multiple of the page size
 * @flags: VSG_MEM_*, or 0 for private anonymous memory
 *
 * The memory is not inherited by fork(), because copy-on-write would part this
 * process from the pages that the kernel has pinned.  The kernel learns of it
 * at the next vsg_set_mem_table().
 */
int vsg_mem_add(struct vsg_mem *mem, uint64_t gpa, size_t size,
		unsigned int flags);

/**
 * vsg_mem_add_hva() - add a region over memory that the caller mapped
 * @mem: guest memory
 * @gpa: its guest physical address
 * @size: bytes
 * @hva: address in this process; stays the caller's
 */
int vsg_mem_add_hva(struct vsg_mem *mem, uint64_t gpa, size_t size, void *hva);

/**
 * vsg_mem_destroy() - unmap and forget all regions
 * @mem: guest memory
 */
void vsg_mem_destroy(struct vsg_mem *mem);

/**
 * vsg_mem_alloc_in() - take guest memory from one region
 * @mem: guest memory
 * @region: index of the region
 * @size: bytes
 * @align: power of two
 *
 * Memory is handed out in order and not given back one by one; see
 * vsg_mem_release().  Its content is whatever was there.
 *
 * Return: a pointer into the region, or NULL when it is full.
 */
void *vsg_mem_alloc_in(struct vsg_mem *mem, unsigned int region, size_t size,
		       size_t align);

/**
 * vsg_mem_alloc() - take guest memory from the first region with room
 * @mem: guest memory
 * @size: bytes
 * @align: power of two
 *
 * Return: as vsg_mem_alloc_in().
 */
void *vsg_mem_alloc(struct vsg_mem *mem, size_t size, size_t align);

/**
 * vsg_mem_mark() - remember how much of region 0 is handed out
 * @mem: guest memory
 */
size_t vsg_mem_mark(const struct vsg_mem *mem);

/**
 * vsg_mem_release() - take back what region 0 handed out since the mark
 * @mem: guest memory
 * @mark: from vsg_mem_mark()
 */
void vsg_mem_release(struct vsg_mem *mem, size_t mark);

/**
 * vsg_gpa() - guest physical address of a pointer into guest memory
 * @mem: guest memory
 * @p: pointer
 *
 * Return: the address, or VSG_NO_GPA.
 */
uint64_t vsg_gpa(const struct vsg_mem *mem, const void *p);

/**
 * vsg_hva() - pointer to a guest physical address
 * @mem: guest memory
 * @gpa: address
 *
 * Return: a pointer, or NULL outside all regions.
 */
void *vsg_hva(const struct vsg_mem *mem, uint64_t gpa);

/* ---- split rings (ring.c) ---------------------------------------------- */

/**
 * struct vsg_seg - one descriptor of a chain
 * @gpa: guest physical address of the buffer
 * @len: its bytes
 * @flags: VRING_DESC_F_WRITE for a device-writable buffer; VRING_DESC_F_NEXT is
 *	added by the library; anything else is written as it is
 */
struct vsg_seg {
	uint64_t gpa;
	uint32_t len;
	uint16_t flags;
};

struct vsg_ring;

/**
 * struct vsg_token - what follows a chain through a ring
 * @ring: where it was put
 * @head: its head descriptor
 * @done: the device has given it back
 * @len: used.len: bytes that the device says it wrote
 *
 * Embedded in what the caller tracks.  The caller owns it; it must stay valid
 * until @done or until the device is closed.
 */
struct vsg_token {
	struct vsg_ring *ring;
	uint16_t head;
	bool done;
	uint32_t len;
};

/**
 * struct vsg_errors - what the device did wrong to the rings
 * @unknown: used entries whose id is no chain of ours (or given back twice)
 * @overrun: the used index went further than what was outstanding
 * @lost_call: a chain was given back without the call that was asked for
 */
struct vsg_errors {
	unsigned long unknown;
	unsigned long overrun;
	unsigned long lost_call;
};

/**
 * struct vsg_ring - a split virtqueue, driver's side
 * @dev: its device
 * @index: virtqueue number: 0 control, 1 event, 2.. requests
 * @num: entries
 * @desc: descriptor table in guest memory
 * @avail: available ring in guest memory
 * @used: used ring in guest memory
 * @kick: eventfd to the device
 * @call: eventfd from the device
 * @err: eventfd signalled when the device gives the ring up
 * @event_idx: VIRTIO_F_EVENT_IDX is in use
 * @nr_free: free descriptors
 * @avail_idx: next available index (may be ahead of what is published)
 * @used_idx: next used entry to look at
 * @base: the available index that the ring starts with (SET_VRING_BASE)
 * @outstanding: chains given to the device and not given back
 * @nr_kicks: how often the kick eventfd was written
 * @nr_calls: how often the call eventfd was waited for with success
 * @errors: what the device did wrong
 *
 * Read-only for the callers, apart from the memory behind @desc, @avail and
 * @used, into which tests may write what they like.
 */
struct vsg_ring {
	struct vsg_dev *dev;
	unsigned int index;
	unsigned int num;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	int kick;
	int call;
	int err;
	bool event_idx;
	bool native;
	unsigned int nr_free;
	uint16_t avail_idx;
	uint16_t used_idx;
	uint16_t base;
	unsigned int outstanding;
	unsigned long nr_kicks;
	unsigned long nr_calls;
	struct vsg_errors errors;

	/* private: */
	uint16_t free_head;
	uint16_t kicked_idx;	/* available index at the last kick decision */
	struct vsg_slot *slot;	/* by head */
};

static inline uint16_t vsg_v16(const struct vsg_ring *r, uint16_t v)
{
	return r->native ? v : htole16(v);
}

static inline uint32_t vsg_v32(const struct vsg_ring *r, uint32_t v)
{
	return r->native ? v : htole32(v);
}

static inline uint64_t vsg_v64(const struct vsg_ring *r, uint64_t v)
{
	return r->native ? v : htole64(v);
}

/**
 * vsg_ring_add() - put a chain on a ring
 * @r: the ring
 * @tok: tracks the chain
 * @seg: its descriptors
 * @n: how many
 * @ndirect: how many of them stand in the ring's own table; when fewer than @n
 *	the rest goes into one indirect table, which is the chain's last
 *	descriptor.  @ndirect = @n is a direct chain, 0 an indirect one
 *
 * The device does not see it before vsg_ring_publish().
 *
 * Return: 0, -EINVAL for an empty chain, -ENOSPC when the ring has too few free
 * descriptors, -ENOMEM when guest memory for the indirect table ran out.
 */
int vsg_ring_add(struct vsg_ring *r, struct vsg_token *tok,
		 const struct vsg_seg *seg, unsigned int n,
		 unsigned int ndirect);

/**
 * vsg_ring_add_head() - put a chain on the ring that the caller wrote himself
 * @r: the ring
 * @tok: tracks the chain, or NULL for one that cannot come back
 * @head: descriptor where it begins; any value
 *
 * For tests that write r->desc themselves.  Such a test must keep to
 * descriptors that vsg_ring_add() does not use at the same time (the library
 * takes free descriptors from 0 upward on a fresh ring).
 */
void vsg_ring_add_head(struct vsg_ring *r, struct vsg_token *tok, uint16_t head);

/**
 * vsg_ring_publish() - let the device see what was added
 * @r: the ring
 */
void vsg_ring_publish(struct vsg_ring *r);

/**
 * vsg_ring_kick() - tell the device, if it wants to be told
 * @r: the ring
 *
 * Return: true if the eventfd was written.
 */
bool vsg_ring_kick(struct vsg_ring *r);

/**
 * vsg_ring_poll() - take one chain that the device gave back
 * @r: the ring
 *
 * No system call.  Marks the token done and checks what the device wrote.
 *
 * Return: the chain's token, or NULL when there is none.
 */
struct vsg_token *vsg_ring_poll(struct vsg_ring *r);

/**
 * vsg_ring_wait() - sleep until the device has given something back
 * @r: the ring
 * @timeout_ms: how long
 *
 * Asks for a call after the next used entry, and sleeps only if there is none.
 * Does not take anything from the ring.
 *
 * Return: 0, or -ETIMEDOUT.
 */
int vsg_ring_wait(struct vsg_ring *r, int timeout_ms);

/**
 * vsg_token_wait() - wait for one chain, taking all that come
 * @tok: the chain
 * @timeout_ms: how long
 *
 * Return: 0, or -ETIMEDOUT.
 */
int vsg_token_wait(struct vsg_token *tok, int timeout_ms);

/**
 * vsg_ring_drain() - wait until nothing is outstanding
 * @r: the ring
 * @timeout_ms: how long altogether
 *
 * Return: 0, or -ETIMEDOUT.
 */
int vsg_ring_drain(struct vsg_ring *r, int timeout_ms);

/**
 * vsg_ring_failed() - has the device given the ring up?
 * @r: the ring
 * @timeout_ms: how long to wait for that
 *
 * Consumes the signal on the error eventfd.
 */
bool vsg_ring_failed(struct vsg_ring *r, int timeout_ms);

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t vsg_now_ms(void);

/* ---- the device (dev.c) ------------------------------------------------ */

#define VSG_DEV_PATH "/dev/vhost-scsi"

#define VSG_F(bit) (1ULL << (bit))
#define VSG_FEATURES_MODERN \
	(VSG_F(VIRTIO_F_VERSION_1) | VSG_F(VIRTIO_RING_F_INDIRECT_DESC) | \
	 VSG_F(VIRTIO_RING_F_EVENT_IDX) | VSG_F(VIRTIO_SCSI_F_HOTPLUG))
#define VSG_FEATURES_LEGACY \
	(VSG_F(VIRTIO_F_ANY_LAYOUT) | VSG_F(VIRTIO_RING_F_INDIRECT_DESC))

#define VSG_CTL 0	/* the control queue's number */
#define VSG_EVT 1	/* the event queue's number */
#define VSG_IO 2	/* the first request queue's number */

/**
 * struct vsg_opts - how to open a device; zero stands for the default
 * @path: device node (VSG_DEV_PATH)
 * @features: wanted; what the device does not offer is left out, as a driver
 *	does (VSG_FEATURES_MODERN)
 * @nr_io: request queues (1)
 * @ring_size: entries of every ring (128)
 * @mem_size: bytes of guest memory in one region at address 0 (32 MiB)
 * @mem_flags: for vsg_mem_add()
 * @kernel_threads: ask for workers that are no threads of this process; a
 *	module that knows only those need not understand
 */
struct vsg_opts {
	const char *path;
	uint64_t features;
	unsigned int nr_io;
	unsigned int ring_size;
	size_t mem_size;
	unsigned int mem_flags;
	bool kernel_threads;
};

/**
 * struct vsg_dev - an open vhost-scsi device
 * @fd: its file descriptor
 * @offered: features that the device offers
 * @features: features in use
 * @mem: guest memory
 * @nr_rings: all queues, control and event included
 * @ring: them
 * @wwpn: the endpoint while the device is started, else empty
 * @log_rings: vsg_ring_set_addr() asks for the device areas to be logged
 */
struct vsg_dev {
	int fd;
	uint64_t offered;
	uint64_t features;
	struct vsg_mem mem;
	unsigned int nr_rings;
	struct vsg_ring *ring;
	char wwpn[224];
	bool log_rings;
};

/**
 * vsg_open() - open a device, become its owner, lay out memory and rings
 * @devp: where to store it
 * @opts: how, or NULL
 *
 * After it vsg_start() brings the device to life; a test may also take the
 * steps one by one.  The caller owns the device: vsg_close().
 */
int vsg_open(struct vsg_dev **devp, const struct vsg_opts *opts);

/**
 * vsg_close() - close the device and free everything
 * @dev: device, or NULL
 *
 * Does not stop it first, so it may be used as a guest that is killed.
 */
void vsg_close(struct vsg_dev *dev);

/**
 * vsg_start() - set features, memory table, rings and endpoint
 * @dev: device
 * @wwpn: the endpoint's name
 */
int vsg_start(struct vsg_dev *dev, const char *wwpn);

/**
 * vsg_stop() - clear the endpoint and read where the rings stopped
 * @dev: device
 *
 * The rings keep their content; vsg_start() goes on where they stopped.
 *
 * Return: 0, a negative errno of an ioctl, or the number of rings whose used
 * index is not what GET_VRING_BASE says.
 */
int vsg_stop(struct vsg_dev *dev);

/* The single steps of vsg_start() and vsg_stop(). */
int vsg_set_features(struct vsg_dev *dev, uint64_t features);
int vsg_set_mem_table(struct vsg_dev *dev);
int vsg_set_endpoint(struct vsg_dev *dev, const char *wwpn);
int vsg_clear_endpoint(struct vsg_dev *dev, const char *wwpn);

/**
 * vsg_ring_start() - hand a ring to the device: number, base, addresses, fds
 * @r: the ring
 */
int vsg_ring_start(struct vsg_ring *r);

/**
 * vsg_ring_set_addr() - SET_VRING_ADDR alone
 * @r: the ring
 */
int vsg_ring_set_addr(struct vsg_ring *r);

/**
 * vsg_ring_get_base() - GET_VRING_BASE, which stops the ring for vsg_ring_start()
 * @r: the ring
 *
 * Return: the index (0..65535) or a negative errno.
 */
int vsg_ring_get_base(struct vsg_ring *r);

/**
 * vsg_ring_reset() - make the ring empty and its indices zero
 * @r: a ring that the device does not use
 *
 * Outstanding chains are forgotten.
 */
void vsg_ring_reset(struct vsg_ring *r);

/**
 * vsg_ring_set_base() - make the ring empty, as if it had been used a while
 * @r: a ring that the device does not use
 * @base: indices to begin with, as after a migration
 */
void vsg_ring_set_base(struct vsg_ring *r, uint16_t base);

/**
 * vsg_ioctl() - an ioctl on the device
 * @dev: device
 * @cmd: ioctl number
 * @arg: its argument
 *
 * Return: what the ioctl returned, or a negative errno.
 */
int vsg_ioctl(struct vsg_dev *dev, unsigned long cmd, void *arg);

/**
 * vsg_errors() - what all rings of a device complain about
 * @dev: device
 *
 * Return: number of errors; 0 is what a test wants to see.
 */
unsigned long vsg_errors(const struct vsg_dev *dev);

static inline struct vsg_ring *vsg_io(struct vsg_dev *dev, unsigned int i)
{
	return &dev->ring[VSG_IO + i];
}

/* ---- dirty log (log.c) -------------------------------------------------- */

/* Bytes of guest memory for each bit of the log. */
#define VSG_LOG_PAGE	4096

/**
 * vsg_set_log_base() - where the device writes its log
 * @dev: device
 * @bitmap: a bit for each page from guest physical address 0 to the end of the
 *	highest region; the caller's
 */
int vsg_set_log_base(struct vsg_dev *dev, void *bitmap);

/**
 * vsg_set_log_fd() - what the device signals when it has logged something
 * @dev: device
 * @fd: eventfd, or -1 for none
 */
int vsg_set_log_fd(struct vsg_dev *dev, int fd);

/**
 * vsg_log_start() - have all writes logged from now on
 * @dev: device, running or not
 * @bitmap: see vsg_set_log_base()
 *
 * Base, feature, ring addresses, in QEMU's order.
 */
int vsg_log_start(struct vsg_dev *dev, void *bitmap);

/**
 * vsg_log_stop() - undo vsg_log_start()
 * @dev: device
 */
int vsg_log_stop(struct vsg_dev *dev);

/**
 * vsg_log_test() - is a page in the log?
 * @bitmap: the log
 * @gpa: guest physical address
 */
static inline bool vsg_log_test(const void *bitmap, uint64_t gpa)
{
	uint64_t page = gpa / VSG_LOG_PAGE;

	return ((const uint8_t *)bitmap)[page / 8] >> page % 8 & 1;
}

/* ---- requests (req.c) -------------------------------------------------- */

#define VSG_REQ_LEN	((uint32_t)sizeof(struct virtio_scsi_cmd_req))	/* 51 */
#define VSG_RESP_LEN	((uint32_t)sizeof(struct virtio_scsi_cmd_resp))	/* 108 */

/* What the response is filled with before a request is given to the device. */
#define VSG_POISON	0xa5

/**
 * struct vsg_req - a SCSI request with its buffers in guest memory
 * @tok: follows it through the ring
 * @dev: its device
 * @hdr: request header; the data-out buffer follows it without a gap
 * @hdr_pi: with VIRTIO_SCSI_F_T10_PI, what the chain has for @hdr, of which it is
 *	a copy; its sizes are zero.  Else NULL
 * @resp: response; the data-in buffer follows it without a gap
 * @data_out: data-out buffer, @out_max bytes
 * @data_in: data-in buffer, @in_max bytes
 * @out_max: its size
 * @in_max: its size
 * @seg: the chain
 * @nseg: descriptors in @seg
 * @ndirect: how many stand in the ring itself (see vsg_ring_add())
 * @out_len: data-out bytes of the current command
 * @in_len: data-in bytes of the current command
 *
 * Since header and data, response and data lie without a gap, any cut of the
 * two streams into descriptors is possible: vsg_req_cut().
 */
struct vsg_req {
	struct vsg_token tok;
	struct vsg_dev *dev;
	struct virtio_scsi_cmd_req *hdr;
	struct virtio_scsi_cmd_req_pi *hdr_pi;
	struct virtio_scsi_cmd_resp *resp;
	uint8_t *data_out;
	uint8_t *data_in;
	size_t out_max;
	size_t in_max;
	struct vsg_seg *seg;
	unsigned int nseg;
	unsigned int ndirect;
	size_t out_len;
	size_t in_len;

	/* private: */
	unsigned int max_seg;
};

/**
 * struct vsg_result - a response in host byte order
 * @response: VIRTIO_SCSI_S_*
 * @status: SAM status
 * @resid: residual count
 * @sense_len: bytes of sense data
 * @key: sense key, -1 without sense
 * @asc: additional sense code and qualifier, (asc << 8 | ascq), -1 without
 */
struct vsg_result {
	uint8_t response;
	uint8_t status;
	uint32_t resid;
	uint32_t sense_len;
	int key;
	int asc;
};

/**
 * vsg_req_alloc() - a request with buffers
 * @dev: device
 * @out_max: largest data-out, bytes
 * @in_max: largest data-in, bytes
 * @off: where in a page the data buffers begin (0..4095)
 *
 * Return: the request, or NULL when memory ran out.  The caller owns it:
 * vsg_req_free().  Its guest memory stays taken (see vsg_mem_release()).
 */
struct vsg_req *vsg_req_alloc(struct vsg_dev *dev, size_t out_max,
			      size_t in_max, size_t off);

/**
 * vsg_req_free() - free what a request has in host memory
 * @req: request that no ring holds, or NULL
 */
void vsg_req_free(struct vsg_req *req);

/**
 * vsg_req_cmd() - fill in the header and the plain layout
 * @req: request
 * @target: virtio-scsi target, the TPG's tag
 * @lun: LUN
 * @cdb: command descriptor block
 * @cdb_len: its bytes, at most 32; the rest is zero
 * @out_len: data-out bytes
 * @in_len: data-in bytes
 *
 * Task attribute SIMPLE, tag: the request's own address.  Layout: one
 * descriptor for each of header, data-out, response, data-in; indirect where
 * the device has that, else direct.
 */
void vsg_req_cmd(struct vsg_req *req, uint8_t target, uint16_t lun,
		 const void *cdb, size_t cdb_len, size_t out_len, size_t in_len);

/**
 * vsg_req_cut() - cut the streams of a request into descriptors
 * @req: request, after vsg_req_cmd()
 * @out: lengths for the stream header + data-out; the last one is repeated
 *	until the stream ends, so that { 1 } is one-byte descriptors.  A 0
 *	makes a descriptor of length zero (not as the last length)
 * @nout: how many; 0 for one descriptor
 * @in: lengths for the stream response + data-in
 * @nin: how many
 *
 * Keeps req->ndirect only as "all indirect" (0) or "all direct".  Not with
 * VIRTIO_SCSI_F_T10_PI.
 */
int vsg_req_cut(struct vsg_req *req, const uint32_t *out, unsigned int nout,
		const uint32_t *in, unsigned int nin);

/**
 * vsg_req_seg() - append one descriptor to a request's chain
 * @req: request
 * @gpa: address
 * @len: bytes
 * @flags: VRING_DESC_F_WRITE or 0
 */
int vsg_req_seg(struct vsg_req *req, uint64_t gpa, uint32_t len, uint16_t flags);

/**
 * vsg_req_direct() - choose direct or indirect descriptors for a request
 * @req: request
 * @direct: all in the ring's own table
 */
static inline void vsg_req_direct(struct vsg_req *req, bool direct)
{
	req->ndirect = direct ? req->nseg : 0;
}

/**
 * vsg_submit() - poison the response, put the request on a ring, publish
 * @r: ring
 * @req: request
 *
 * Does not kick.
 *
 * Return: as vsg_ring_add().
 */
int vsg_submit(struct vsg_ring *r, struct vsg_req *req);

/**
 * vsg_exec() - submit, kick and wait
 * @r: ring
 * @req: request
 * @timeout_ms: how long
 *
 * Return: 0 once the device gave the request back, whatever the answer; or the
 * error of vsg_submit() or -ETIMEDOUT.
 */
int vsg_exec(struct vsg_ring *r, struct vsg_req *req, int timeout_ms);

/**
 * vsg_result() - decode the response of a request that is done
 * @req: request
 */
struct vsg_result vsg_result(const struct vsg_req *req);

/**
 * vsg_good() - is the request done with response OK and status GOOD?
 * @req: request
 */
bool vsg_good(const struct vsg_req *req);

/* Write the virtio-scsi form of a LUN (virtio 1.2, 5.6.6.1) into eight bytes. */
void vsg_lun(uint8_t buf[8], uint8_t target, uint16_t lun);

/* ---- SCSI (scsi.c) ----------------------------------------------------- */

enum {
	VSG_TEST_UNIT_READY = 0x00,
	VSG_REQUEST_SENSE = 0x03,
	VSG_INQUIRY = 0x12,
	VSG_RESERVE_6 = 0x16,
	VSG_RELEASE_6 = 0x17,
	VSG_MODE_SENSE_6 = 0x1a,
	VSG_READ_CAPACITY_10 = 0x25,
	VSG_READ_10 = 0x28,
	VSG_WRITE_10 = 0x2a,
	VSG_SYNC_CACHE_10 = 0x35,
	VSG_MODE_SENSE_10 = 0x5a,
	VSG_PR_IN = 0x5e,
	VSG_PR_OUT = 0x5f,
	VSG_VARIABLE = 0x7f,
	VSG_READ_16 = 0x88,
	VSG_WRITE_16 = 0x8a,
	VSG_SERVICE_IN_16 = 0x9e,
	VSG_REPORT_LUNS = 0xa0,
};

enum {
	VSG_GOOD = 0x00,
	VSG_CHECK_CONDITION = 0x02,
	VSG_BUSY = 0x08,
	VSG_RESERVATION_CONFLICT = 0x18,
	VSG_TASK_SET_FULL = 0x28,
	VSG_TASK_ABORTED = 0x40,
};

/* Service actions and types of PERSISTENT RESERVE IN and OUT (SPC-4). */
enum {
	VSG_PRIN_READ_KEYS = 0,
	VSG_PRIN_READ_RESERVATION = 1,
	VSG_PRIN_REPORT_CAPABILITIES = 2,
	VSG_PROUT_REGISTER = 0,
	VSG_PROUT_RESERVE = 1,
	VSG_PROUT_RELEASE = 2,
	VSG_PROUT_CLEAR = 3,
	VSG_PROUT_PREEMPT = 4,
	VSG_PROUT_PREEMPT_AND_ABORT = 5,
	VSG_PROUT_REGISTER_AND_IGNORE = 6,
	VSG_PROUT_REGISTER_AND_MOVE = 7,
	VSG_PRIN_READ_FULL_STATUS = 3,
	VSG_PR_WRITE_EXCLUSIVE = 1,
	VSG_PR_EXCLUSIVE = 3,
	VSG_PR_WRITE_EXCLUSIVE_REG = 5,
	VSG_PR_EXCLUSIVE_REG = 6,
	VSG_PR_WRITE_EXCLUSIVE_ALL = 7,
	VSG_PR_EXCLUSIVE_ALL = 8,
};

/**
 * vsg_cdb_rw() - write the CDB of a READ or WRITE
 * @cdb: at least 16 bytes
 * @opcode: VSG_READ_10, VSG_WRITE_10, VSG_READ_16 or VSG_WRITE_16
 * @lba: logical block address
 * @blocks: transfer length
 *
 * Return: bytes of the CDB.
 */
unsigned int vsg_cdb_rw(uint8_t *cdb, uint8_t opcode, uint64_t lba,
			uint32_t blocks);

/*
 * Fill in a request; its data buffers must be large enough.  They set up the
 * request only: vsg_submit() or vsg_exec() runs it.
 */
void vsg_cmd_rw(struct vsg_req *req, uint8_t target, uint16_t lun, bool write,
		uint64_t lba, uint32_t blocks, uint32_t block_size);
void vsg_cmd_tur(struct vsg_req *req, uint8_t target, uint16_t lun);
void vsg_cmd_inquiry(struct vsg_req *req, uint8_t target, uint16_t lun,
		     uint16_t alloc);
void vsg_cmd_vpd(struct vsg_req *req, uint8_t target, uint16_t lun,
		 uint8_t page, uint16_t alloc);
void vsg_cmd_report_luns(struct vsg_req *req, uint8_t target, uint16_t lun,
			 uint32_t alloc);
void vsg_cmd_read_capacity16(struct vsg_req *req, uint8_t target, uint16_t lun);
void vsg_cmd_mode_sense10(struct vsg_req *req, uint8_t target, uint16_t lun,
			  uint8_t page, uint16_t alloc);
void vsg_cmd_pr_in(struct vsg_req *req, uint8_t target, uint16_t lun,
		   uint8_t action, uint16_t alloc);
void vsg_cmd_pr_out(struct vsg_req *req, uint8_t target, uint16_t lun,
		    uint8_t action, uint8_t type, uint64_t key,
		    uint64_t action_key);

/**
 * vsg_clear_ua() - TEST UNIT READY until no unit attention is left
 * @r: ring
 * @req: request to use
 * @target: target
 * @lun: LUN
 * @timeout_ms: how long for each command
 *
 * Return: 0, -EIO if the unit does not become ready, or vsg_exec()'s error.
 */
int vsg_clear_ua(struct vsg_ring *r, struct vsg_req *req, uint8_t target,
		 uint16_t lun, int timeout_ms);

/**
 * vsg_sense() - decode fixed or descriptor format sense data (SPC-4, 4.5)
 * @sense: sense data
 * @len: its bytes
 * @key: sense key, -1 if there is none
 * @asc: (ASC << 8 | ASCQ), -1 if there is none
 */
void vsg_sense(const uint8_t *sense, size_t len, int *key, int *asc);

/**
 * vsg_pattern() - fill a buffer with a pattern that depends on its place
 * @buf: buffer
 * @len: bytes
 * @off: byte offset on the medium of the first byte
 * @seed: another seed, another pattern
 */
void vsg_pattern(void *buf, size_t len, uint64_t off, uint32_t seed);

/**
 * vsg_pattern_check() - look for the first byte that is not the pattern's
 * @buf: buffer
 * @len: bytes
 * @off: as given to vsg_pattern()
 * @seed: as given to vsg_pattern()
 *
 * Return: its offset in the buffer, or -1 if all is as it should be.
 */
long vsg_pattern_check(const void *buf, size_t len, uint64_t off,
		       uint32_t seed);

/* Big endian numbers in CDBs, parameter data and sense data. */
void vsg_put_be(void *p, uint64_t v, unsigned int bytes);
uint64_t vsg_get_be(const void *p, unsigned int bytes);

/* ---- control and event queue (ctl.c) ----------------------------------- */

/**
 * struct vsg_ctl - a request of the control queue
 * @tok: follows it through the ring
 * @dev: its device
 * @tmf: task management request
 * @an: asynchronous notification request (same memory as @tmf)
 * @resp: response bytes (tmf: 1, an: 5)
 *
 * Owned by the caller: vsg_ctl_alloc(), vsg_ctl_free().
 */
struct vsg_ctl {
	struct vsg_token tok;
	struct vsg_dev *dev;
	union {
		struct virtio_scsi_ctrl_tmf_req *tmf;
		struct virtio_scsi_ctrl_an_req *an;
	};
	uint8_t *resp;
};

struct vsg_ctl *vsg_ctl_alloc(struct vsg_dev *dev);
void vsg_ctl_free(struct vsg_ctl *ctl);

/**
 * vsg_tmf_submit() - send a task management function, do not wait
 * @ctl: request
 * @subtype: VIRTIO_SCSI_T_TMF_*
 * @target: target
 * @lun: LUN
 * @tag: tag of the task, where the function has one
 */
int vsg_tmf_submit(struct vsg_ctl *ctl, uint32_t subtype, uint8_t target,
		   uint16_t lun, uint64_t tag);

/* The same with the eight bytes of the LUN field. */
int vsg_tmf_submit_to(struct vsg_ctl *ctl, uint32_t subtype, const uint8_t lun[8],
		      uint64_t tag);

/**
 * vsg_tmf() - send a task management function and wait
 * @dev: device
 * @subtype: VIRTIO_SCSI_T_TMF_*
 * @target: target
 * @lun: LUN
 * @tag: tag of the task
 * @timeout_ms: how long
 *
 * Return: the response (VIRTIO_SCSI_S_*), or a negative errno.
 */
int vsg_tmf(struct vsg_dev *dev, uint32_t subtype, uint8_t target, uint16_t lun,
	    uint64_t tag, int timeout_ms);

/**
 * vsg_an() - asynchronous notification query or subscription
 * @dev: device
 * @type: VIRTIO_SCSI_T_AN_QUERY or VIRTIO_SCSI_T_AN_SUBSCRIBE
 * @target: target
 * @lun: LUN
 * @events: event_requested
 * @actual: where to store event_actual
 * @timeout_ms: how long
 *
 * Return: the response, or a negative errno.
 */
int vsg_an(struct vsg_dev *dev, uint32_t type, uint8_t target, uint16_t lun,
	   uint32_t events, uint32_t *actual, int timeout_ms);

/**
 * struct vsg_evt - a buffer on the event queue
 * @tok: follows it through the ring
 * @event: the event, once @tok.done
 * @size: bytes of the buffer
 */
struct vsg_evt {
	struct vsg_token tok;
	struct virtio_scsi_event *event;
	uint32_t size;
};

/**
 * vsg_evt_post() - give the device a buffer for an event
 * @dev: device
 * @evt: zeroed by the caller before the first use; posted again as it is later
 * @size: bytes, at least 16 for an event to fit
 */
int vsg_evt_post(struct vsg_dev *dev, struct vsg_evt *evt, uint32_t size);

#endif /* VSG_H */
