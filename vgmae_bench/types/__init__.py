"""The data types of the whole package: clips, queries, tracks.

All coordinates are raster pixels (x, y). (0, 0) is the outer corner of the top-left pixel, (W, H) is the outer corner of
the bottom-right pixel, and pixel centres are at +0.5. Code with pixel centres at integers must subtract 0.5. Sizes are
(height, width), as in array shapes.
"""

from vgmae_bench.resizing import Size as Size
from vgmae_bench.types.clip import Clip as Clip
from vgmae_bench.types.clip import boolean_occlusion as boolean_occlusion
from vgmae_bench.types.clip import describe as describe
from vgmae_bench.types.tracks import BoolArray as BoolArray
from vgmae_bench.types.tracks import FloatArray as FloatArray
from vgmae_bench.types.tracks import Noted as Noted
from vgmae_bench.types.tracks import Queries as Queries
from vgmae_bench.types.tracks import Scene as Scene
from vgmae_bench.types.tracks import SceneMaker as SceneMaker
from vgmae_bench.types.tracks import Streaming as Streaming
from vgmae_bench.types.tracks import StreamingTracker as StreamingTracker
from vgmae_bench.types.tracks import Tracker as Tracker
from vgmae_bench.types.tracks import Tracks as Tracks
from vgmae_bench.types.tracks import Uint8Array as Uint8Array
from vgmae_bench.types.tracks import rescale as rescale
from vgmae_bench.types.tracks import stream as stream
