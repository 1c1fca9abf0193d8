#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Plays the device of a "user" backstore: a tape drive with a tape in it, or a changer with media in
its slots. Scsi_debug has no data on its tapes before Linux 6.15, and QEMU has neither of the two.

    media.py tape|changer HBA/NAME

It says "ready" when it takes commands, and ends when it is killed. include/uapi/linux/target_core_user.h
describes the ring; SSC-5 and SMC-3 the commands.
"""

import mmap
import os
import struct
import sys
from pathlib import Path
from typing import NamedTuple

# Of struct tcmu_mailbox and struct tcmu_cmd_entry.
CMDR_OFF, CMD_HEAD, CMD_TAIL = 4, 12, 64
UFLAGS, RESPONSE, IOVECS = 7, 8, 48
UNKNOWN_OP, READ_LEN = 1, 2
OP_CMD = 1

GOOD, CHECK_CONDITION = 0, 2
NO_SENSE, ILLEGAL_REQUEST, BLANK_CHECK = 0, 5, 8
FILEMARK, EOM, ILI = 0x80, 0x40, 0x20

TAPE_BLOCKS = 65536


class Answer(NamedTuple):
    """What a command gets: data-in, and sense data if there is something to say."""

    data: bytes = b""
    sense: bytes = b""


def check(key: int, code: int, info: int = 0, flags: int = 0, data: bytes = b"") -> Answer:
    """CHECK CONDITION, with sense data of fixed format."""
    return Answer(data, struct.pack(">BxBiB4xH4x", 0xf0, key | flags, info, 10, code))


def inquiry(kind: int, removable: bool, product: str) -> bytes:
    return struct.pack(">BBBBBxxx8s16s4s", kind, removable << 7, 6, 2, 31,
                       b"VHOSTLIO", product.encode().ljust(16), b"0001")


INVALID_OPCODE = check(ILLEGAL_REQUEST, 0x2000)
INVALID_FIELD = check(ILLEGAL_REQUEST, 0x2400)


class Device:
    """What both have."""

    identity = b""

    def command(self, cdb: bytes, out: bytes, room: int) -> Answer:
        operation = cdb[0]
        if operation == 0x00:  # TEST UNIT READY
            return Answer()
        if operation == 0x03:  # REQUEST SENSE
            return Answer(struct.pack(">B6xB10x", 0x70, 10)[:cdb[4]])
        if operation == 0x12:  # INQUIRY
            return INVALID_FIELD if cdb[1] & 1 else Answer(self.identity[:int.from_bytes(cdb[3:5], "big")])
        if operation == 0x1e:  # PREVENT ALLOW MEDIUM REMOVAL
            return Answer()
        return self.own(cdb, out, room)

    def own(self, cdb: bytes, out: bytes, room: int) -> Answer:
        raise NotImplementedError


class Tape(Device):
    """Blocks and filemarks; a filemark is None."""

    identity = inquiry(1, True, "tape")

    def __init__(self) -> None:
        self.tape: list[bytes | None] = []
        self.at = 0
        self.block = 0  # their length, 0: each has its own

    def own(self, cdb: bytes, out: bytes, room: int) -> Answer:
        length = int.from_bytes(cdb[2:5], "big")
        operation = cdb[0]
        if operation in (0x01, 0x1b):  # REWIND, LOAD UNLOAD
            self.at = 0
        elif operation == 0x05:  # READ BLOCK LIMITS
            return Answer(struct.pack(">IH", 1 << 20, 1))
        elif operation == 0x08:  # READ (6)
            return self.read(cdb, length)
        elif operation == 0x0a:  # WRITE (6)
            return self.write(cdb, length, out)
        elif operation == 0x10:  # WRITE FILEMARKS (6)
            self.put([None] * length)
        elif operation == 0x11:  # SPACE (6)
            return self.space(cdb[1] & 0xf, length - (length >> 23 << 24))
        elif operation == 0x15:  # MODE SELECT (6)
            if len(out) >= 12 and out[3] == 8:
                self.block = int.from_bytes(out[9:12], "big")
        elif operation == 0x1a:  # MODE SENSE (6)
            if cdb[2] & 0x3f:
                return INVALID_FIELD
            return Answer((struct.pack(">BBBB", 11, 0, 0x10, 8) + struct.pack(">II", 0, self.block))[:cdb[4]])
        elif operation == 0x19:  # ERASE
            del self.tape[self.at:]
        elif operation == 0x34:  # READ POSITION
            return Answer(struct.pack(">BxxxII8x", 0x80 if not self.at else 0, self.at, self.at))
        else:
            return INVALID_OPCODE
        return Answer()

    def put(self, items: list[bytes | None]) -> None:
        self.tape[self.at:] = items
        self.at += len(items)

    def write(self, cdb: bytes, length: int, out: bytes) -> Answer:
        size = self.block if cdb[1] & 1 else length
        if not size and length:
            return INVALID_FIELD
        if len(self.tape) > TAPE_BLOCKS:
            return check(NO_SENSE, 0x0002, length, EOM)
        self.put([out[i:i + size] for i in range(0, len(out), size)])
        return Answer()

    def read(self, cdb: bytes, length: int) -> Answer:
        """A block of any length, or several of the one that MODE SELECT set."""
        fixed = cdb[1] & 1
        size, count = (self.block, length) if fixed else (length, 1)
        if fixed and (not size or cdb[1] & 2):
            return INVALID_FIELD
        data = b""
        for done in range(count if length else 0):
            rest = count - done if fixed else length
            if self.at == len(self.tape):
                return check(BLANK_CHECK, 0x0005, rest, data=data)
            block = self.tape[self.at]
            self.at += 1
            if block is None:
                return check(NO_SENSE, 0x0001, rest, FILEMARK, data)
            data += block[:size]
            if len(block) != size and not cdb[1] & 2:
                return check(NO_SENSE, 0, rest if fixed else size - len(block), ILI, data)
        return Answer(data)

    def space(self, code: int, count: int) -> Answer:
        """Over blocks (0) or filemarks (1), back if COUNT is negative; or to the end (3)."""
        if code == 3:
            self.at = len(self.tape)
            return Answer()
        if code > 1:
            return INVALID_FIELD
        step = 1 if count > 0 else -1
        while count:
            if step < 0 and not self.at:
                return check(NO_SENSE, 0x0004, abs(count), EOM)
            if step > 0 and self.at == len(self.tape):
                return check(BLANK_CHECK, 0x0005, abs(count))
            passed = self.tape[self.at if step > 0 else self.at - 1]
            self.at += step
            if passed is None and code == 0:
                return check(NO_SENSE, 0x0001, abs(count), FILEMARK)
            if (passed is None) == (code == 1):
                count -= step
        return Answer()


class Changer(Device):
    """A robot, a drive, and slots, the first two of which are full."""

    identity = inquiry(8, True, "changer")
    ROBOT, DRIVE, SLOT, SLOTS = 1, 0x10, 0x20, 4

    def __init__(self) -> None:
        self.full = {self.SLOT, self.SLOT + 1}
        self.kinds = {1: [self.ROBOT], 2: [self.SLOT + i for i in range(self.SLOTS)], 4: [self.DRIVE]}

    def own(self, cdb: bytes, out: bytes, room: int) -> Answer:
        operation = cdb[0]
        if operation == 0x07:  # INITIALIZE ELEMENT STATUS
            return Answer()
        if operation == 0x1a:  # MODE SENSE (6): the addresses of elements, none to import or export
            if cdb[2] & 0x3f != 0x1d:
                return INVALID_FIELD
            page = struct.pack(">BB8Hxx", 0x1d, 18, self.ROBOT, 1, self.SLOT, self.SLOTS, 0, 0, self.DRIVE, 1)
            return Answer((struct.pack(">BBBB", 3 + len(page), 0, 0, 0) + page)[:cdb[4]])
        if operation == 0xa5:  # MOVE MEDIUM
            return self.move(*struct.unpack(">HH", cdb[4:8]))
        if operation == 0xb8:  # READ ELEMENT STATUS
            first, count = struct.unpack(">HH", cdb[2:6])
            return Answer(self.status(cdb[1] & 0xf, first, count)[:int.from_bytes(cdb[7:10], "big")])
        return INVALID_OPCODE

    def move(self, source: int, target: int) -> Answer:
        places = self.kinds[2] + self.kinds[4]
        if source not in places or target not in places:
            return check(ILLEGAL_REQUEST, 0x2101)
        if source not in self.full:
            return check(ILLEGAL_REQUEST, 0x3b0e)
        if target in self.full:
            return check(ILLEGAL_REQUEST, 0x3b0d)
        self.full.remove(source)
        self.full.add(target)
        return Answer()

    def status(self, kind: int, first: int, count: int) -> bytes:
        pages = b""
        found: list[int] = []
        for of, elements in self.kinds.items():
            here = [e for e in elements if e >= first and kind in (0, of)][:count - len(found)]
            found += here
            if here:
                # ACCESS and FULL
                each = b"".join(struct.pack(">HB9x", e, 8 | (e in self.full)) for e in here)
                pages += struct.pack(">BBHI", of, 0, 12, len(each)) + each
        return struct.pack(">HHI", min(found, default=0), len(found), len(pages)) + pages


class Ring:
    """The commands of a backstore, and their answers."""

    def __init__(self, name: str) -> None:
        for uio in Path("/sys/class/uio").iterdir():
            if f"tcm-user/{name}/" in (uio / "name").read_text() + "/":
                break
        else:
            raise SystemExit(f"media.py: there is no backstore user_{name}")
        self.file = os.open(f"/dev/{uio.name}", os.O_RDWR)
        self.map = mmap.mmap(self.file, int((uio / "maps/map0/size").read_text(), 0))
        self.commands, self.size = struct.unpack_from("II", self.map, CMDR_OFF)

    def serve(self, device: Device) -> None:
        while True:
            tail, = struct.unpack_from("I", self.map, CMD_TAIL)
            while tail != struct.unpack_from("I", self.map, CMD_HEAD)[0]:
                at = self.commands + tail
                length, = struct.unpack_from("I", self.map, at)
                if length & 7 == OP_CMD:
                    self.carry_out(at, device)
                tail = (tail + (length & ~7)) % self.size
                struct.pack_into("I", self.map, CMD_TAIL, tail)
            os.write(self.file, bytes(4))
            os.read(self.file, 4)

    def carry_out(self, at: int, device: Device) -> None:
        pieces, _, _, cdb = struct.unpack_from("IIIQ", self.map, at + RESPONSE)
        iovecs = [struct.unpack_from("QQ", self.map, at + IOVECS + 16 * i) for i in range(pieces)]
        # Data-out; of data-in it is what was there before.
        out = b"".join(self.map[base:base + length] for base, length in iovecs)
        answer = device.command(self.map[cdb:cdb + 16], out, len(out))
        data = answer.data[:len(out)]
        left = data
        for base, length in iovecs:
            self.map[base:base + len(left[:length])] = left[:length]
            left = left[length:]
        self.map[at + UFLAGS] = READ_LEN
        struct.pack_into("BxxxI96s", self.map, at + RESPONSE, CHECK_CONDITION if answer.sense else GOOD,
                         len(data), answer.sense)


if __name__ == "__main__":
    kinds = {"tape": Tape, "changer": Changer}
    if len(sys.argv) != 3 or sys.argv[1] not in kinds:
        raise SystemExit(__doc__)
    ring = Ring(sys.argv[2])
    print("ready", flush=True)
    ring.serve(kinds[sys.argv[1]]())
