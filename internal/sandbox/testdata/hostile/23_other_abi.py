# Row 23: the system calls of other word sizes. The process that tries the 32-bit
# way is killed: it is a child.
# expect: held
import mmap, signal
if not ARM:
    for number in [39, 57, 101, 165]:
        refused(f"x32 {number}", lambda: call(number | 0x40000000, None, 0, 0, 0))
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, getpid; int 0x80; ret
    code = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    pid = os.fork()
    if pid == 0:
        result = code()
        os._exit(0 if result > 0 else 7)
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
        breach("int 0x80 works")
