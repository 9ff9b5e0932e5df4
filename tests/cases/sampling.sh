#!/bin/bash
# The rates of -sample are kept, for every event type, in the original's six scenarios.
# timeout: 420
# sanitized: no
exec bash "$(dirname "$0")/../sampling.sh"
