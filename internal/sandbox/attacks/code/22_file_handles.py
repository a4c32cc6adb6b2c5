# row: 22
# tries: to open files of the host by inode number, past every path.
# lines: 4
import struct
handle = ctypes.create_string_buffer(struct.pack("<Ii", 8, 1) + struct.pack("<QI", 2, 0), 136)  # inode 2: the root of a disk
for path in ("/", "/usr", "/mnt/data"):
    fd = os.open(path, os.O_RDONLY)
    denied(f"open_by_handle_at {path}", raw, "open_by_handle_at", fd, handle, os.O_RDONLY)
    os.close(fd)
handle = ctypes.create_string_buffer(struct.pack("<I", 128), 136)
mount = ctypes.c_int()
denied("name_to_handle_at", raw, "name_to_handle_at", -100, b"/usr\0", handle, ctypes.byref(mount), 0)
