# Starts Jupyter kernels and runs cells in them. A line of standard input is a
# list of "start" or "cell" and code; the answer is a line with the seconds it
# took. A kernel is shut down when the next one starts, outside the measured time.
import json
import sys
import time

from jupyter_client.manager import KernelManager

manager = client = None


def stop():
    if client is not None:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def run(code):
    """Runs code and waits until the kernel is idle and has replied."""
    message = client.execute(code)
    while True:
        answer = client.get_iopub_msg(timeout=60)
        if answer["parent_header"].get("msg_id") != message:
            continue
        if answer["msg_type"] == "error":
            raise RuntimeError(answer["content"]["evalue"])
        if answer["msg_type"] == "status" and answer["content"]["execution_state"] == "idle":
            break
    client.get_shell_msg(timeout=60)


for line in sys.stdin:
    what, code = json.loads(line)
    if what == "start":
        stop()
    begin = time.perf_counter()
    if what == "start":
        manager = KernelManager(kernel_name="python3")
        # No kernel spec is installed: this interpreter is the kernel's.
        manager.kernel_cmd = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        manager.start_kernel()
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=60)
    run(code)
    print(json.dumps(time.perf_counter() - begin), flush=True)
stop()
