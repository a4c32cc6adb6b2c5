# row: 62
# tries: to fill memory by unpacking a small file.
# lines: 1
# status: ok out_of_memory
# gvisor status: ok out_of_memory died
# gvisor lines: 0
import zlib
packer = zlib.compressobj(9, wbits=-15)
block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
bomb = block * (4 * HOST["memory"] >> 20)
say("own", len(bomb), "bytes packed")
try:
    size = len(zlib.decompress(bomb, wbits=-15))
except (MemoryError, zlib.error) as error:
    say("limited", type(error).__name__)
else:
    say("BREACH", "unpacked", size)
