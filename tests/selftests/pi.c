// SPDX-License-Identifier: GPL-2.0-only
/*
 * Proves: a guest that has negotiated VIRTIO_SCSI_F_T10_PI sends and takes protection
 * information (virtio 1.3, 5.6.6.1; SBC-4, 4.21) in any layout, each byte of it and of the
 * data where it belongs; each fault of it is found; and no size in a header does harm.
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rng.h"
#include "see.h"
#include "support.h"

#define T 1
#define TUPLE 8
#define HDR ((uint32_t)sizeof(struct virtio_scsi_cmd_req_pi))
#define MAX_BLOCKS 2048
#define PAGE 4096
#define FEATURES (VSG_FEATURES_MODERN | VSG_F(VIRTIO_SCSI_F_T10_PI))

#define GUARD 0x1001
#define REF 0x1003
#define INVALID_FIELD 0x2400

/* Of WWN_A. Those of WWN_B keep no protection information. */
enum { LUN_RAM1, LUN_RAM3, LUN_FILE1, LUN_FILE3, LUN_DISK1, LUN_SCSI };
enum { LUN_RAM, LUN_FILE };

static const struct {
	const char *name;
	unsigned int lun;
	unsigned int type;
} stores[] = {
	{ "ramdisk, type 1", LUN_RAM1, 1 },
	{ "ramdisk, type 3", LUN_RAM3, 3 },
	{ "fileio, type 1", LUN_FILE1, 1 },
	{ "fileio, type 3", LUN_FILE3, 3 },
	{ "iblock, type 1", LUN_DISK1, 1 },
};

static bool have_disk;

static int set_attrib(const char *type, const char *name, const char *file, const char *value)
{
	return lio_write(value, "core/%s_" LIO_HBA "/%s/attrib/%s", type, name, file);
}

static int format(const char *name, const char *type)
{
	int ret = set_attrib("fileio", name, "pi_prot_type", type);

	return ret ? ret : set_attrib("fileio", name, "pi_prot_format", "1");
}

int suite_setup(void)
{
	int ret = lio_suite("ramdisk ram1 4; ramdisk ram3 4; fileio file1 4; fileio file3 4\n"
			    "ramdisk ram 4; fileio file 4\n"
			    "tpg " WWN_A " 1; tpg " WWN_B " 1\n"
			    "lun " WWN_B " 1 0 ram; lun " WWN_B " 1 1 file\n");

	ret = ret ? ret : set_attrib("rd_mcp", "ram1", "pi_prot_type", "1");
	ret = ret ? ret : set_attrib("rd_mcp", "ram3", "pi_prot_type", "3");
	ret = ret ? ret : format("file1", "1");
	ret = ret ? ret : format("file3", "3");
	ret = ret ? ret : lio("lun " WWN_A " 1 0 ram1; lun " WWN_A " 1 1 ram3\n"
			      "lun " WWN_A " 1 2 file1; lun " WWN_A " 1 3 file3\n");
	if (ret)
		return ret;
	ret = lio("protected disk1 1");
	if (ret == -ENOENT)
		return 0;
	have_disk = !ret;
	return ret ? ret : lio("scsi scsi; lun " WWN_A " 1 4 disk1; lun " WWN_A " 1 5 scsi");
}

void suite_teardown(void)
{
	lio_suite_end();
}

/* Of no feature is more used than of that it is there. */
static int set_fabric(const char *type)
{
	return lio_write(type, "vhost/" WWN_B "/tpgt_1/attrib/fabric_prot_type");
}

FIXTURE(pi)
{
	struct vsg_dev *dev;
	struct vsg_ring *r;
	struct vsg_req *req;
	uint8_t *arena;		/* guest memory for streams */
	size_t arena_len;
	uint8_t *pi, *data;	/* what is sent, or was got */
	uint8_t *pi2, *data2;
};

static void start(struct pi *self, const char *wwn, uint64_t features, unsigned int luns)
{
	struct vsg_opts opts = {
		.features = features, .ring_size = 1024, .mem_size = 32 << 20,
	};
	unsigned int i;

	self->dev = guest(wwn, &opts);
	ASSERT_EQ(features, self->dev->features);
	self->r = vsg_io(self->dev, 0);
	self->req = request(self->dev, PAGE, PAGE);
	self->arena_len = 8 << 20;
	self->arena = vsg_mem_alloc(&self->dev->mem, self->arena_len, PAGE);
	ASSERT_TRUE(self->arena);
	for (i = 0; i < luns; i++)
		if (i != LUN_DISK1 || have_disk)
			ready(self->r, T, i);
}

FIXTURE_SETUP(pi)
{
	self->pi = calloc(2, MAX_BLOCKS * TUPLE);
	self->pi2 = self->pi + MAX_BLOCKS * TUPLE;
	self->data = calloc(2, MAX_BLOCKS * BLOCK);
	self->data2 = self->data + MAX_BLOCKS * BLOCK;
}

FIXTURE_TEARDOWN(pi)
{
	guest_end(self->dev);
	set_fabric("0");
	free(self->pi);
	free(self->data);
}

/* ---- protection information --------------------------------------------- */

/* CRC16 of SBC-4, 4.21.4: the polynomial 8bb7h. */
static uint16_t crc(const uint8_t *p, size_t len)
{
	uint16_t crc = 0;
	unsigned int i;

	while (len--) {
		crc ^= *p++ << 8;
		for (i = 0; i < 8; i++)
			crc = crc << 1 ^ (crc & 0x8000 ? 0x8bb7 : 0);
	}
	return crc;
}

/* Right ones; the application tags are of the guest's own. */
static void make_pi(uint8_t *pi, const uint8_t *data, uint64_t lba, unsigned int blocks,
		    unsigned int type, uint16_t app)
{
	unsigned int i;

	for (i = 0; i < blocks; i++, pi += TUPLE) {
		vsg_put_be(pi, crc(data + i * BLOCK, BLOCK), 2);
		vsg_put_be(pi + 2, (app + i) & 0x7fff, 2);
		vsg_put_be(pi + 4, type == 3 ? 0x1234567 * (i + 1) : lba + i, 4);
	}
}

/* ---- requests ----------------------------------------------------------- */

/**
 * struct io - a request
 * @op: operation code, of a READ or WRITE
 * @write: data-out
 * @lun: the LUN
 * @protect: RDPROTECT or WRPROTECT
 * @lba: first block
 * @blocks: in the CDB
 * @pi_out: size in the header
 * @pi_in: likewise
 * @pi_len: bytes of it that there are
 * @data_len: bytes of data that there are
 * @cut: lengths of the descriptors of each stream, the last one is repeated; NULL:
 *	 each part has one
 * @ncut: how many
 */
struct io {
	uint8_t op;
	bool write;
	unsigned int lun;
	uint8_t protect;
	uint64_t lba;
	uint32_t blocks;
	uint32_t pi_out, pi_in;
	uint32_t pi_len, data_len;
	const uint32_t *cut;
	unsigned int ncut;
};

/* The guest's host adapter would make it or take it off: the device is to. */
static struct io without(struct io io)
{
	io.pi_out = 0;
	io.pi_in = 0;
	io.pi_len = 0;
	return io;
}

static struct io plain(bool write, unsigned int lun, uint8_t protect, uint64_t lba,
		       uint32_t blocks)
{
	struct io io = {
		.op = write ? VSG_WRITE_10 : VSG_READ_10, .write = write, .lun = lun,
		.protect = protect, .lba = lba, .blocks = blocks,
		.pi_len = protect ? blocks * TUPLE : 0, .data_len = blocks * BLOCK,
	};

	*(write ? &io.pi_out : &io.pi_in) = io.pi_len;
	return io;
}

static void make_cdb(const struct io *io, uint8_t *cdb)
{
	memset(cdb, 0, 32);
	if (io->op == 0x08 || io->op == 0x0a) {
		cdb[0] = io->op;
		vsg_put_be(cdb + 1, io->lba, 3);
		cdb[4] = io->blocks;
		return;
	}
	vsg_cdb_rw(cdb, io->op, io->lba, io->blocks);
	cdb[1] |= io->protect << 5;
}

/* A stream of parts, and where its pieces are in the arena. */
struct stream {
	struct {
		uint8_t *p;
		size_t len;
	} part[3];
	unsigned int first, nr;		/* of the request's descriptors */
};

/* The bytes at @off of the stream, up to the end of a part: to or from @mem. */
static size_t stream_copy(struct stream *s, size_t off, uint8_t *mem, size_t len, bool out)
{
	unsigned int i;

	for (i = 0; i < 3 && off >= s->part[i].len; i++)
		off -= s->part[i].len;
	if (i == 3)
		return 0;
	if (len > s->part[i].len - off)
		len = s->part[i].len - off;
	if (out)
		memcpy(mem, s->part[i].p + off, len);
	else
		memcpy(s->part[i].p + off, mem, len);
	return len;
}

static size_t stream_len(const struct stream *s)
{
	return s->part[0].len + s->part[1].len + s->part[2].len;
}

/* Lays the stream into descriptors from @at in the arena on; returns what is behind. */
static size_t lay(struct pi *self, struct stream *s, const struct io *io, size_t at, bool out)
{
	size_t len, off = 0, n, total = stream_len(s);
	unsigned int i, k;

	s->first = self->req->nseg;
	for (i = 0; off < total; i++) {
		if (io->cut) {
			len = io->cut[i < io->ncut ? i : io->ncut - 1];
			/* Most places in a page come up, and some on its border. */
			at += i % 5 ? 1 + i * 37 % 97 : PAGE - at % PAGE;
		} else {
			len = s->part[i].len;
			at = (at / PAGE + 1) * PAGE;
		}
		if (len > total - off)
			len = total - off;
		if (!len)
			continue;
		ASSERT_LE(at + len, self->arena_len);
		ASSERT_EQ(0, vsg_req_seg(self->req, vsg_gpa(&self->dev->mem, self->arena + at),
					 len, out ? 0 : VRING_DESC_F_WRITE));
		for (k = 0; out && k < len; k += n)
			n = stream_copy(s, off + k, self->arena + at + k, len - k, true);
		off += len;
		at += len;
	}
	s->nr = self->req->nseg - s->first;
	return at;
}

/* Takes what the device has written; nothing beside it may be. */
static void gather(struct pi *self, struct stream *s, size_t from, size_t to)
{
	uint8_t *mem, *p = self->arena + from;
	size_t off = 0, n, k;
	unsigned int i;

	for (i = s->first; i < s->first + s->nr; i++) {
		const struct vsg_seg *seg = &self->req->seg[i];

		mem = vsg_hva(&self->dev->mem, seg->gpa);
		while (p < mem && *p == VSG_POISON)
			p++;
		EXPECT_TRUE(p == mem);
		for (k = 0; k < seg->len; k += n)
			n = stream_copy(s, off + k, mem + k, seg->len - k, false);
		off += seg->len;
		p = mem + seg->len;
	}
	while (p < self->arena + to && *p == VSG_POISON)
		p++;
	EXPECT_TRUE(p == self->arena + to);
}

/* Runs it with self->pi and self->data. */
static struct vsg_result run(struct pi *self, const struct io *io)
{
	struct virtio_scsi_cmd_req_pi *hdr = self->req->hdr_pi;
	struct stream out = { .part = { { (uint8_t *)hdr, HDR } } };
	struct stream in = { .part = { { (uint8_t *)self->req->resp, VSG_RESP_LEN } } };
	struct stream *s = io->write ? &out : &in;
	struct vsg_req *req = self->req;
	uint8_t cdb[32];
	size_t at, end;

	make_cdb(io, cdb);
	vsg_req_cmd(req, T, io->lun, cdb, sizeof(cdb), 0, 0);
	hdr->pi_bytesout = vsg_v32(self->r, io->pi_out);
	hdr->pi_bytesin = vsg_v32(self->r, io->pi_in);
	req->nseg = 0;
	s->part[1].p = self->pi;
	s->part[1].len = io->pi_len;
	s->part[2].p = self->data;
	s->part[2].len = io->data_len;
	at = lay(self, &out, io, 0, true);
	ASSERT_LE(at + stream_len(&in) + 3 * PAGE, self->arena_len);
	end = at + stream_len(&in) + 4 * PAGE;
	if (io->cut)
		end += PAGE / 4 * (stream_len(&in) / io->cut[io->ncut - 1] + io->ncut);
	if (end > self->arena_len)
		end = self->arena_len;
	memset(self->arena + at, VSG_POISON, end - at);
	lay(self, &in, io, at, false);
	vsg_req_direct(req, false);
	ASSERT_EQ(0, vsg_exec(self->r, req, WAIT_MS));
	gather(self, &in, at, end);
	return vsg_result(req);
}

static void run_good(struct pi *self, const struct io *io)
{
	struct vsg_result res = run(self, io);

	EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
	EXPECT_EQ(VSG_GOOD, res.status);
	EXPECT_EQ(0, res.resid);
	EXPECT_EQ(0, res.sense_len);
	EXPECT_EQ(VSG_RESP_LEN + (io->write ? 0 : io->pi_len + io->data_len), self->req->tok.len);
}

/* The information of fixed and of descriptor format sense data: the block. */
static uint64_t sense_block(const struct pi *self)
{
	const uint8_t *p = self->req->resp->sense;

	if ((p[0] & 0x7f) == 0x70)
		return p[0] & 0x80 ? vsg_get_be(p + 3, 4) : ~0ULL;
	return p[8] == 0 && p[10] & 0x80 ? vsg_get_be(p + 12, 8) : ~0ULL;
}

static void expect_fault(struct pi *self, const struct io *io, int asc, uint64_t block)
{
	struct vsg_result res = run(self, io);

	EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
	EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
	EXPECT_EQ(0xb, res.key);
	EXPECT_EQ(asc, res.asc);
	EXPECT_EQ(block, sense_block(self));
	EXPECT_EQ(io->data_len, res.resid);
	EXPECT_EQ(VSG_RESP_LEN, self->req->tok.len);
}

static void expect_sense(struct pi *self, const struct io *io, int asc)
{
	struct vsg_result res = run(self, io);

	EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
	EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
	EXPECT_EQ(asc, res.asc);
}

static void expect_response(struct pi *self, const struct io *io, uint8_t response)
{
	EXPECT_EQ(response, run(self, io).response);
	EXPECT_EQ(VSG_RESP_LEN, self->req->tok.len);
}

/* Right data and information for these blocks. */
static void fill(struct pi *self, uint64_t lba, unsigned int blocks, unsigned int type,
		 uint32_t seed)
{
	vsg_pattern(self->data, blocks * BLOCK, lba * BLOCK, seed);
	make_pi(self->pi, self->data, lba, blocks, type, seed * 77);
}

static void put(struct pi *self, unsigned int lun, unsigned int type, uint64_t lba,
		unsigned int blocks, uint32_t seed)
{
	struct io io = plain(true, lun, 1, lba, blocks);

	fill(self, lba, blocks, type, seed);
	run_good(self, &io);
}

/* Is each byte what was filled in? */
static void expect_filled(struct pi *self, const struct io *io, unsigned int type, uint32_t seed)
{
	struct io get = *io;

	memset(self->pi, VSG_POISON, io->pi_len);
	memset(self->data, VSG_POISON, io->data_len);
	run_good(self, &get);
	vsg_pattern(self->data2, io->data_len, io->lba * BLOCK, seed);
	EXPECT_EQ(0, memcmp(self->data, self->data2, io->data_len));
	make_pi(self->pi2, self->data2, io->lba, io->blocks, type, seed * 77);
	EXPECT_EQ(0, memcmp(self->pi, self->pi2, io->pi_len));
}

static bool is_here(unsigned int i)
{
	return stores[i].lun != LUN_DISK1 || have_disk;
}

/* ---- tests -------------------------------------------------------------- */

static uint8_t byte_of_inquiry(struct pi *self, unsigned int lun, unsigned int at)
{
	vsg_cmd_inquiry(self->req, T, lun, 36);
	EXPECT_EQ(VSG_GOOD, exec(self->r, self->req).status);
	return self->req->data_in[at];
}

static uint8_t capacity_byte(struct pi *self, unsigned int lun)
{
	vsg_cmd_read_capacity16(self->req, T, lun);
	exec_good(self->r, self->req);
	return self->req->data_in[12];
}

/* PROTECT, P_TYPE and PROT_EN tell a guest of what it has negotiated. */
TEST_F(pi, guest_is_told)
{
	unsigned int i;

	start(self, WWN_A, FEATURES, LUN_SCSI);
	for (i = 0; i < ARRAY_SIZE(stores); i++) {
		if (!is_here(i))
			continue;
		WHERE("%s", stores[i].name);
		EXPECT_EQ(1, byte_of_inquiry(self, stores[i].lun, 5) & 1);
		EXPECT_EQ((stores[i].type - 1) << 1 | 1, capacity_byte(self, stores[i].lun));
	}
	guest_end(self->dev);
	start(self, WWN_A, VSG_FEATURES_MODERN, LUN_SCSI);
	for (i = 0; i < ARRAY_SIZE(stores); i++) {
		uint8_t cdb[10] = { VSG_READ_10, 1 << 5, [8] = 1 };

		if (!is_here(i))
			continue;
		WHERE("%s, without the feature", stores[i].name);
		EXPECT_EQ(0, byte_of_inquiry(self, stores[i].lun, 5) & 1);
		EXPECT_EQ(0, capacity_byte(self, stores[i].lun));
		vsg_req_cmd(self->req, T, stores[i].lun, cdb, sizeof(cdb), 0, BLOCK);
		EXPECT_EQ(INVALID_FIELD, exec(self->r, self->req).asc);
	}
}

/* Every RDPROTECT and WRPROTECT, and from one block to many. */
TEST_F_TIMEOUT(pi, passed_through, 60)
{
	static const unsigned int sizes[] = { 1, 2, 7, 64, 65, 512, 513, 2048 };
	unsigned int i, k, seed = 1;
	uint8_t protect;
	struct io io;

	start(self, WWN_A, FEATURES, LUN_SCSI);
	for (i = 0; i < ARRAY_SIZE(stores); i++) {
		for (k = 0; is_here(i) && k < ARRAY_SIZE(sizes); k++) {
			for (protect = 1; protect <= 5; protect++) {
				if (sizes[k] > 64 && protect > 1)
					break;
				WHERE("%s, %u blocks, protect %u", stores[i].name, sizes[k],
				      protect);
				io = plain(true, stores[i].lun, protect, 5 + k, sizes[k]);
				io.op = k & 1 ? VSG_WRITE_16 : VSG_WRITE_10;
				fill(self, io.lba, io.blocks, stores[i].type, ++seed);
				run_good(self, &io);
				io = plain(false, stores[i].lun, protect, 5 + k, sizes[k]);
				io.op = k & 1 ? VSG_READ_16 : VSG_READ_10;
				expect_filled(self, &io, stores[i].type, seed);
			}
		}
	}
}

/* What is wrong with the information of a block. */
enum fault { NO_FAULT, BAD_GUARD, BAD_REF, BAD_APP, NR_FAULTS };

static const char *const fault_names[] = { "none", "guard", "reference", "application" };

static void inject(struct pi *self, enum fault fault, unsigned int block)
{
	uint8_t *tuple = self->pi + block * TUPLE;

	switch (fault) {
	case BAD_GUARD:
		tuple[1] ^= 1;
		break;
	case BAD_REF:
		tuple[7] ^= 1;
		break;
	case BAD_APP:
		tuple[2] ^= 1;
		break;
	default:
		break;
	}
}

/* What the fault is found to be, or 0: SBC-4, tables 33 and 113. */
static int found(enum fault fault, unsigned int type, uint8_t protect)
{
	bool guard = protect != 2 && protect != 3;
	bool ref = type == 1 && protect != 3 && protect != 4;

	if (fault == BAD_GUARD)
		return guard ? GUARD : 0;
	return fault == BAD_REF && ref ? REF : 0;
}

/* What is not found goes to the medium, and is found there by who looks. */
static void fault_on_medium(struct pi *self, unsigned int i, enum fault fault)
{
	struct io io;
	uint8_t protect;
	int want;

	for (protect = 0; protect <= 5; protect++) {
		WHERE("%s: %s tag, RDPROTECT %u", stores[i].name, fault_names[fault], protect);
		io = plain(false, stores[i].lun, protect, 8, 16);
		/* Without the guest's, all is checked. */
		want = found(fault, stores[i].type, protect ? protect : 1);
		if (want)
			expect_fault(self, &io, want, 8 + 5);
		else
			run_good(self, &io);
		io = without(io);
		if (want)
			expect_fault(self, &io, want, 8 + 5);
		else
			run_good(self, &io);
		/* Another block. */
		io = plain(false, stores[i].lun, protect, 14, 8);
		run_good(self, &io);
	}
}

TEST_F_TIMEOUT(pi, faults, 60)
{
	uint8_t protect;
	unsigned int i;
	enum fault fault;
	struct io io;
	int want;

	start(self, WWN_A, FEATURES, LUN_SCSI);
	for (i = 0; i < ARRAY_SIZE(stores); i++) {
		for (fault = NO_FAULT; is_here(i) && fault < NR_FAULTS; fault++) {
			for (protect = 1; protect <= 5; protect++) {
				put(self, stores[i].lun, stores[i].type, 8, 16, 1);
				WHERE("%s: %s tag, WRPROTECT %u", stores[i].name,
				      fault_names[fault], protect);
				fill(self, 8, 16, stores[i].type, 2);
				inject(self, fault, 5);
				io = plain(true, stores[i].lun, protect, 8, 16);
				want = found(fault, stores[i].type, protect);
				if (want) {
					expect_fault(self, &io, want, 8 + 5);
					io = plain(false, stores[i].lun, 1, 8, 16);
					expect_filled(self, &io, stores[i].type, 1);
				} else if (stores[i].lun != LUN_DISK1 || fault == BAD_APP) {
					/* A disk may check what it was not asked to. */
					run_good(self, &io);
					fault_on_medium(self, i, fault);
				}
			}
		}
	}
}

/* The first of several, wherever it is. */
TEST_F(pi, first_fault_is_told)
{
	unsigned int i, block;
	struct io io;

	start(self, WWN_A, FEATURES, LUN_SCSI);
	for (i = 0; i < ARRAY_SIZE(stores); i++) {
		if (!is_here(i))
			continue;
		for (block = 0; block < 600; block += 199) {
			WHERE("%s, block %u", stores[i].name, block);
			fill(self, 0, 600, stores[i].type, 3);
			inject(self, BAD_GUARD, block);
			inject(self, BAD_REF, 599);
			inject(self, BAD_GUARD, 599);
			io = plain(true, stores[i].lun, 1, 0, 600);
			expect_fault(self, &io, GUARD, block);
		}
	}
}

/* Tags that say: do not check. */
TEST_F(pi, escapes)
{
	unsigned int i;
	struct io io;

	start(self, WWN_A, FEATURES, LUN_DISK1);
	for (i = 0; stores[i].lun != LUN_DISK1; i++) {
		WHERE("%s, application tag", stores[i].name);
		fill(self, 8, 4, stores[i].type, 4);
		memset(self->pi + TUPLE + 2, 0xff, 2);
		self->pi[TUPLE] ^= 1;
		io = plain(true, stores[i].lun, 1, 8, 4);
		if (stores[i].type == 1)
			run_good(self, &io);
		else
			expect_fault(self, &io, GUARD, 9);
		WHERE("%s, all tags", stores[i].name);
		fill(self, 8, 4, stores[i].type, 4);
		memset(self->pi + TUPLE, 0xff, TUPLE);
		run_good(self, &io);
		memcpy(self->pi2, self->pi, 4 * TUPLE);
		io = plain(false, stores[i].lun, 1, 8, 4);
		run_good(self, &io);
		EXPECT_EQ(0, memcmp(self->pi, self->pi2, 4 * TUPLE));
	}
}

/* A command without, to a backstore that keeps it: made and checked by the host. */
TEST_F(pi, made_and_taken_off)
{
	static const uint8_t writes[] = { 0x0a, VSG_WRITE_10, VSG_WRITE_16, VSG_WRITE_10 };
	static const uint8_t reads[] = { 0x08, VSG_READ_10, VSG_READ_16, VSG_READ_10 };
	/* With the field set all the same. */
	static const uint8_t protects[] = { 0, 0, 0, 1 };
	unsigned int i, k, n;
	struct io io;

	start(self, WWN_A, FEATURES, LUN_SCSI);
	for (i = 0; i < ARRAY_SIZE(stores); i++) {
		for (k = 0; is_here(i) && k < ARRAY_SIZE(writes); k++) {
			WHERE("%s, operation code %02xh", stores[i].name, writes[k]);
			put(self, stores[i].lun, stores[i].type, 16, 64, 5);
			fill(self, 16, 64, stores[i].type, 6 + k);
			io = without(plain(true, stores[i].lun, protects[k], 16, 64));
			io.op = writes[k];
			run_good(self, &io);
			io = plain(false, stores[i].lun, 1, 16, 64);
			run_good(self, &io);
			EXPECT_EQ(-1, vsg_pattern_check(self->data, 64 * BLOCK, 16 * BLOCK, 6 + k));
			for (n = 0; n < 64; n++) {
				EXPECT_EQ(crc(self->data + n * BLOCK, BLOCK),
					  vsg_get_be(self->pi + n * TUPLE, 2));
				if (stores[i].type == 1)
					EXPECT_EQ(16 + n, vsg_get_be(self->pi + n * TUPLE + 4, 4));
			}
			io = without(plain(false, stores[i].lun, protects[k], 16, 64));
			io.op = reads[k];
			run_good(self, &io);
			EXPECT_EQ(-1, vsg_pattern_check(self->data, 64 * BLOCK, 16 * BLOCK, 6 + k));
		}
	}
}

/* Writes that leave no information, or a wrong one, are not done. */
TEST_F(pi, what_cannot_keep_it)
{
	uint8_t caw[16] = { 0x89, [9] = 8, [13] = 1 };
	uint8_t same[16] = { 0x93, [9] = 8, [13] = 4 };
	struct io io;
	unsigned int i;

	start(self, WWN_A, FEATURES, LUN_DISK1);
	for (i = 0; stores[i].lun != LUN_DISK1; i++) {
		put(self, stores[i].lun, stores[i].type, 8, 8, 7);
		WHERE("%s, COMPARE AND WRITE", stores[i].name);
		vsg_pattern(self->req->data_out, BLOCK, 8 * BLOCK, 7);
		vsg_pattern(self->req->data_out + BLOCK, BLOCK, 8 * BLOCK, 8);
		vsg_req_cmd(self->req, T, stores[i].lun, caw, 16, 2 * BLOCK, 0);
		EXPECT_EQ(0x2000, exec(self->r, self->req).asc);
		WHERE("%s, WRITE SAME", stores[i].name);
		vsg_req_cmd(self->req, T, stores[i].lun, same, 16, BLOCK, 0);
		EXPECT_EQ(0x2000, exec(self->r, self->req).asc);
		io = plain(false, stores[i].lun, 1, 8, 8);
		expect_filled(self, &io, stores[i].type, 7);
	}
}

/* LIO would allocate a list of no pages, and oops. */
TEST_F(pi, no_blocks)
{
	unsigned int i;
	struct io io;

	start(self, WWN_A, FEATURES, LUN_SCSI);
	for (i = 0; i < 4 * ARRAY_SIZE(stores); i++) {
		if (!is_here(i / 4))
			continue;
		WHERE("%s, protect %u", stores[i / 4].name, i & 1);
		io = plain(i & 2, stores[i / 4].lun, i & 1, 8, 0);
		run_good(self, &io);
	}
}

/* ---- layouts ------------------------------------------------------------ */

static void both(struct pi *self, unsigned int i, unsigned int blocks, const uint32_t *cut,
		 unsigned int ncut, uint32_t seed)
{
	struct io io = plain(true, stores[i].lun, 1, 24, blocks);

	io.cut = cut;
	io.ncut = ncut;
	fill(self, 24, blocks, stores[i].type, seed);
	run_good(self, &io);
	io = plain(false, stores[i].lun, 1, 24, blocks);
	io.cut = cut;
	io.ncut = ncut;
	expect_filled(self, &io, stores[i].type, seed);
}

/* Descriptors end anywhere: in a header, a tuple, a block, or at a border of them. */
static void cut_everywhere(struct pi *self, unsigned int i)
{
	static const uint32_t whole[] = { 1 << 20 };
	static const uint32_t cuts[][4] = {
		{ 1, 1 << 20 }, { 58, 1, 1 << 20 }, { 59, 1 << 20 }, { 108, 1 << 20 },
		/* header and information together, then data */
		{ 59 + 64, 1 << 20 }, { 108 + 64, 1 << 20 },
		/* information and data together */
		{ 59, 64 + 512, 1 << 20 }, { 108, 64 + 512, 1 << 20 },
		/* within tuples */
		{ 59 + 1, 62, 1 << 20 }, { 108 + 3, 58, 1 << 20 }, { 59 + 13, 1 << 20 },
		{ 59 + 64 + 1, 1 << 20 }, { 108 + 64 - 1, 1 << 20 },
		/* and blocks */
		{ 59 + 64 + 511, 2, 1 << 20 }, { 108 + 64 + 511, 2, 1 << 20 },
		{ 59 + 64 + 512, 512, 1 << 20 }, { 108 + 64 + 512, 512, 1 << 20 },
		{ 7 }, { 13 }, { 64 }, { 100 }, { 512 }, { 511 }, { 1000 },
	};
	uint32_t cut[40], seed;
	unsigned int k, n, len;
	struct rng rng;

	WHERE("%s, as it is", stores[i].name);
	both(self, i, 8, NULL, 0, 9);
	WHERE("%s, whole", stores[i].name);
	both(self, i, 8, whole, 1, 10);
	for (k = 0; k < ARRAY_SIZE(cuts) && !t_failed(); k++) {
		for (n = 4; !cuts[k][n - 1]; n--)
			;
		WHERE("%s, cut %u", stores[i].name, k);
		both(self, i, 8, cuts[k], n, 11 + k);
	}
	for (seed = 1; seed <= 30 && !t_failed(); seed++) {
		rng.state = seed;
		for (n = 0; n < ARRAY_SIZE(cut); n++)
			cut[n] = 1 + below(&rng, seed % 3 ? 200 : 20);
		cut[n - 1] = 100 + below(&rng, 1000);
		len = 1 + below(&rng, 60);
		WHERE("%s, seed %u, %u blocks", stores[i].name, seed, len);
		both(self, i, len, cut, n, 100 + seed);
	}
	/* Tuples across the pages of the copy; and more pages than a bio has room for. */
	WHERE("%s, many", stores[i].name);
	both(self, i, 1900, (uint32_t []){ 4093 }, 1, 200);
}

TEST_F_TIMEOUT(pi, layouts_ramdisk, 60)
{
	start(self, WWN_A, FEATURES, LUN_SCSI);
	cut_everywhere(self, 0);
	cut_everywhere(self, 1);
}

TEST_F_TIMEOUT(pi, layouts_fileio, 60)
{
	start(self, WWN_A, FEATURES, LUN_SCSI);
	cut_everywhere(self, 2);
	cut_everywhere(self, 3);
}

TEST_F_TIMEOUT(pi, layouts_iblock, 60)
{
	start(self, WWN_A, FEATURES, LUN_SCSI);
	if (!have_disk)
		SKIP("no scsi_debug on this machine");
	else
		cut_everywhere(self, 4);
}

/* A guest of before virtio 1.0: native byte order. */
TEST_F(pi, legacy_guest)
{
	start(self, WWN_A, VSG_FEATURES_LEGACY | VSG_F(VIRTIO_SCSI_F_T10_PI), LUN_SCSI);
	both(self, 0, 8, NULL, 0, 12);
	both(self, 2, 8, (uint32_t []){ 61, 7, 500 }, 3, 13);
}

/* What is written of it is in the dirty log. */
TEST_F(pi, dirty_log)
{
	static uint8_t log[4096];
	struct io io = plain(false, LUN_RAM1, 1, 24, 8);
	unsigned int i;

	start(self, WWN_A, FEATURES, LUN_SCSI);
	put(self, LUN_RAM1, 1, 24, 8, 14);
	ASSERT_EQ(0, vsg_log_start(self->dev, log));
	memset(log, 0, sizeof(log));
	expect_filled(self, &io, 1, 14);
	/* Response, information, data, each in its page; the header is before them. */
	ASSERT_EQ(4, self->req->nseg);
	EXPECT_FALSE(vsg_log_test(log, self->req->seg[0].gpa));
	for (i = 1; i < 4; i++) {
		WHERE("descriptor %u", i);
		EXPECT_TRUE(vsg_log_test(log, self->req->seg[i].gpa));
	}
	EXPECT_EQ(0, vsg_log_stop(self->dev));
}

/* ---- sizes -------------------------------------------------------------- */

/* A right request must still be served, and nothing have been written. */
static void still_good(struct pi *self, unsigned int i)
{
	struct io io = plain(false, stores[i].lun, 1, 8, 8);

	expect_filled(self, &io, stores[i].type, 15);
}

/* Sizes that contradict each other, the buffers or the CDB. */
TEST_F_TIMEOUT(pi, hostile_sizes, 60)
{
	static const struct {
		const char *what;
		bool write;
		uint8_t protect;
		uint32_t pi_out, pi_in, pi_len, data_len;
	} bad[] = {
		{ "more than the buffer", true, 1, 64, 0, 0, 0 },
		{ "more than the buffer", false, 1, 0, 64, 0, 0 },
		{ "4 GiB", true, 1, 0xfffffff8, 0, 64, 4096 },
		{ "4 GiB", false, 1, 0, 0xfffffff8, 64, 4096 },
		{ "2 GiB", true, 1, 0x80000000, 0, 64, 4096 },
		{ "no whole tuples", true, 1, 63, 0, 63, 4096 },
		{ "no whole tuples", false, 1, 0, 65, 65, 4096 },
		{ "both", true, 1, 64, 64, 64, 4096 },
		{ "both", false, 1, 64, 64, 64, 4096 },
		{ "the other direction", true, 1, 0, 64, 64, 4096 },
		{ "the other direction", false, 1, 64, 0, 64, 4096 },
		{ "all of the buffer", true, 1, 4160, 0, 64, 4096 },
		{ "all of the buffer", false, 1, 0, 4160, 64, 4096 },
		{ "too little", true, 1, 56, 0, 56, 4096 },
		{ "too little", false, 1, 0, 56, 56, 4096 },
		{ "one tuple", false, 5, 0, 8, 8, 4096 },
		{ "too much", true, 1, 72, 0, 72, 8192 },
		{ "too much", false, 1, 0, 72, 72, 8192 },
		{ "not in the CDB", true, 0, 64, 0, 64, 4096 },
		{ "not in the CDB", false, 0, 0, 64, 64, 4096 },
		{ "too little data", true, 1, 64, 0, 64, 4088 },
		{ "too little data", false, 1, 0, 64, 64, 512 },
	};
	unsigned int i, k;
	struct io io;

	start(self, WWN_A, FEATURES, LUN_SCSI);
	for (i = 0; i < ARRAY_SIZE(stores); i++) {
		if (!is_here(i))
			continue;
		put(self, stores[i].lun, stores[i].type, 8, 8, 15);
		for (k = 0; k < ARRAY_SIZE(bad); k++) {
			WHERE("%s: %s, %s", stores[i].name, bad[k].what,
			      bad[k].write ? "write" : "read");
			io = plain(bad[k].write, stores[i].lun, bad[k].protect, 8, 8);
			io.pi_out = bad[k].pi_out;
			io.pi_in = bad[k].pi_in;
			io.pi_len = bad[k].pi_len;
			io.data_len = bad[k].data_len;
			fill(self, 8, 16, stores[i].type, 16);
			expect_response(self, &io, VIRTIO_SCSI_S_FAILURE);
			still_good(self, i);
		}
		WHERE("%s: reserved", stores[i].name);
		for (k = 6; k <= 7; k++) {
			io = plain(k & 1, stores[i].lun, k, 8, 8);
			expect_sense(self, &io, INVALID_FIELD);
		}
		still_good(self, i);
	}
}

/* Commands that have none. */
TEST_F(pi, no_place_for_it)
{
	static const struct {
		uint8_t cdb[16];
		bool out;
	} cmds[] = {
		{ { VSG_INQUIRY, [4] = 96 }, false },
		{ { VSG_SERVICE_IN_16, 0x10, [13] = 32 }, false },
		{ { VSG_TEST_UNIT_READY }, false },
		{ { 0x08, 0, 0, 8, 8 }, false },
		{ { 0x0a, 0, 0, 8, 8 }, true },
		{ { 0x2f, 0x20, [8] = 8 }, false },
		{ { VSG_SYNC_CACHE_10 }, true },
		{ { 0x93, 0x20, [9] = 8, [13] = 1 }, true },
		{ { 0x89, 0x20, [9] = 8, [13] = 1 }, true },
		{ { 0x42, [8] = 24 }, true },
		{ { VSG_PR_OUT, [8] = 24 }, true },
		{ { 0x7f, [7] = 0x18, [9] = 9, [10] = 0x20 }, false },
		{ { 0xff }, false },
	};
	struct vsg_req *req;
	unsigned int i, k;

	start(self, WWN_A, FEATURES, LUN_SCSI);
	req = self->req;
	for (i = 0; i < ARRAY_SIZE(stores); i++) {
		if (!is_here(i))
			continue;
		put(self, stores[i].lun, stores[i].type, 8, 8, 15);
		for (k = 0; k < ARRAY_SIZE(cmds); k++) {
			WHERE("%s: %02xh", stores[i].name, cmds[k].cdb[0]);
			vsg_req_cmd(req, T, stores[i].lun, cmds[k].cdb, 16,
				    cmds[k].out ? 2048 : 0, cmds[k].out ? 0 : 2048);
			*(cmds[k].out ? &req->hdr_pi->pi_bytesout :
					&req->hdr_pi->pi_bytesin) = vsg_v32(self->r, 8);
			EXPECT_EQ(VIRTIO_SCSI_S_FAILURE, exec(self->r, req).response);
			still_good(self, i);
		}
	}
}

/* Of what was moved data alone is counted. */
TEST_F(pi, counted)
{
	uint64_t before[SEE_STATS], after[SEE_STATS];
	struct io io;
	long nr;

	start(self, WWN_A, FEATURES, LUN_SCSI);
	nr = see_device(getpid(), WWN_A);
	if (see_numbers(nr, before, SEE_STATS, "stat") != SEE_STATS)
		SKIP("this module shows nothing");
	put(self, LUN_RAM1, 1, 8, 8, 15);
	io = plain(false, LUN_RAM1, 1, 8, 8);
	run_good(self, &io);
	ASSERT_EQ(SEE_STATS, see_numbers(nr, after, SEE_STATS, "stat"));
	EXPECT_EQ(8 * BLOCK, after[SEE_WRITE_BYTES] - before[SEE_WRITE_BYTES]);
	EXPECT_EQ(8 * BLOCK, after[SEE_READ_BYTES] - before[SEE_READ_BYTES]);
	EXPECT_EQ(0, after[SEE_RESIDUALS] - before[SEE_RESIDUALS]);
}

/* The residual counts data only. */
TEST_F(pi, residual)
{
	struct vsg_result res;
	unsigned int i, more;
	struct io io;

	start(self, WWN_A, FEATURES, LUN_SCSI);
	for (i = 0; i < ARRAY_SIZE(stores); i++) {
		if (!is_here(i))
			continue;
		put(self, stores[i].lun, stores[i].type, 8, 8, 15);
		for (more = 1; more < 10000; more = more * 7 + 5) {
			WHERE("%s, %u bytes", stores[i].name, more);
			io = plain(false, stores[i].lun, 1, 8, 8);
			io.data_len += more;
			memset(self->data, VSG_POISON, io.data_len);
			res = run(self, &io);
			EXPECT_EQ(VSG_GOOD, res.status);
			EXPECT_EQ(more, res.resid);
			EXPECT_EQ(VSG_RESP_LEN + 8 * (BLOCK + TUPLE), self->req->tok.len);
			EXPECT_EQ(-1, vsg_pattern_check(self->data, 8 * BLOCK, 8 * BLOCK, 15));
			EXPECT_EQ(VSG_POISON, self->data[8 * BLOCK]);
			make_pi(self->pi2, self->data, 8, 8, stores[i].type, 15 * 77);
			EXPECT_EQ(0, memcmp(self->pi, self->pi2, 8 * TUPLE));
		}
		WHERE("%s, a write", stores[i].name);
		io = plain(true, stores[i].lun, 1, 8, 8);
		io.data_len += BLOCK;
		/* As LIO says without protection information. */
		expect_sense(self, &io, 0x0e03);
		still_good(self, i);
		WHERE("%s, without information", stores[i].name);
		io = plain(false, stores[i].lun, 0, 8, 8);
		io.data_len -= BLOCK;
		expect_response(self, &io, VIRTIO_SCSI_S_OVERRUN);
	}
}

/* ---- backstores without ------------------------------------------------- */

/* fabric_prot_type: the guest has it, and the backstore does not. */
static void fabric(struct pi *self, const char *name, unsigned int type)
{
	unsigned int lun, n;
	struct io io;

	ASSERT_EQ(0, set_fabric(name));
	start(self, WWN_B, FEATURES, 2);
	for (lun = LUN_RAM; lun <= LUN_FILE; lun++) {
		WHERE("type %u, LUN %u", type, lun);
		EXPECT_EQ(1, byte_of_inquiry(self, lun, 5) & 1);
		EXPECT_EQ((type - 1) << 1 | 1, capacity_byte(self, lun));
		put(self, lun, type, 8, 600, 17);
		io = plain(false, lun, 1, 8, 600);
		run_good(self, &io);
		EXPECT_EQ(-1, vsg_pattern_check(self->data, 600 * BLOCK, 8 * BLOCK, 17));
		for (n = 0; n < 600; n++) {
			EXPECT_EQ(crc(self->data + n * BLOCK, BLOCK),
				  vsg_get_be(self->pi + n * TUPLE, 2));
			EXPECT_EQ(type == 1 ? 8 + n : 0xffffffff,
				  vsg_get_be(self->pi + n * TUPLE + 4, 4));
		}
		WHERE("type %u, LUN %u, faults", type, lun);
		fill(self, 8, 64, type, 18);
		inject(self, BAD_GUARD, 3);
		io = plain(true, lun, 1, 8, 64);
		expect_fault(self, &io, GUARD, 11);
		io.protect = 3;
		run_good(self, &io);
		fill(self, 8, 64, type, 19);
		inject(self, BAD_REF, 63);
		io.protect = 1;
		if (type == 1)
			expect_fault(self, &io, REF, 71);
		else
			run_good(self, &io);
		WHERE("type %u, LUN %u, without", type, lun);
		io = plain(false, lun, 0, 8, 64);
		run_good(self, &io);
		EXPECT_EQ(-1, vsg_pattern_check(self->data, 64 * BLOCK, 8 * BLOCK,
						type == 1 ? 18 : 19));
		io = without(plain(false, lun, 1, 8, 64));
		run_good(self, &io);
		io = plain(true, lun, 0, 8, 0);
		run_good(self, &io);
	}
}

TEST_F(pi, fabric_type_1)
{
	fabric(self, "1", 1);
}

TEST_F(pi, fabric_type_3)
{
	fabric(self, "3", 3);
}

/* It is of no use without the feature, and the feature not without it. */
TEST_F(pi, fabric_none)
{
	struct io io = plain(false, LUN_RAM, 1, 8, 8);

	start(self, WWN_B, FEATURES, 2);
	EXPECT_EQ(0, byte_of_inquiry(self, LUN_RAM, 5) & 1);
	EXPECT_EQ(0, capacity_byte(self, LUN_RAM));
	expect_sense(self, &io, INVALID_FIELD);
	WHERE("while a device is bound");
	ASSERT_EQ(0, set_fabric("1"));
	EXPECT_EQ(0, byte_of_inquiry(self, LUN_RAM, 5) & 1);
	guest_end(self->dev);
	WHERE("without the feature");
	start(self, WWN_B, VSG_FEATURES_MODERN, 2);
	EXPECT_EQ(0, byte_of_inquiry(self, LUN_RAM, 5) & 1);
	EXPECT_EQ(0, capacity_byte(self, LUN_RAM));
	EXPECT_EQ(-EINVAL, set_fabric("2"));
	EXPECT_EQ(-EINVAL, set_fabric("4"));
	EXPECT_EQ(-EINVAL, set_fabric("-1"));
	EXPECT_EQ(-EINVAL, set_fabric("x"));
}

/* ---- disks -------------------------------------------------------------- */

/* LIO passes none on to a device: the guest is not told that it could. */
TEST_F(pi, passed_through_device)
{
	struct io io = plain(false, LUN_SCSI, 1, 8, 8);

	if (!have_disk) {
		SKIP("no scsi_debug on this machine");
		return;
	}
	start(self, WWN_A, VSG_FEATURES_MODERN, LUN_SCSI + 1);
	EXPECT_EQ(1, byte_of_inquiry(self, LUN_SCSI, 5) & 1);
	EXPECT_EQ(1, capacity_byte(self, LUN_SCSI) & 1);
	guest_end(self->dev);
	start(self, WWN_A, FEATURES, LUN_SCSI + 1);
	EXPECT_EQ(0, byte_of_inquiry(self, LUN_SCSI, 5) & 1);
	EXPECT_EQ(0, capacity_byte(self, LUN_SCSI) & 1);
	expect_response(self, &io, VIRTIO_SCSI_S_FAILURE);
	io = plain(false, LUN_SCSI, 0, 8, 8);
	run_good(self, &io);
}

/* The medium has changed, which is that of both disks, and the tags have not. */
TEST_F(pi, fault_on_disk)
{
	struct io io = plain(true, LUN_SCSI, 0, 10, 1);
	struct vsg_result res;

	if (!have_disk) {
		SKIP("no scsi_debug on this machine");
		return;
	}
	start(self, WWN_A, FEATURES, LUN_SCSI + 1);
	put(self, LUN_DISK1, 1, 8, 8, 20);
	fill(self, 10, 1, 1, 21);
	run_good(self, &io);
	io = plain(false, LUN_DISK1, 1, 8, 8);
	res = run(self, &io);
	EXPECT_EQ(VSG_CHECK_CONDITION, res.status);
	/* If the disk finds it, iblock knows only that it failed. */
	if (res.asc != 0x0800) {
		EXPECT_EQ(GUARD, res.asc);
		EXPECT_EQ(10, sense_block(self));
	}
	io = plain(false, LUN_DISK1, 1, 11, 5);
	run_good(self, &io);
	put(self, LUN_DISK1, 1, 8, 8, 22);
}
