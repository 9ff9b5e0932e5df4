#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The commands of docs/oncall.md name what was planted: three servers at the same time, here as there. All: tests/hunts.sh.
# timeout: 120
exec bash "$(dirname "$0")/../hunts.sh" convoy:light:after worker:full:before hog:light:before
