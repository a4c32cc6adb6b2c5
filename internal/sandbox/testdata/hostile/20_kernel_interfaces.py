# Row 20: wide interfaces of the kernel, by number.
# expect: held
buffer = ctypes.create_string_buffer(256)
for name, amd64, arm64 in [("bpf", 321, 280), ("perf_event_open", 298, 241), ("userfaultfd", 323, 282), ("io_uring_setup", 425, 425), ("io_uring_enter", 426, 426), ("io_uring_register", 427, 427), ("keyctl", 250, 219), ("add_key", 248, 217), ("request_key", 249, 218), ("io_setup", 206, 0), ("fanotify_init", 300, 262), ("memfd_secret", 447, 447)]:
    refused(name, lambda: call(amd64, arm64, buffer, buffer, 0, 0, 0))
