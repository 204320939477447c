"""Agents against an API server of their own, in a network namespace that is only theirs: what bench/agent_memory, many_nodes,
cni_burst and convergence have in common."""
import atexit
import concurrent.futures
import ctypes
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
NETNS = f"crl-bench-{os.getpid()}"
PORT = 7443


def sh(*words, check=True, **options):
    done = subprocess.run([str(w) for w in words], text=True, capture_output=True, **options)
    if check and done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def say(text):
    print(f"-- {text}", file=sys.stderr, flush=True)


def enter(netns):
    """This process's sockets are the namespace's from now on; the mounts stay, so that others see what is made."""
    with open(f"/run/netns/{netns}") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), 0x40000000) != 0:
            sys.exit("setns: " + os.strerror(ctypes.get_errno()))


def end_with_parent():
    """In a child: SIGKILL when this program ends, however it does."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def remove_leftovers():
    """Namespaces and folders of a run that was killed."""
    for path in list(pathlib.Path("/run/netns").glob("crl-bench-*")):
        pid = path.name.split("-")[2]
        if pid.isdigit() and not pathlib.Path(f"/proc/{pid}").exists():
            sh("ip", "netns", "del", path.name, check=False)
    for path in pathlib.Path(tempfile.gettempdir()).glob("crl-bench-*"):
        pid = path.name.split("-")[2]
        if pid.isdigit() and not pathlib.Path(f"/proc/{pid}").exists():
            shutil.rmtree(path, ignore_errors=True)


class Api:
    def connect(self):
        connection = http.client.HTTPConnection("127.0.0.1", PORT)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def call(self, method, path, body=None, connection=None, content="application/json"):
        own = connection or self.connect()
        own.request(method, path, body=json.dumps(body) if body is not None else None, headers={"Content-Type": content})
        reply = own.getresponse()
        text = reply.read()
        if reply.status >= 300:
            sys.exit(f"{method} {path}: {reply.status} {text[:400]}")
        return text

    def call_all(self, calls, workers=4):
        def batch(part):
            connection = self.connect()
            for method, path, body in part:
                self.call(method, path, body, connection)
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            list(pool.map(batch, [calls[i::workers] for i in range(workers)]))

    def wait_up(self, process):
        for _ in range(400):
            try:
                return self.call("GET", "/readyz")
            except OSError:
                if process.poll() is not None:
                    sys.exit("the API server ended")
                time.sleep(0.05)
        sys.exit("the API server does not answer")


def status_mb(pid, word):
    return int(re.search(rf"{word}:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def cpu_seconds(pid):
    """Processor time of a process (its CPU clock, as clock_getcpuclockid gives it)."""
    return time.clock_gettime(~pid << 3 | 2)


def wait_quiet(pid, quiet=3.0):
    """Until the agent has used next to no processor time for a while."""
    last, since = cpu_seconds(pid), time.monotonic()
    while time.monotonic() - since < quiet:
        time.sleep(0.5)
        now = cpu_seconds(pid)
        if now - last > 0.05:
            last, since = now, time.monotonic()


class LoneNode:
    """The namespace, the API server in it, and agents that are started one after the other. All goes with the process."""

    def __init__(self, programs, *server_flags):
        """`server_flags`: further ones of the API server, which runs in the folder."""
        remove_leftovers()
        self.programs = programs.resolve()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{NETNS}-"))
        self.processes, self.namespaces = [], [NETNS]
        atexit.register(self.clean)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
        sh("ip", "netns", "add", NETNS)
        enter(NETNS)
        sh("ip", "link", "set", "lo", "up")
        sh("ip", "link", "add", "uplink", "type", "veth", "peer", "name", "nowhere")
        sh("ip", "link", "set", "nowhere", "up")
        sh("ip", "address", "add", "192.0.2.1/24", "dev", "uplink")
        sh("ip", "link", "set", "uplink", "up")
        self.log = open(self.folder / "log", "w")
        server = subprocess.Popen([self.programs / "caracal-apiserver", "--memory", "--insecure-no-auth-http", f"127.0.0.1:{PORT}", "--listen",
                                   "127.0.0.1:7444", "--log-level", "error", *server_flags], stdout=self.log, stderr=self.log, cwd=self.folder,
                                  preexec_fn=end_with_parent)
        self.processes.append(server)
        self.api = Api()
        self.api.wait_up(server)
        self.kubeconfig = self.folder / "kubeconfig"
        self.kubeconfig.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "x",
                                               "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
                                               "clusters": [{"name": "x", "cluster": {"server": f"http://127.0.0.1:{PORT}"}}],
                                               "users": [{"name": "x", "user": {}}]}))

    def clean(self):
        for process in self.processes:
            process.terminate()
            process.wait()
        for netns in self.namespaces:
            sh("ip", "netns", "del", netns, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, node, program=None, *flags):
        agent = subprocess.Popen([program or self.programs / "caracal-agent", "--node-name", node, "--kubeconfig", self.kubeconfig, "--socket",
                                  self.folder / "agent.sock", "--state-dir", self.folder / "state", "--metrics-listen", "", "--log-level", "warn",
                                  *flags], stdout=self.log, stderr=self.log, preexec_fn=end_with_parent)
        self.processes.append(agent)
        return agent

    def stop(self, agent):
        agent.terminate()
        agent.wait()
        self.processes.remove(agent)
