# row: 39
# tries: to take twice the memory it may have in page tables, for memory that it only reads and that counts for nothing.
# status: out_of_memory
# gvisor status: out_of_memory died error ok timeout
# timeout: 60
# gvisor timeout: 3
# prints: anything
import mmap
STEP = 2 << 20  # what one page of page tables is for
libc.mmap.restype, libc.mmap.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
size = 2 * HOST["memory"] // mmap.PAGESIZE * STEP
start = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, -1, 0)  # MAP_NORESERVE
libc.madvise(start, size, 15)  # MADV_NOHUGEPAGE
for address in range(start, start + size, STEP):
    ctypes.c_char.from_address(address).value
