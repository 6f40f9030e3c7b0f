"""A stand-in for the API of a Kubernetes cluster, which runs pods as local processes.

It answers the requests that Snakemake's executor makes: secrets, jobs with their
status, pods with their log. It refuses a GPU that is asked for without a limit, as a
cluster does. A pod's command runs in an empty folder, which is deleted with the pod,
and sees the variables of the image and those that its specification declares, nothing
else. Not here: images, volumes, scheduling, limits, permissions.
"""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ports import Loopback, Quiet

CORE = r"/api/v1/namespaces/(?P<namespace>[\w-]+)"
BATCH = r"/apis/batch/v1/namespaces/(?P<namespace>[\w-]+)"
LOOK_SECONDS = 0.1


class Pod:
    """A job's only pod: its process, its folder and what it said."""

    def __init__(self, spec, environment):
        self.folder = Path(tempfile.mkdtemp(prefix="pod-"))
        self.log = self.folder / "log"
        container = spec["template"]["spec"]["containers"][0]
        workdir = self.folder / "workdir"
        workdir.mkdir()
        with self.log.open("w") as stream:
            self._process = subprocess.Popen(
                [*container["command"], *container["args"]],
                cwd=workdir,
                env=environment | {"HOME": str(workdir)},
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def exit_code(self):
        """As a container's: 128 and the signal's number for a killed one."""
        code = self._process.poll()
        return 128 - code if code is not None and code < 0 else code

    def kill(self):
        """End all of its processes at once, as a reclaimed machine does."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self._process.wait()

    def remove(self):
        self.kill()
        shutil.rmtree(self.folder)

    def status(self):
        code = self.exit_code
        state = {"running": {}} if code is None else {"terminated": {"exitCode": code}}
        container = {"name": "snakemake", "state": state, "ready": code is None}
        return container | {"image": "", "imageID": "", "restartCount": 0}


@dataclass
class Cluster:
    """A cluster as the executor sees it.

    Attributes:
        image: the variables that every container has.
        reclaim: the first pod that prints this is killed there and then.
        jobs: every job that was created, as it was specified.
        reclaimed: the names of jobs whose pod was killed.
    """

    image: dict[str, str]
    reclaim: str = ""
    jobs: list[dict[str, Any]] = field(default_factory=list)
    reclaimed: list[str] = field(default_factory=list)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    pods: dict[str, Pod] = field(default_factory=dict)

    def __enter__(self):
        self._server = Loopback(type("Bound", (Handler,), {"cluster": self}))
        self.url = self._server.url
        self._ended = threading.Event()
        threading.Thread(target=self._take_back, daemon=True).start()
        return self

    def __exit__(self, *error):
        self._ended.set()
        self._server.close()
        for name in list(self.pods):
            self.pods.pop(name).remove()

    def create_job(self, job):
        container = job["spec"]["template"]["spec"]["containers"][0]
        declared = {v["name"]: self._value(v) for v in container.get("env", [])}
        self.jobs.append(job)
        self.pods[job["metadata"]["name"]] = Pod(job["spec"], self.image | declared)
        return job

    def _value(self, variable):
        if "valueFrom" not in variable:
            return str(variable["value"])
        of = variable["valueFrom"]["secretKeyRef"]
        return base64.b64decode(self.secrets[of["name"]][of["key"]]).decode()

    def _take_back(self):
        while not self._ended.wait(LOOK_SECONDS):
            running = [p for p in list(self.pods.items()) if p[1].exit_code is None]
            for name, pod in running if self.reclaim and not self.reclaimed else []:
                if self.reclaim in pod.log.read_text(errors="replace"):
                    pod.kill()
                    self.reclaimed.append(name)


def odd_resources(job):
    """Say which extended resource a cluster would refuse: asked for without a limit."""
    container = job["spec"]["template"]["spec"]["containers"][0]
    asked = container["resources"]["requests"]
    limits = container["resources"].get("limits") or {}
    odd = [n for n in asked if "/" in n and limits.get(n) != asked[n]]
    return f"Limit must be set for non overcommitable resources: {odd}" if odd else ""


class Handler(Quiet, BaseHTTPRequestHandler):
    """Answers one request."""

    cluster: Cluster

    def do_POST(self):
        body = json.loads(self.body())
        if self._is(f"{CORE}/secrets"):
            self.cluster.secrets[body["metadata"]["name"]] = body["data"]
            self._json(body)
        elif self._is(f"{BATCH}/jobs") and (odd := odd_resources(body)):
            self._json({"message": odd}, 422)
        elif self._is(f"{BATCH}/jobs"):
            self._json(self.cluster.create_job(body))
        else:
            self._json({}, 404)

    def do_GET(self):
        pods = self.cluster.pods
        if found := self._is(rf"{BATCH}/jobs/(?P<name>[\w-]+)/status"):
            self._job(found["name"])
        elif self._is(f"{CORE}/pods"):
            label = parse_qs(urlsplit(self.path).query)["labelSelector"][0]
            name = label.removeprefix("job-name=")
            self._json({"items": [self._pod(name)] if name in pods else []})
        elif found := self._is(rf"{CORE}/pods/(?P<name>[\w-]+)/log"):
            log = pods[found["name"]].log.read_bytes()
            self.answer(log, **{"content-type": "text/plain"})
        else:
            self._json({}, 404)

    def do_DELETE(self):
        self.body()
        if found := self._is(rf"{CORE}/secrets/(?P<name>[\w-]+)"):
            del self.cluster.secrets[found["name"]]
        elif found := self._is(rf"{CORE}/pods/(?P<name>[\w-]+)"):
            self.cluster.pods.pop(found["name"]).remove()
        self._json({"kind": "Status", "status": "Success"})

    def _job(self, name):
        if name not in self.cluster.pods:
            self._json({}, 404)
            return
        code = self.cluster.pods[name].exit_code
        word = "active" if code is None else "failed" if code else "succeeded"
        self._json({"metadata": {"name": name}, "status": {word: 1}})

    def _pod(self, name):
        statuses = [self.cluster.pods[name].status()]
        return {"metadata": {"name": name}, "status": {"containerStatuses": statuses}}

    def _is(self, pattern):
        return re.fullmatch(pattern, urlsplit(self.path).path)

    def _json(self, value, code=200):
        sent = json.dumps(value).encode()
        self.answer(sent, code, **{"content-type": "application/json"})
