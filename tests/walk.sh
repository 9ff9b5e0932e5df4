#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Walks through the web UI on examples/three-bugs under load (tests/ui/walk.mjs) and takes the pictures of docs/ui.md.
# Needs root, Go, Chromium, python3-pil.
# Usage: [XGOTOPFS_BUILD=build] tests/walk.sh [FOLDER]      FOLDER: all pictures of both themes at 390, 1280 and 1440 px; unless given, those of docs
ALL=${1:+$(realpath -m "$1")}
cd "$(dirname "$0")/.." || exit
. tests/lib.sh
. tests/app_lib.sh
. tests/web_lib.sh
need_tracing
need_browser
"$PYTHON" -c 'import PIL' 2>/dev/null || skip "python3-pil is not installed"
FOLDER=${ALL:-$T/shots}
start_three_bugs
mount_demo -web -web-port 0 -storage-dir "$T/sessions"
wait_web
(cd "$T/ui" && timeout 600 node walk.mjs "$WEB" "$FOLDER" all) || fail "a question has no answer in three steps"
stop_xgotopfs
unharmed "$DEMO"
[ -z "$ALL" ] || exit 0
for picture in problems-1280-light leak-1280-light lock-1280-light hog-1280-light slow-1280-light range-1280-light whole-1280-light slow-1280-dark leak-390-dark lock-390-dark hog-390-dark; do
	# 256 colours are enough for a page of text and flat colours, and a third of the size: its most frequent, so that grounds stay as
	# they are, and some for what is small and bright, as the sign of what is critical.
	"$PYTHON" - "$FOLDER/$picture.png" "docs/ui-$picture.png" <<'EOF' || fail "no $picture"
import sys
from PIL import Image
picture, palette = Image.open(sys.argv[1]).convert("RGB"), Image.new("P", (1, 1))
colors = [color for _, color in sorted(picture.getcolors(1 << 24), reverse=True)]
bright = [color for color in colors[160:] if max(color) - min(color) > 60] or colors[:1]
rare = Image.new("RGB", (len(bright), 1))
rare.putdata(bright)
rare = rare.quantize(96).getpalette()[: 3 * 96]
palette.putpalette([part for color in colors[:160] for part in color] + rare)
picture.quantize(palette=palette, dither=Image.Dither.NONE).save(sys.argv[2], optimize=True)
EOF
done
sum=$(cat docs/ui-*.png | wc -c)
[ "$sum" -le 1500000 ] || fail "the pictures have $sum bytes together"
echo "$sum bytes in docs/ui-*.png"
