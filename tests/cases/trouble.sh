#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# problems says something true of incidents that it was not made for, and nothing false: some of tests/trouble.sh, side by side.
# timeout: 180
XGOTOPFS_HUNTS_JOBS=4 exec bash "$(dirname "$0")/../trouble.sh" healthy:full stopped:light init:light stalls:full finalizer:full files:light logs:light spin:light
