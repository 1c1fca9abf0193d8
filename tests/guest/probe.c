// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a virtio-scsi device does, seen from within a guest, whoever has made it: the driver is
 * taken from the PCI device ADDRESS, and one of its own, without interrupts, asks. It prints a
 * line for each question.
 *
 *	probe ADDRESS TARGET		all but what follows
 *	probe ADDRESS TARGET resize	waits for the size of LUN 0 to change; /tmp/ready
 *					appears when it does
 *
 * Queues and buffers lie in huge pages, of which it needs 8.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_scsi.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Of the device, and of memory that it writes: by one instruction each. */
#define get(place) __atomic_load_n(&(place), __ATOMIC_RELAXED)
#define set(place, value) __atomic_store_n(&(place), value, __ATOMIC_RELAXED)

#define HUGE (2u << 20)
#define NR_HUGE 8
#define RING 64
#define WAIT_MS 3000

/* Offsets in the first huge page. */
enum {
	AT_QUEUES = 0,
	AT_REQ = 0x40000,
	AT_RESP = 0x41000,
	AT_EVENT = 0x42000,
	AT_DATA = 0x80000,
};

enum { CTL, EVT, IO, NR_QUEUES };

struct queue {
	uint16_t *doorbell;
	struct vring_desc *desc;
	uint16_t *avail;
	uint16_t *used;
	uint16_t seen;
	uint16_t head;
};

static char dir[128];
static uint8_t *memory[NR_HUGE];
static uint64_t physical[NR_HUGE];
static struct virtio_pci_common_cfg *common;
static uint8_t *notify_base;
static uint32_t notify_step;
static struct queue queues[NR_QUEUES];
static uint8_t target;

static void __printf(1, 2) die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf(": %s\n", strerror(errno));
	exit(1);
}

static int file(const char *name, int flags)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, flags);
	if (fd < 0)
		die("%s", path);
	return fd;
}

static uint64_t ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

static void barrier(void)
{
	__sync_synchronize();
}

/* ---- the machine -------------------------------------------------------- */

static void memory_get(void)
{
	uint64_t entry;
	unsigned int i;
	int fd;

	fd = open("/proc/sys/vm/nr_hugepages", O_WRONLY);
	if (fd < 0 || write(fd, "8", 1) != 1)
		die("nr_hugepages");
	close(fd);
	fd = open("/proc/self/pagemap", O_RDONLY);
	for (i = 0; i < NR_HUGE; i++) {
		memory[i] = mmap(NULL, HUGE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
		if (memory[i] == MAP_FAILED)
			die("a huge page");
		memset(memory[i], 0, HUGE);
		if (pread(fd, &entry, 8, (uintptr_t)memory[i] / 4096 * 8) != 8)
			die("pagemap");
		physical[i] = (entry & ((1ull << 55) - 1)) * 4096;
		if (!physical[i])
			die("pagemap shows no addresses");
	}
	close(fd);
}

static uint8_t *bar_map(unsigned int bar)
{
	char name[16];
	struct stat st;
	uint8_t *at;
	int fd;

	snprintf(name, sizeof(name), "resource%u", bar);
	fd = file(name, O_RDWR);
	if (fstat(fd, &st))
		die("%s", name);
	at = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		die("%s", name);
	close(fd);
	return at;
}

/* Of the registers of before virtio 1.0, which are in a BAR of I/O, if it has them. */
static uint32_t features_legacy(void)
{
	uint32_t features = 0;
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/resource0", dir);
	fd = open(path, O_RDONLY);
	if (fd < 0 || pread(fd, &features, 4, 0) != 4)
		features = 0;
	close(fd);
	return features;
}

static void device_find(const char *address)
{
	uint8_t config[256], *cap;
	uint16_t command;
	unsigned int at;
	char path[160];
	int fd;

	snprintf(dir, sizeof(dir), "/sys/bus/pci/devices/%s", address);
	snprintf(path, sizeof(path), "%s/driver/unbind", dir);
	fd = open(path, O_WRONLY);
	if (fd >= 0) {
		if (write(fd, address, strlen(address)) < 0)
			die("unbind");
		close(fd);
	}
	fd = file("config", O_RDWR);
	if (pread(fd, config, sizeof(config), 0) != sizeof(config))
		die("config");
	/* I/O, memory, master. */
	command = config[4] | config[5] << 8 | 7;
	if (pwrite(fd, &command, 2, 4) != 2)
		die("command");
	close(fd);
	for (at = config[0x34]; at; at = config[at + 1]) {
		uint32_t offset;

		cap = config + at;
		if (cap[0] != 9)
			continue;
		memcpy(&offset, cap + 8, 4);
		if (cap[3] == VIRTIO_PCI_CAP_COMMON_CFG)
			common = (void *)(bar_map(cap[4]) + offset);
		if (cap[3] == VIRTIO_PCI_CAP_NOTIFY_CFG) {
			notify_base = bar_map(cap[4]) + offset;
			memcpy(&notify_step, cap + 16, 4);
		}
	}
	if (!common || !notify_base)
		die("%s is no virtio 1.0 device", address);
}

/* ---- queues ------------------------------------------------------------- */

static uint64_t address(unsigned int page, unsigned int at)
{
	return physical[page] + at;
}

static void queue_set_up(unsigned int nr)
{
	unsigned int at = AT_QUEUES + nr * 0x4000;
	struct queue *q = &queues[nr];

	memset(memory[0] + at, 0, 0x4000);
	set(common->queue_select, nr);
	set(common->queue_size, RING);
	set(common->queue_msix_vector, 0xffff);
	set(common->queue_desc_lo, address(0, at));
	set(common->queue_desc_hi, address(0, at) >> 32);
	set(common->queue_avail_lo, address(0, at + 0x1000));
	set(common->queue_avail_hi, address(0, at + 0x1000) >> 32);
	set(common->queue_used_lo, address(0, at + 0x2000));
	set(common->queue_used_hi, address(0, at + 0x2000) >> 32);
	q->desc = (void *)(memory[0] + at);
	q->avail = (void *)(memory[0] + at + 0x1000);
	q->used = (void *)(memory[0] + at + 0x2000);
	q->seen = 0;
	q->head = 0;
	/* It polls. */
	set(q->avail[0], VRING_AVAIL_F_NO_INTERRUPT);
	q->doorbell = (void *)(notify_base + get(common->queue_notify_off) * notify_step);
	set(common->queue_enable, 1);
}

static uint64_t features_offered(void)
{
	uint64_t features;

	set(common->device_feature_select, 1);
	features = (uint64_t)get(common->device_feature) << 32;
	set(common->device_feature_select, 0);
	return features | get(common->device_feature);
}

/* With a driver that takes @features of what there is. */
static void device_start(uint64_t features)
{
	unsigned int i;

	set(common->device_status, 0);
	while (get(common->device_status))
		;
	set(common->device_status, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	features &= features_offered();
	set(common->guest_feature_select, 0);
	set(common->guest_feature, features);
	set(common->guest_feature_select, 1);
	set(common->guest_feature, features >> 32);
	set(common->device_status, get(common->device_status) | (VIRTIO_CONFIG_S_FEATURES_OK));
	if (!(get(common->device_status) & VIRTIO_CONFIG_S_FEATURES_OK))
		die("features %llx are refused", (unsigned long long)features);
	for (i = 0; i < NR_QUEUES; i++)
		queue_set_up(i);
	set(common->device_status, get(common->device_status) | (VIRTIO_CONFIG_S_DRIVER_OK));
}

/*
 * The chain from q->head on. The next one is elsewhere: the device may still look at this
 * one.
 */
static void queue_give(struct queue *q)
{
	uint16_t at = q->avail[1];

	set(q->avail[2 + at % RING], q->head);
	q->head = RING / 2 - q->head;
	barrier();
	set(q->avail[1], at + 1);
	barrier();
	set(*q->doorbell, q - queues);
}

/* Returns what was written to the chain, or -1: it did not come back. */
static long queue_take(struct queue *q, unsigned int wait_ms)
{
	uint64_t end = ms() + wait_ms;
	uint32_t len;

	while (get(q->used[1]) == q->seen)
		if (ms() >= end)
			return -1;
	barrier();
	memcpy(&len, (uint8_t *)q->used + 4 + q->seen % RING * 8 + 4, 4);
	q->seen++;
	return len;
}

/* Adds a piece to a chain of @nr. Returns how many it has then. */
static unsigned int put(struct queue *q, unsigned int nr, uint64_t at, uint32_t len, bool in)
{
	struct vring_desc *desc = q->desc + q->head + nr;

	if (nr) {
		desc[-1].flags |= VRING_DESC_F_NEXT;
		desc[-1].next = q->head + nr;
	}
	desc->addr = at;
	desc->len = len;
	desc->flags = in ? VRING_DESC_F_WRITE : 0;
	return nr + 1;
}

/* ---- requests ----------------------------------------------------------- */

struct result {
	long used;
	struct virtio_scsi_cmd_resp resp;
};

static const uint8_t none[16];

/* What is sent: @out bytes and @in bytes from the start of the data on. */
static struct result send(const uint8_t *lun, const void *cdb, size_t len, uint32_t out,
			  uint32_t in, uint32_t resp_len)
{
	struct virtio_scsi_cmd_req *req = (void *)(memory[0] + AT_REQ);
	struct queue *q = &queues[IO];
	struct result res = {};
	unsigned int nr = 0, page;
	uint32_t part;

	memset(req, 0, sizeof(*req));
	memcpy(req->lun, lun, 8);
	req->tag = 1;
	memcpy(req->cdb, cdb, len);
	memset(memory[0] + AT_RESP, 0xee, 256);
	nr = put(q, nr, address(0, AT_REQ), sizeof(*req), false);
	if (out)
		nr = put(q, nr, address(0, AT_DATA), out, false);
	nr = put(q, nr, address(0, AT_RESP), resp_len, true);
	for (page = in > HUGE - AT_DATA; in; page++, in -= part) {
		part = in > HUGE ? HUGE : in;
		nr = put(q, nr, page ? address(page, 0) : address(0, AT_DATA), part, true);
	}
	queue_give(q);
	res.used = queue_take(q, WAIT_MS);
	memcpy(&res.resp, memory[0] + AT_RESP, sizeof(res.resp));
	return res;
}

static struct result command(uint8_t lun, const void *cdb, size_t len, uint32_t out, uint32_t in)
{
	uint8_t address[8] = { 1, target, 0x40, lun };

	return send(address, cdb, len, out, in, sizeof(struct virtio_scsi_cmd_resp));
}

static const char *response_name(unsigned int response)
{
	static const char *const names[] = {
		"OK", "OVERRUN", "ABORTED", "BAD_TARGET", "RESET", "BUSY",
		"TRANSPORT_FAILURE", "TARGET_FAILURE", "NEXUS_FAILURE", "FAILURE",
		"FUNCTION SUCCEEDED", "FUNCTION REJECTED", "INCORRECT LUN",
	};
	static char other[32];

	if (response < ARRAY_SIZE(names))
		return names[response];
	snprintf(other, sizeof(other), "response %u", response);
	return other;
}

static const char *told(const struct result *res)
{
	static char text[80];
	const uint8_t *sense = res->resp.sense;
	bool fixed = (sense[0] & 0x7e) == 0x70;

	if (res->used < 0)
		return "never answered";
	if (res->resp.response)
		return response_name(res->resp.response);
	if (!res->resp.status)
		return "GOOD";
	if (res->resp.status != 2) {
		snprintf(text, sizeof(text), "status %02Xh", res->resp.status);
		return text;
	}
	snprintf(text, sizeof(text), "%X/%02X/%02X", sense[fixed ? 2 : 1] & 15,
		 sense[fixed ? 12 : 2], sense[fixed ? 13 : 3]);
	return text;
}

static void __printf(2, 3) say(const char *what, const char *fmt, ...)
{
	va_list ap;

	printf("%s: ", what);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
}

/* Until it is ready: unit attentions are told once. */
static void make_ready(void)
{
	struct result res;
	unsigned int i;

	for (i = 0; i < 20; i++) {
		res = command(0, none, 6, 0, 0);
		if (!res.used || (!res.resp.response && !res.resp.status))
			return;
	}
	die("LUN 0 does not become ready: %s", told(&res));
}

/* ---- questions ---------------------------------------------------------- */

static void ask_features(void)
{
	static const struct {
		const char *name;
		unsigned int bit;
	} known[] = {
		{ "VIRTIO_SCSI_F_INOUT", VIRTIO_SCSI_F_INOUT },
		{ "VIRTIO_SCSI_F_HOTPLUG", VIRTIO_SCSI_F_HOTPLUG },
		{ "VIRTIO_SCSI_F_CHANGE", VIRTIO_SCSI_F_CHANGE },
		{ "VIRTIO_SCSI_F_T10_PI", VIRTIO_SCSI_F_T10_PI },
		{ "VIRTIO_F_NOTIFY_ON_EMPTY", 24 },
		{ "VIRTIO_F_ANY_LAYOUT", 27 },
		{ "VIRTIO_RING_F_INDIRECT_DESC", VIRTIO_RING_F_INDIRECT_DESC },
		{ "VIRTIO_RING_F_EVENT_IDX", VIRTIO_RING_F_EVENT_IDX },
		{ "VIRTIO_F_VERSION_1", VIRTIO_F_VERSION_1 },
		{ "VIRTIO_F_RING_PACKED", VIRTIO_F_RING_PACKED },
	};
	uint64_t features = features_offered() | features_legacy();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		say(known[i].name, "%s", features >> known[i].bit & 1 ? "yes" : "no");
}

/* @type, @function: of a control request; @lun: 255: the one that is not there */
static const char *control(uint32_t type, uint32_t function, uint8_t lun)
{
	struct virtio_scsi_ctrl_tmf_req *req = (void *)(memory[0] + AT_REQ);
	struct virtio_scsi_ctrl_an_req *an = (void *)req;
	uint8_t address_of[8] = { 1, target, 0x40, lun };
	uint8_t *resp = memory[0] + AT_RESP;
	struct queue *q = &queues[CTL];
	bool tmf = type != VIRTIO_SCSI_T_AN_QUERY;
	unsigned int nr;

	memset(req, 0, 64);
	memset(resp, 0xee, 64);
	req->type = type;
	req->subtype = function;
	memcpy(tmf ? req->lun : an->lun, address_of, 8);
	if (tmf)
		req->tag = 0x77;
	else
		an->event_requested = 2;
	nr = put(q, 0, address(0, AT_REQ), tmf ? sizeof(*req) : sizeof(*an), false);
	put(q, nr, address(0, AT_RESP), tmf ? 1 : sizeof(struct virtio_scsi_ctrl_an_resp), true);
	queue_give(q);
	if (queue_take(q, WAIT_MS) < 0)
		return "never answered";
	if (resp[tmf ? 0 : 4] == 0xee)
		return "given back without an answer";
	if (!resp[tmf ? 0 : 4])
		return tmf ? "FUNCTION COMPLETE" : "OK";
	return response_name(resp[tmf ? 0 : 4]);
}

static void ask_functions(void)
{
	static const char *const names[] = {
		"ABORT TASK", "ABORT TASK SET", "CLEAR ACA", "CLEAR TASK SET",
		"I_T NEXUS RESET", "LOGICAL UNIT RESET", "QUERY TASK", "QUERY TASK SET",
	};
	unsigned int i;

	for (i = 0; i < 8; i++)
		say(names[i], "%s", control(VIRTIO_SCSI_T_TMF, i, 0));
	say("LOGICAL UNIT RESET of no LUN", "%s",
	    control(VIRTIO_SCSI_T_TMF, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, 9));
	say("asynchronous notification query", "%s", control(VIRTIO_SCSI_T_AN_QUERY, 0, 0));
	say("unknown control request", "%s", control(77, 0, 0));
}

static void ask_addresses(void)
{
	uint8_t inquiry[6] = { 0x12, [4] = 96 }, luns[12] = { 0xa0, [9] = 64 };
	uint8_t absent[8] = { 1, target + 3, 0x40, 0 }, wrong[8] = { 7, 1 };
	uint8_t well_known[8] = { 1, target, 0xc1, 1 };
	uint8_t *data = memory[0] + AT_DATA;
	struct result res;

	res = command(9, inquiry, 6, 0, 96);
	if (!strcmp(told(&res), "GOOD"))
		say("INQUIRY of no LUN", "qualifier %u%u%ub", data[0] >> 7, data[0] >> 6 & 1,
		    data[0] >> 5 & 1);
	else
		say("INQUIRY of no LUN", "%s", told(&res));
	res = command(9, none, 6, 0, 0);
	say("TEST UNIT READY of no LUN", "%s", told(&res));
	res = send(absent, inquiry, 6, 0, 96, sizeof(res.resp));
	say("INQUIRY of no target", "%s", told(&res));
	res = send(wrong, inquiry, 6, 0, 96, sizeof(res.resp));
	say("wrong LUN bytes", "%s", told(&res));
	res = send(well_known, inquiry, 6, 0, 96, sizeof(res.resp));
	say("REPORT LUNS well known logical unit", "%s",
	    !strcmp(told(&res), "GOOD") && data[0] == 0x1e ? "yes" : told(&res));
	luns[2] = 1;
	res = command(0, luns, 12, 0, 64);
	if (!strcmp(told(&res), "GOOD"))
		say("REPORT LUNS, SELECT REPORT 01h", "the list has %u", data[3] / 8);
	else
		say("REPORT LUNS, SELECT REPORT 01h", "%s", told(&res));
	luns[2] = 0x55;
	res = command(0, luns, 12, 0, 64);
	say("REPORT LUNS, SELECT REPORT 55h", "%s", told(&res));
}

static void ask_transfers(void)
{
	uint8_t inquiry[6] = { 0x12, [4] = 255 }, read16[16] = { 0x88 };
	uint8_t lun[8] = { 1, target, 0x40, 0 }, read10[10] = { 0x28, [8] = 1 };
	struct result res;

	res = command(0, inquiry, 6, 0, 255);
	say("residual of a short INQUIRY", "%s",
	    res.resp.resid == 255 - (memory[0] + AT_DATA)[4] - 5u ? "right" : "wrong");
	say("bytes written, as the used ring has them", "%s",
	    res.used == (long)(sizeof(res.resp) + 255 - res.resp.resid) ? "right" :
	    res.used ? "other" : "0");
	res = send(lun, read10, 10, 512, 512, sizeof(res.resp));
	say("data in both directions", "%s", told(&res));
	read16[12] = 12u * 2048 >> 8;
	res = command(0, read16, 16, 0, 12 << 20);
	say("READ of 12 MiB", "%s", told(&res));
}

static void ask_commands(void)
{
	static const uint8_t of_keys[10] = { 0x5e, 0, [8] = 64 };
	static const uint8_t compare[16] = { 0x89, [9] = 64, [13] = 1 };
	static const uint8_t same[16] = { 0x93, [9] = 64, [13] = 8 };
	static const uint8_t copy[16] = { 0x84, 3, [13] = 64 };
	static const uint8_t verify[10] = { 0x2f, 2, [8] = 1 };
	struct result res;

	memset(memory[0] + AT_DATA, 0, 4096);
	res = command(0, of_keys, 10, 0, 64);
	say("PERSISTENT RESERVE IN", "%s", told(&res));
	/* Blocks of zeroes are there first. */
	memset(memory[0] + AT_DATA, 0, 4096);
	res = command(0, same, 16, 512, 0);
	say("WRITE SAME (16)", "%s", told(&res));
	memset(memory[0] + AT_DATA, 0, 512);
	memset(memory[0] + AT_DATA + 512, 1, 512);
	res = command(0, compare, 16, 1024, 0);
	say("COMPARE AND WRITE", "%s", told(&res));
	res = command(0, copy, 16, 0, 64);
	say("RECEIVE COPY OPERATING PARAMETERS", "%s", told(&res));
	memset(memory[0] + AT_DATA, 7, 512);
	res = command(0, verify, 10, 512, 0);
	say("VERIFY of other data", "%s", told(&res));
}

/* @was: what the last question was; a queue that is dead has a new start. */
static void goes_on(const char *was, uint64_t features)
{
	struct result res = command(0, none, 6, 0, 0);

	say(was, "%s", res.used >= 0 ? "yes" : "no");
	device_start(features);
	make_ready();
}

static void ask_hostile(uint64_t features)
{
	uint8_t lun[8] = { 1, target, 0x40, 0 }, read10[10] = { 0x28, [8] = 1 };
	struct virtio_scsi_cmd_req *req = (void *)(memory[0] + AT_REQ);
	struct queue *q = &queues[IO];
	struct result res;
	unsigned int nr;

	res = send(lun, none, 6, 0, 0, 12);
	say("a response buffer of 12 bytes", "%s", res.used >= 0 ? "answered" : "never answered");
	goes_on("the queue goes on after it", features);

	memset(req, 0, sizeof(*req));
	memcpy(req->lun, lun, 8);
	memcpy(req->cdb, read10, 10);
	nr = put(q, 0, address(0, AT_REQ), sizeof(*req), false);
	nr = put(q, nr, address(0, AT_RESP), sizeof(res.resp), true);
	put(q, nr, 1ull << 40, 512, true);
	memset(memory[0] + AT_RESP, 0xee, sizeof(res.resp));
	queue_give(q);
	res.used = queue_take(q, WAIT_MS);
	memcpy(&res.resp, memory[0] + AT_RESP, sizeof(res.resp));
	say("a data buffer outside of memory", "%s", told(&res));
	goes_on("the queue goes on after that", features);
}

static void event_give(void)
{
	memset(memory[0] + AT_EVENT, 0xee, sizeof(struct virtio_scsi_event));
	put(&queues[EVT], 0, address(0, AT_EVENT), sizeof(struct virtio_scsi_event), true);
	queue_give(&queues[EVT]);
}

static void ask_resize(void)
{
	struct virtio_scsi_event *event = (void *)(memory[0] + AT_EVENT);
	const char *attention = "no", *change = "no";
	uint64_t end;
	int fd;

	event_give();
	fd = open("/tmp/ready", O_CREAT | O_WRONLY, 0600);
	close(fd);
	end = ms() + 10000;
	while (ms() < end && (*attention == 'n' || *change == 'n')) {
		struct result res = command(0, none, 6, 0, 0);

		if (!strcmp(told(&res), "6/2A/09"))
			attention = "yes";
		if (queue_take(&queues[EVT], 100) >= 0) {
			if ((event->event & 0x7fffffff) == VIRTIO_SCSI_T_PARAM_CHANGE &&
			    event->reason == 0x092a)
				change = "yes";
			event_give();
		}
		/* Of the two the unit attention may come alone, and soon. */
		if (*attention == 'y' && end > ms() + 2000)
			end = ms() + 2000;
	}
	say("unit attention of a LUN that grew", "%s", attention);
	say("event of a LUN that grew", "%s", change);
}

int main(int argc, char **argv)
{
	uint64_t features = 1ull << VIRTIO_F_VERSION_1 | 1 << VIRTIO_SCSI_F_HOTPLUG |
			    1 << VIRTIO_SCSI_F_CHANGE;

	if (argc < 3) {
		fprintf(stderr, "probe ADDRESS TARGET [resize]\n");
		return 2;
	}
	target = atoi(argv[2]);
	memory_get();
	device_find(argv[1]);
	device_start(features);
	make_ready();
	if (argc > 3) {
		ask_resize();
	} else {
		ask_features();
		ask_functions();
		make_ready();
		ask_addresses();
		ask_transfers();
		ask_commands();
		ask_hostile(features);
	}
	set(common->device_status, 0);
	return 0;
}
