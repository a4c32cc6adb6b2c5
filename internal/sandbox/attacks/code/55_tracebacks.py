# row: 55
# tries: to stop the report of its error: an endless chain of causes, a text that raises, a traceback of megabytes.
# status: error
# prints: anything
class Evil(Exception):
    def __str__(self):
        raise Evil

    __repr__ = __str__

    @property
    def __notes__(self):
        raise Evil


def deeper(n):
    if n == 0:
        a, b = Evil("x" * (10 << 20)), ValueError("y" * (10 << 20))
        a.__cause__, b.__cause__ = b, a
        raise a
    deeper(n - 1)


deeper(500)
