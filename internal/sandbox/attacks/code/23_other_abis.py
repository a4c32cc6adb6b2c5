# row: 23
# tries: system calls by another calling convention, which a filter that looks at numbers alone mistakes.
# lines: 4
import mmap
import signal


def code(machine_code):
    """Run machine code and return what it leaves in the result register."""
    area = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    area.write(machine_code)
    return ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(area)))()


def int80():
    # push rbx; mov eax, 20 (getpid); int 0x80; pop rbx; ret
    result = code(b"\x53\xb8\x14\x00\x00\x00\xcd\x80\x5b\xc3")
    say("BREACH" if result > 0 else "denied", "int 0x80", result)


def int80_mount():
    # push rbx; mov eax, 21 (mount); xor ebx, ebx; int 0x80; pop rbx; ret
    result = code(b"\x53\xb8\x15\x00\x00\x00\x31\xdb\xcd\x80\x5b\xc3")
    say("BREACH" if result not in (-1, -38) else "denied", "int 0x80 mount", result)


if MACHINE == 0:
    for attack in (int80, int80_mount):
        status = in_child(attack)
        if os.WIFSIGNALED(status):
            say("killed", signal.Signals(os.WTERMSIG(status)).name, attack.__name__)
    for number, what in ((39, "getpid"), (101, "ptrace"), (165, "mount"), (272, "unshare"), (520, "execve"), (521, "ptrace")):
        denied(f"x32 {what}", raw, 0x40000000 | number, 0, 0, 0, 0)
else:
    say("absent", "int 0x80")
for number in (512, 600, 1023, 0x7fffffff):
    denied(f"call {number}", raw, number, 0, 0, 0, 0)
