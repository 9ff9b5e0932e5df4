#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# timeout: 400
# beside: yes
# sanitized: no
# The Debian package builds, lintian has nothing to say, and it installs, runs and goes; here on a view of
# this machine, with tests/package.sh on a clean Debian.
exec bash "$(dirname "$0")/../package.sh" -here
