# The simplest interpreter that keeps variables: a line of standard input is a cell
# as JSON, the answer is a line of JSON with its error, null if it has none. Figures
# are drawn, as notebooks and sessions do.
import io
import json
import sys

names = {"__name__": "__main__"}
print("null", flush=True)
for line in sys.stdin:
    error = None
    try:
        exec(compile(json.loads(line), "<cell>", "exec"), names)
        if pyplot := sys.modules.get("matplotlib.pyplot"):
            for number in pyplot.get_fignums():
                pyplot.figure(number).savefig(io.BytesIO(), format="png")
            pyplot.close("all")
    except BaseException as e:
        error = type(e).__name__ + ": " + str(e)
    print(json.dumps(error), flush=True)
