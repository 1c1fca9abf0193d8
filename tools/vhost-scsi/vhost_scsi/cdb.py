# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) 2026 vhost-lio developers
"""A CDB in words: the command's name, and where it reads and writes."""

from .host import printable

NAMES = {
    0x00: "TEST UNIT READY", 0x03: "REQUEST SENSE", 0x08: "READ(6)", 0x0A: "WRITE(6)", 0x12: "INQUIRY",
    0x15: "MODE SELECT(6)", 0x16: "RESERVE(6)", 0x17: "RELEASE(6)", 0x1A: "MODE SENSE(6)",
    0x1B: "START STOP UNIT", 0x1D: "SEND DIAGNOSTIC", 0x1E: "PREVENT ALLOW MEDIUM REMOVAL",
    0x25: "READ CAPACITY(10)", 0x28: "READ(10)", 0x2A: "WRITE(10)", 0x2E: "WRITE AND VERIFY(10)",
    0x2F: "VERIFY(10)", 0x34: "PRE-FETCH(10)", 0x35: "SYNCHRONIZE CACHE(10)", 0x3B: "WRITE BUFFER",
    0x3C: "READ BUFFER", 0x41: "WRITE SAME(10)", 0x42: "UNMAP", 0x4D: "LOG SENSE", 0x55: "MODE SELECT(10)",
    0x56: "RESERVE(10)", 0x57: "RELEASE(10)", 0x5A: "MODE SENSE(10)", 0x5E: "PERSISTENT RESERVE IN",
    0x5F: "PERSISTENT RESERVE OUT", 0x83: "EXTENDED COPY", 0x84: "RECEIVE COPY RESULTS", 0x88: "READ(16)",
    0x89: "COMPARE AND WRITE", 0x8A: "WRITE(16)", 0x8E: "WRITE AND VERIFY(16)", 0x8F: "VERIFY(16)",
    0x90: "PRE-FETCH(16)", 0x91: "SYNCHRONIZE CACHE(16)", 0x93: "WRITE SAME(16)", 0xA0: "REPORT LUNS",
    0xA8: "READ(12)", 0xAA: "WRITE(12)", 0xAE: "WRITE AND VERIFY(12)", 0xAF: "VERIFY(12)"}
# Service actions (SPC-4, SBC-3), in the low five bits of byte 1, or in bytes 8 and 9.
ACTIONS = {
    (0x9E, 0x10): "READ CAPACITY(16)", (0x9E, 0x12): "GET LBA STATUS",
    (0xA3, 0x05): "REPORT IDENTIFYING INFORMATION", (0xA3, 0x0A): "REPORT TARGET PORT GROUPS",
    (0xA3, 0x0C): "REPORT SUPPORTED OPERATION CODES", (0xA4, 0x0A): "SET TARGET PORT GROUPS",
    (0x5E, 0x00): "PERSISTENT RESERVE IN: READ KEYS", (0x5E, 0x01): "PERSISTENT RESERVE IN: READ RESERVATION",
    (0x5E, 0x02): "PERSISTENT RESERVE IN: REPORT CAPABILITIES",
    (0x5E, 0x03): "PERSISTENT RESERVE IN: READ FULL STATUS",
    (0x5F, 0x00): "PERSISTENT RESERVE OUT: REGISTER", (0x5F, 0x01): "PERSISTENT RESERVE OUT: RESERVE",
    (0x5F, 0x02): "PERSISTENT RESERVE OUT: RELEASE", (0x5F, 0x03): "PERSISTENT RESERVE OUT: CLEAR",
    (0x5F, 0x04): "PERSISTENT RESERVE OUT: PREEMPT",
    (0x5F, 0x05): "PERSISTENT RESERVE OUT: PREEMPT AND ABORT",
    (0x5F, 0x06): "PERSISTENT RESERVE OUT: REGISTER AND IGNORE EXISTING KEY",
    (0x5F, 0x07): "PERSISTENT RESERVE OUT: REGISTER AND MOVE",
    (0x7F, 0x09): "READ(32)", (0x7F, 0x0B): "WRITE(32)", (0x7F, 0x0D): "WRITE SAME(32)"}
# Where address and number of blocks are: first byte and bytes of each.
TEN, TWELVE, SIXTEEN = (2, 4, 7, 2), (2, 4, 6, 4), (2, 8, 10, 4)
PLACES = {
    0x28: TEN, 0x2A: TEN, 0x2E: TEN, 0x2F: TEN, 0x34: TEN, 0x35: TEN, 0x41: TEN,
    0xA8: TWELVE, 0xAA: TWELVE, 0xAE: TWELVE, 0xAF: TWELVE,
    0x88: SIXTEEN, 0x8A: SIXTEEN, 0x8E: SIXTEEN, 0x8F: SIXTEEN, 0x90: SIXTEEN, 0x91: SIXTEEN, 0x93: SIXTEEN,
    0x89: (2, 8, 13, 1), 0x7F: (12, 8, 28, 4)}


def decode(text: str) -> str:
    """A CDB as hexadecimal digits, in words; what is none stays as it is."""
    try:
        data = bytes.fromhex(text)
    except ValueError:
        return printable(text).replace("_", " ")
    if not data:
        return "-"
    code = data[0]
    action = int.from_bytes(data[8:10], "big") if code == 0x7F else data[1] & 31 if len(data) > 1 else 0
    name = ACTIONS.get((code, action)) or NAMES.get(code) or f"operation code {code:#04x}"
    if code in (0x08, 0x0A) and len(data) >= 6:
        return f"{name} lba {int.from_bytes(data[1:4], 'big') & 0x1FFFFF} blocks {data[4] or 256}"
    place = PLACES.get(code)
    if place and len(data) >= place[2] + place[3]:
        lba = int.from_bytes(data[place[0]:place[0] + place[1]], "big")
        blocks = int.from_bytes(data[place[2]:place[2] + place[3]], "big")
        return f"{name} lba {lba} blocks {blocks}"
    return name
