# row: 45
# tries: to run for ever by catching every interrupt.
# status: timeout
# timeout: 1
while True:
    try:
        while True:
            time.sleep(1e6)
    except BaseException:
        pass
