# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) 2026 vhost-lio developers
"""The command vhost-scsi: looks into the vhost_scsi module of vhost-lio."""

VERSION = "0.1.0"
