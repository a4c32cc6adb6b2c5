# Row 21: calls of an administrator.
# expect: held
for name, amd64, arm64 in [("kexec_load", 246, 104), ("kexec_file_load", 320, 294), ("init_module", 175, 105), ("finit_module", 313, 273), ("delete_module", 176, 106), ("reboot", 169, 142), ("swapon", 167, 224), ("swapoff", 168, 225), ("acct", 163, 89), ("quotactl", 179, 60), ("syslog", 103, 116), ("lookup_dcookie", 212, 18), ("nfsservctl", 180, 42), ("iopl", 172, None), ("ioperm", 173, None), ("sethostname", 170, 161), ("setdomainname", 171, 162), ("settimeofday", 164, 170), ("clock_settime", 227, 112), ("adjtimex", 159, 171), ("vhangup", 153, 58)]:
    argument = ctypes.create_string_buffer(b"\xff" * 256) if name == "adjtimex" else 1
    refused(name, lambda: call(amd64, arm64, argument, argument if name == "adjtimex" else 1, 1, 1))
