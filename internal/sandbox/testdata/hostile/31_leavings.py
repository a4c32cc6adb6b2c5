# Row 31: what another session left in folders that look shared.
# expect: held
for folder in ["/dev/shm", "/tmp", "/var/tmp", "/mnt/data", os.path.expanduser("~")]:
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        if OTHER_KEY in name:
            breach(f"{folder}/{name}")
