# row: 46
# tries: to run for ever in a regular expression.
# status: timeout
# timeout: 1
import re
re.match("(a+)+b", "a" * 100)
