#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The rates of -sample are kept, for every event type, in the original's six scenarios.
# timeout: 420
# sanitized: no
exec bash "$(dirname "$0")/../sampling.sh"
