# row: 53
# tries: to do so from a program, past the interpreter.
# status: protocol_error
# timeout: 60
# prints: anything
# beside: yes
import subprocess
subprocess.run("yes 1>&2", shell=True)
