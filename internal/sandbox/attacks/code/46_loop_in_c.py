# row: 46
# tries: to run for ever in C code, which looks for no interrupt.
# status: timeout
# timeout: 1
# beside: yes
7 ** 10 ** 9
