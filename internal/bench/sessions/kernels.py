# Runs Jupyter kernels. A line of standard input is a request: what to do ("start",
# "cell", "interrupt" or "kill") with which kernel. The answer is a line with the
# seconds it took, by the clock here. Kernels work at the same time.
import json
import queue
import sys
import threading
import time

from jupyter_client.manager import KernelManager

printing = threading.Lock()


class Kernel(threading.Thread):
    """A kernel with its requests, one after the other."""

    def __init__(self):
        super().__init__(daemon=True)
        self.requests = queue.SimpleQueue()
        self.manager = KernelManager(kernel_name="python3")
        # No kernel spec is installed: this interpreter is the kernel's.
        self.manager.kernel_cmd = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        self.client = None

    def run(self):
        while request := self.requests.get():
            answer = {"id": request["id"]}
            try:
                answer["seconds"] = getattr(self, "do_" + request["do"])(request["code"])
            except Exception as error:
                answer["error"] = repr(error)
            with printing:
                print(json.dumps(answer), flush=True)

    def do_start(self, code):
        began = time.perf_counter()
        self.manager.start_kernel()
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        return time.perf_counter() - began

    def do_cell(self, code):
        began = time.perf_counter()
        if error := self.execute(code, lambda: None):
            raise RuntimeError(error)
        return time.perf_counter() - began

    def do_interrupt(self, code):
        began = None

        def interrupt():
            nonlocal began
            began = began or time.perf_counter()
            self.manager.interrupt_kernel()

        error = self.execute(code, interrupt)
        if began is None or not error.startswith("KeyboardInterrupt"):
            raise RuntimeError(f"not interrupted: {error}")
        return time.perf_counter() - began

    def do_kill(self, code):
        self.client.stop_channels()
        began = time.perf_counter()
        self.manager.shutdown_kernel(now=True)
        return time.perf_counter() - began

    def execute(self, code, printed):
        """Runs code until the kernel is idle and has replied; returns its error.
        Calls printed when it prints something, and again as long as nothing follows:
        an interrupt just before a blocking call goes unseen."""
        message = self.client.execute(code)
        error = ""
        waiting = 60
        while True:
            try:
                answer = self.client.get_iopub_msg(timeout=waiting)
            except queue.Empty:
                if waiting == 60:
                    raise
                printed()
                continue
            if answer["parent_header"].get("msg_id") != message:
                continue
            kind, content = answer["msg_type"], answer["content"]
            if kind == "stream":
                waiting = 0.25
                printed()
            elif kind == "error":
                error = f"{content['ename']}: {content['evalue']}"
            elif kind == "status" and content["execution_state"] == "idle":
                break
        self.client.get_shell_msg(timeout=60)
        return error


kernels = {}
for line in sys.stdin:
    request = json.loads(line)
    number = request["kernel"]
    if request["do"] == "start":
        kernels[number] = Kernel()
        kernels[number].start()
    kernels[number].requests.put(request)
    if request["do"] == "kill":
        kernels.pop(number).requests.put(None)
for kernel in kernels.values():
    if kernel.client:
        kernel.do_kill("")
