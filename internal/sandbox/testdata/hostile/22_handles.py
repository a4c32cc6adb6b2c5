# Row 22: open a file of the host by its handle.
# expect: held
handle = (ctypes.c_uint32 * 34)(8, 1, 2, 0)
refused("open_by_handle_at", lambda: call(304, 265, os.open("/", os.O_RDONLY), handle, 0))
refused("name_to_handle_at", lambda: call(303, 264, -100, b"/\0", handle, (ctypes.c_int * 1)(), 0), also={errno.EOVERFLOW})
