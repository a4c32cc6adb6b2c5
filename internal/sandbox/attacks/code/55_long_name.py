# row: 55
# tries: to have a name of many megabytes reported.
# status: error out_of_memory
# prints: anything
raise type("E" * (40 << 20), (Exception,), {})("z" * (40 << 20))
