# row: 55
# tries: to have a name of many megabytes reported.
# status: error
# prints: anything
raise type("E" * (40 << 20), (Exception,), {})("z" * (40 << 20))
