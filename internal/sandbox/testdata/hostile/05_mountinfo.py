# Row 5: other sessions' ids and host paths among the mounts.
# expect: held
try:
    text = open("/proc/self/mountinfo").read()
except OSError:
    text = ""
for bad in [CANARY, CANARY_DIR, OTHER_KEY]:
    if bad in text:
        breach(bad)
