# row: 80
# tries: to wait in the debugger.
# status: error ok
# timeout: 10
# prints: anything
breakpoint()
