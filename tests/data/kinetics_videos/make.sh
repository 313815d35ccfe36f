#!/bin/bash
# Makes the videos of this folder and expected.json with the ffmpeg that $FFMPEG names: bash make.sh
# Frame n of each video is a plain grey of 20 + 4 n, so that frames can be told apart after any encoding.
set -e
cd "$(dirname "$0")"
F=${FFMPEG:-ffmpeg}
SRC="color=c=black:s=64x48:r=30:d=1.5,geq=lum='20+4*N':cb=128:cr=128"
X264="-c:v libx264 -g 12 -pix_fmt yuv420p"
$F -v error -y -f lavfi -i "$SRC" -f lavfi -i "sine=d=1.5" $X264 -c:a aac -b:a 16k av.mp4
$F -v error -y -itsoffset 0.5 -f lavfi -i "$SRC" -f lavfi -i "sine=d=2" $X264 -c:a aac -b:a 16k late.mp4
$F -v error -y -ss 0.7 -i av.mp4 -c copy edit_list.mp4
$F -v error -y -ss 0.7 -i av.mp4 -c copy -use_editlist 0 no_edit_list.mp4
$F -v error -y -f lavfi -i "$SRC" -vf "select='not(between(n,15,30))*not(eq(mod(n,3),1))'" -fps_mode vfr $X264 rate_varies.mp4
$F -v error -y -i av.mp4 -an -c copy -output_ts_offset 10 offset.ts
$F -v error -y -i av.mp4 -c copy same.avi
$F -v error -y -i av.mp4 -an -c copy raw.h264
$F -v error -y -f lavfi -i "color=red:s=32x32" -frames:v 1 cover.jpg
$F -v error -y -i cover.jpg -i av.mp4 -map 0 -map 1:v -c copy -disposition:v:0 attached_pic cover_first.mp4
rm cover.jpg
python3 - "$F" <<'PY'
import json, subprocess, sys
from pathlib import Path
expected = {}
for path in [p for p in sorted(Path().iterdir()) if p.suffix in (".mp4", ".ts", ".h264") and "cover" not in p.name]:
    command = [sys.argv[1], "-v", "error", "-i", path, "-filter_complex", "[0]fps=fps=25", "-f", "image2pipe", "pipe:"]
    jpegs = subprocess.run(command, capture_output=True, check=True).stdout
    grey = [sys.argv[1], "-v", "error", "-f", "mjpeg", "-i", "pipe:", "-vf", "scale=1:1:flags=area", "-pix_fmt", "gray", "-f", "rawvideo", "pipe:"]
    expected[path.name] = list(subprocess.run(grey, input=jpegs, capture_output=True, check=True).stdout)
text = json.dumps(expected).replace("], ", "],\n ").replace("{", "{\n ").replace("}", "\n}\n")
Path("expected.json").write_text(text)
PY
