# row: 33
# tries: to end the session with an instruction that no processor has.
# status: died
import mmap
area = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
area.write({0: b"\x0f\x0b", 1: b"\x00\x00\x00\x00"}[MACHINE])
ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(area)))()
