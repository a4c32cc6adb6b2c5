# row: 33
# tries: to end the session by a call that the filter kills for.
# status: died protocol_error
import mmap
area = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
if MACHINE == 0:
    area.write(b"\x53\xb8\x14\x00\x00\x00\xcd\x80\x5b\xc3")  # int 0x80
    ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(area)))()
os._exit(1)
