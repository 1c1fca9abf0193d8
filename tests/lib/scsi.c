// SPDX-License-Identifier: GPL-2.0-only
/* SCSI commands, sense data, and data patterns. */

#include <string.h>

#include "vsg.h"

void vsg_put_be(void *p, uint64_t v, unsigned int bytes)
{
	uint8_t *b = p;

	while (bytes--) {
		b[bytes] = v;
		v >>= 8;
	}
}

uint64_t vsg_get_be(const void *p, unsigned int bytes)
{
	const uint8_t *b = p;
	uint64_t v = 0;

	while (bytes--)
		v = v << 8 | *b++;
	return v;
}

unsigned int vsg_cdb_rw(uint8_t *cdb, uint8_t opcode, uint64_t lba,
			uint32_t blocks)
{
	memset(cdb, 0, 16);
	cdb[0] = opcode;
	if (opcode == VSG_READ_16 || opcode == VSG_WRITE_16) {
		vsg_put_be(cdb + 2, lba, 8);
		vsg_put_be(cdb + 10, blocks, 4);
		return 16;
	}
	vsg_put_be(cdb + 2, lba, 4);
	vsg_put_be(cdb + 7, blocks, 2);
	return 10;
}

void vsg_cmd_rw(struct vsg_req *req, uint8_t target, uint16_t lun, bool write,
		uint64_t lba, uint32_t blocks, uint32_t block_size)
{
	bool big = lba > 0xffffffff || blocks > 0xffff;
	uint8_t opcode = write ? (big ? VSG_WRITE_16 : VSG_WRITE_10) :
				 (big ? VSG_READ_16 : VSG_READ_10);
	size_t bytes = (size_t)blocks * block_size;
	uint8_t cdb[16];

	vsg_req_cmd(req, target, lun, cdb, vsg_cdb_rw(cdb, opcode, lba, blocks),
		    write ? bytes : 0, write ? 0 : bytes);
}

void vsg_cmd_tur(struct vsg_req *req, uint8_t target, uint16_t lun)
{
	uint8_t cdb[6] = { VSG_TEST_UNIT_READY };

	vsg_req_cmd(req, target, lun, cdb, sizeof(cdb), 0, 0);
}

void vsg_cmd_inquiry(struct vsg_req *req, uint8_t target, uint16_t lun,
		     uint16_t alloc)
{
	uint8_t cdb[6] = { VSG_INQUIRY };

	vsg_put_be(cdb + 3, alloc, 2);
	vsg_req_cmd(req, target, lun, cdb, sizeof(cdb), 0, alloc);
}

void vsg_cmd_vpd(struct vsg_req *req, uint8_t target, uint16_t lun,
		 uint8_t page, uint16_t alloc)
{
	uint8_t cdb[6] = { VSG_INQUIRY, 1, page };

	vsg_put_be(cdb + 3, alloc, 2);
	vsg_req_cmd(req, target, lun, cdb, sizeof(cdb), 0, alloc);
}

void vsg_cmd_report_luns(struct vsg_req *req, uint8_t target, uint16_t lun,
			 uint32_t alloc)
{
	uint8_t cdb[12] = { VSG_REPORT_LUNS };

	vsg_put_be(cdb + 6, alloc, 4);
	vsg_req_cmd(req, target, lun, cdb, sizeof(cdb), 0, alloc);
}

void vsg_cmd_read_capacity16(struct vsg_req *req, uint8_t target, uint16_t lun)
{
	uint8_t cdb[16] = { VSG_SERVICE_IN_16, 0x10 };

	vsg_put_be(cdb + 10, 32, 4);
	vsg_req_cmd(req, target, lun, cdb, sizeof(cdb), 0, 32);
}

void vsg_cmd_mode_sense10(struct vsg_req *req, uint8_t target, uint16_t lun,
			  uint8_t page, uint16_t alloc)
{
	uint8_t cdb[10] = { VSG_MODE_SENSE_10, 0, page };

	vsg_put_be(cdb + 7, alloc, 2);
	vsg_req_cmd(req, target, lun, cdb, sizeof(cdb), 0, alloc);
}

void vsg_cmd_pr_in(struct vsg_req *req, uint8_t target, uint16_t lun,
		   uint8_t action, uint16_t alloc)
{
	uint8_t cdb[10] = { VSG_PR_IN, action };

	vsg_put_be(cdb + 7, alloc, 2);
	vsg_req_cmd(req, target, lun, cdb, sizeof(cdb), 0, alloc);
}

void vsg_cmd_pr_out(struct vsg_req *req, uint8_t target, uint16_t lun,
		    uint8_t action, uint8_t type, uint64_t key,
		    uint64_t action_key)
{
	uint8_t cdb[10] = { VSG_PR_OUT, action, type };

	vsg_put_be(cdb + 5, 24, 4);
	memset(req->data_out, 0, 24);
	vsg_put_be(req->data_out, key, 8);
	vsg_put_be(req->data_out + 8, action_key, 8);
	vsg_req_cmd(req, target, lun, cdb, sizeof(cdb), 24, 0);
}

int vsg_clear_ua(struct vsg_ring *r, struct vsg_req *req, uint8_t target,
		 uint16_t lun, int timeout_ms)
{
	int i, ret;

	/* More than the kinds of unit attention that can be pending at once. */
	for (i = 0; i < 16; i++) {
		vsg_cmd_tur(req, target, lun);
		ret = vsg_exec(r, req, timeout_ms);
		if (ret)
			return ret;
		if (vsg_good(req))
			return 0;
	}
	return -EIO;
}

void vsg_sense(const uint8_t *sense, size_t len, int *key, int *asc)
{
	*key = -1;
	*asc = -1;
	if (!len)
		return;
	switch (sense[0] & 0x7f) {
	case 0x70:
	case 0x71:
		if (len > 2)
			*key = sense[2] & 0x0f;
		if (len > 13)
			*asc = sense[12] << 8 | sense[13];
		break;
	case 0x72:
	case 0x73:
		if (len > 1)
			*key = sense[1] & 0x0f;
		if (len > 3)
			*asc = sense[2] << 8 | sense[3];
		break;
	}
}

/* The multiply-xorshift of splitmix64: one word of pattern. */
static uint64_t pattern_word(uint64_t word, uint32_t seed)
{
	uint64_t x = word + ((uint64_t)seed << 32) + 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return htole64(x ^ (x >> 31));
}

void vsg_pattern(void *buf, size_t len, uint64_t off, uint32_t seed)
{
	uint8_t *p = buf;

	while (len) {
		uint64_t word = pattern_word(off / 8, seed);
		size_t skip = off % 8;
		size_t n = 8 - skip < len ? 8 - skip : len;

		memcpy(p, (uint8_t *)&word + skip, n);
		p += n;
		off += n;
		len -= n;
	}
}

long vsg_pattern_check(const void *buf, size_t len, uint64_t off, uint32_t seed)
{
	const uint8_t *p = buf;
	size_t done = 0;

	while (done < len) {
		uint64_t word = pattern_word((off + done) / 8, seed);
		size_t skip = (off + done) % 8;
		size_t n = 8 - skip < len - done ? 8 - skip : len - done;

		if (memcmp(p + done, (uint8_t *)&word + skip, n)) {
			while (p[done] == ((uint8_t *)&word)[skip]) {
				done++;
				skip++;
			}
			return done;
		}
		done += n;
	}
	return -1;
}
