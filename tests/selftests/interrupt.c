// SPDX-License-Identifier: GPL-2.0-only
/*
 * Proves: of a command with much data nothing is copied, made, checked or compared in its
 * backend's interrupt, nor in a work item that is bound to a processor: the work items of
 * other guests' commands would wait for it.
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "files.h"
#include "support.h"

#define T 1
#define TRACE "/sys/kernel/tracing"
#define COPY "vhost_scsi_bounce_copy_back"
/* Makes or checks the protection information of what was read. */
#define INFORMATION "vhost_scsi_pi_read"
#define COMPARE "vhost_scsi_bounce_same"
#define PROBE TRACE "/events/kprobes/vhost_copy"

enum { CUT = 256, LARGE = 48 << 20, SMALL = 64 << 10 };
/* Blocks, and bytes of data and of protection information. */
enum { BLOCKS = 16384, DATA = BLOCKS * BLOCK, INFO = BLOCKS * 8 };

int suite_setup(void)
{
	/* Its timer completes, in an interrupt. */
	return lio_suite("block irq 64 1000000; tpg " WWN_A " 1; lun " WWN_A
			 " 1 0 irq; tpg " WWN_B " 1; lun " WWN_B " 1 0 irq\n"
			 "ramdisk ram 64; ramdisk info 64; lun " WWN_A " 1 1 ram") ?:
	       lio_write("1", "core/rd_mcp_" LIO_HBA "/info/attrib/pi_prot_type") ?:
	       lio("lun " WWN_B " 1 1 info");
}

void suite_teardown(void)
{
	write_file(PROBE "/enable", "0");
	write_file(TRACE "/kprobe_events", "-:vhost_copy");
	lio_suite_end();
}

/*
 * Traces a function; false: that is not possible.
 *
 * The tracer of functions has the scheduler patched, and an emulated processor may run into a
 * patch after it was done ("Oops: int3"). This patches the function alone; tools/vm/run says
 * why names are not recorded.
 */
static bool probe(const char *function)
{
	char event[80];

	/* Without it a probe traps, with interrupts off. */
	if (write_file(TRACE "/set_ftrace_filter", function))
		return false;
	write_file(TRACE "/set_ftrace_filter", "");
	write_file(PROBE "/enable", "0");
	write_file(TRACE "/kprobe_events", "-:vhost_copy");
	write_file(TRACE "/trace", "");
	snprintf(event, sizeof(event), "p:vhost_copy %s", function);
	EXPECT_EQ(0, write_file(TRACE "/kprobe_events", event));
	EXPECT_EQ(0, write_file(PROBE "/enable", "1"));
	return true;
}

/* Does this thread run work items of a workqueue that is bound to a processor? */
static bool is_bound_worker(int tid)
{
	char path[40], name[32] = "";

	snprintf(path, sizeof(path), "/proc/%d/comm", tid);
	read_file(path, name, sizeof(name));
	return !strncmp(name, "kworker/", 8) && name[8] != 'u';
}

/* How often it was traced: in all, and where it keeps others from a processor. */
static void traced(const char *function, unsigned int *all, unsigned int *in_interrupts)
{
	FILE *f = fopen(TRACE "/trace", "r");
	char line[512], flags[8];
	int tid;

	*all = 0;
	*in_interrupts = 0;
	ASSERT_TRUE(f);
	while (fgets(line, sizeof(line), f)) {
		const char *cpu = strstr(line, " [");

		/* task-pid [cpu] flags time: function <-caller */
		if (!strstr(line, function) || *line == '#' || !cpu ||
		    sscanf(cpu, " [%*d] %7s", flags) != 1)
			continue;
		++*all;
		for (tid = 0; cpu > line && cpu[-1] != '-'; cpu--)
			;
		tid = atoi(cpu);
		*in_interrupts += flags[0] != '.' || flags[2] != '.' ||
				  is_bound_worker(tid);
	}
	fclose(f);
}

/* A read that needs a buffer of the host: the guest's is cut within a block. */
static void misaligned_read(struct vsg_ring *r, struct vsg_req *req, uint16_t lun,
			    uint32_t bytes)
{
	uint64_t gpa = vsg_gpa(&r->dev->mem, req->data_in);

	vsg_cmd_rw(req, T, lun, false, 0, bytes / BLOCK, BLOCK);
	req->nseg = 2;
	vsg_req_seg(req, gpa, CUT, VRING_DESC_F_WRITE);
	vsg_req_seg(req, gpa + CUT, bytes - CUT, VRING_DESC_F_WRITE);
	exec(r, req);
	EXPECT_TRUE(vsg_good(req));
}

TEST_TIMEOUT(large_read, 60)
{
	struct vsg_opts opts = { .mem_size = LARGE + (4 << 20) };
	unsigned int all, in_interrupts, i;
	struct vsg_req *req;
	struct vsg_dev *dev;

	if (!probe(COPY))
		SKIP("no tracer of functions, or another module");
	dev = guest(WWN_A, &opts);
	ready(vsg_io(dev, 0), T, 0);
	req = request(dev, 0, LARGE);

	for (i = 0; i < 4; i++)
		misaligned_read(vsg_io(dev, 0), req, 0, LARGE);
	traced(COPY, &all, &in_interrupts);
	EXPECT_EQ(4, all);
	EXPECT_EQ(0, in_interrupts);

	WHERE("little data ends where it comes");
	misaligned_read(vsg_io(dev, 0), req, 0, SMALL);
	traced(COPY, &all, &in_interrupts);
	EXPECT_EQ(5, all);
	guest_end(dev);
}

/* LIO's ramdisk completes in such a work item. */
TEST_TIMEOUT(large_read_of_a_ramdisk, 60)
{
	struct vsg_opts opts = { .mem_size = LARGE + (4 << 20) };
	unsigned int all, kept, i;
	struct vsg_req *req;
	struct vsg_dev *dev;

	if (!probe(COPY))
		SKIP("no tracer of functions, or another module");
	dev = guest(WWN_A, &opts);
	ready(vsg_io(dev, 0), T, 1);
	req = request(dev, 0, LARGE);
	for (i = 0; i < 4; i++)
		misaligned_read(vsg_io(dev, 0), req, 1, LARGE);
	traced(COPY, &all, &kept);
	EXPECT_EQ(4, all);
	EXPECT_EQ(0, kept);
	guest_end(dev);
}

TEST_TIMEOUT(large_verify, 60)
{
	struct vsg_opts opts = { .mem_size = DATA + (4 << 20) };
	uint8_t cdb[10] = { 0x2f, 1 << 1 };
	unsigned int all, kept;
	struct vsg_req *req;
	struct vsg_dev *dev;
	struct vsg_ring *r;

	if (!probe(COMPARE))
		SKIP("no tracer of functions, or another module");
	dev = guest(WWN_A, &opts);
	r = vsg_io(dev, 0);
	ready(r, T, 1);
	req = request(dev, DATA, 0);
	write_pattern(r, req, T, 1, 0, BLOCKS, 1);
	vsg_put_be(cdb + 7, BLOCKS, 2);
	vsg_req_cmd(req, T, 1, cdb, sizeof(cdb), DATA, 0);
	exec_good(r, req);
	WHERE("a byte differs");
	req->data_out[DATA - 1] ^= 1;
	EXPECT_EQ(0x1d00, exec(r, req).asc);
	traced(COMPARE, &all, &kept);
	EXPECT_EQ(2, all);
	EXPECT_EQ(0, kept);
	guest_end(dev);
}

static void read_with_information(unsigned int lun)
{
	struct vsg_opts opts = {
		.mem_size = DATA + (4 << 20),
		.features = VSG_FEATURES_MODERN | VSG_F(VIRTIO_SCSI_F_T10_PI),
	};
	uint8_t cdb[10] = { VSG_READ_10, 1 << 5 };
	unsigned int all, kept;
	struct vsg_req *req;
	struct vsg_dev *dev;
	struct vsg_ring *r;

	if (!probe(INFORMATION))
		SKIP("no tracer of functions, or another module");
	ASSERT_EQ(0, lio_write("1", "vhost/" WWN_B "/tpgt_1/attrib/fabric_prot_type"));
	dev = guest(WWN_B, &opts);
	r = vsg_io(dev, 0);
	ready(r, T, lun);
	req = request(dev, 0, INFO + DATA);
	vsg_put_be(cdb + 7, BLOCKS, 2);
	vsg_req_cmd(req, T, lun, cdb, sizeof(cdb), 0, INFO + DATA);
	req->hdr_pi->pi_bytesin = vsg_v32(r, INFO);
	exec_good(r, req);
	traced(INFORMATION, &all, &kept);
	EXPECT_EQ(1, all);
	EXPECT_EQ(0, kept);
	guest_end(dev);
}

TEST_TIMEOUT(large_read_with_information, 60)
{
	WHERE("the disk has none, so it is made");
	read_with_information(0);
}

TEST_TIMEOUT(large_read_of_information, 60)
{
	read_with_information(1);
}
