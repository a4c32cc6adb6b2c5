# row: 48
# tries: to run over the end of the stack, with Python's own limit lifted.
# status: died out_of_memory error ok timeout
# timeout: 10
# prints: anything
sys.setrecursionlimit(10**9)


class Deep:
    def __getattr__(self, name):
        return getattr(self, name + "x"[:0])


def again(n):
    return sorted([n], key=again)


again(1)
